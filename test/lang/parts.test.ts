import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printArchitecture } from '../../src/lang/print.ts';
import { count } from '../../src/space/count.ts';
import { sample } from '../../src/space/sample.ts';
import { programOf } from './compile.ts';

const parts = suite('lang: parts and points of spaces');

const BASE = `
space Conv {
  input x: f32[B, 8, 8, 4]
  let d = 4 | 8
  def block(n) = conv(n * (1 | 2), k: 3 | 5) -> (relu <> batchnorm) -> (tanh | dropout(0.1 | 0.2))?
  output y = x -> block(d){1..2} -> conv(d, k: 1 | 3) as last
  require params <= 100k
}
`;

function counted(text: string): Record<string, bigint | null> {
  const { spaces } = programOf(BASE + text);
  return Object.fromEntries(spaces.map((s) => [s.name, count(s).exact]));
}

parts('what is named is fixed, the rest stays open', () => {
  const found = counted(`
space D = Conv with { d = 4 }
space K = Conv with { block[*].k = 3 }
space First = Conv with { block[0][0].conv.k = 3 }
space Both = K with { last.k = 1, block.repeat = 1 }
space Order = Conv with { .order = [1, 0], block[0].repeat = 2 }
space Choice = Conv with { block.present = 1, block.choice = tanh | "none" }
space Open = Conv with { last.k = 1 | 3, d = 1..5 }
`);
  // Each copy: 2 widths, 2 kernels, 2 orders, and nothing, tanh or one of two rates.
  const copy = 32n;
  const copies = (n: bigint): bigint => n + n * n;
  const conv = (d: bigint): bigint => d * 2n * copies(copy);
  assert.is(found['Conv'], conv(2n));
  assert.is(found['D'], conv(1n));
  assert.is(found['K'], 2n * 2n * copies(copy / 2n));
  assert.is(found['First'], 2n * 2n * (copy / 2n) * (1n + copy));
  assert.is(found['Both'], 2n * (copy / 2n));
  assert.is(found['Order'], 2n * 2n * (copy / 2n) ** 2n);
  assert.is(found['Choice'], 2n * 2n * copies(8n));
  assert.is(found['Open'], conv(1n));
});

parts('where adds requirements', () => {
  const found = counted(
    'space Small = Conv where params <= 2k, d == 4\nspace Smaller = Small with { block.repeat = 1 } where depth <= 3',
  );
  assert.ok(found['Small']! > found['Smaller']! && found['Conv']! > found['Small']!);
  assert.ok(found['Smaller']! > 0n);
});

parts('a model is one point: what is not named takes its first alternative', () => {
  const { models } = programOf(
    `${BASE}model base = Conv with { block[0].k = 5, block[0].present = 1 }\nmodel plain = Conv`,
  );
  assert.equal(
    models.map((m) => [m.name, count(m.space).exact]),
    [
      ['base', 1n],
      ['plain', 1n],
    ],
  );
  const [base, plain] = models.map((m) => printArchitecture(m.space, sample(m.space, { seed: 5 })));
  assert.ok(base!.includes('def block = conv(4, k: 5) -> relu -> batchnorm -> tanh'), base);
  assert.ok(base!.includes('x -> block{1} -> conv(4, k: 1) as last'), base);
  assert.ok(plain!.includes('def block = conv(4, k: 3) -> relu -> batchnorm\n'), plain);
});

parts('a model keeps to the requirements', () => {
  const text = `
space S { input x: f32[B, 4] let d = 64 | 8 output y = x -> dense(d) require params <= 100 }
model m = S`;
  const [m] = programOf(text).models;
  assert.equal(sample(m!.space, { seed: 0 }), { d: 8 });
});

parts.run();
