import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compile } from '../../src/compiled-space.ts';
import type { Architecture, CompiledSpace } from '../../src/compiled-space.ts';
import type { Dataset, Table } from '../../src/data/dataset.ts';
import { readSafetensors } from '../../src/data/safetensors.ts';
import { SpaceError } from '../../src/compile.ts';
import { Random } from '../../src/base/philox.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenon-weights-'));
const file = join(folder, 'a.space');

const of = (input: string, output: string, before = ''): CompiledSpace =>
  compile(`${before}\nspace S {\n  input x: f32[B, ${input}]\n  output y = x -> ${output}\n}\n`, { file });

function* members(space: CompiledSpace): Iterable<Architecture> {
  for (let i = 0n; i < space.count(); i++) yield space.unrank(i);
}

const TRAIN = 'train { loss crossentropy optimizer adamw(lr: 1e-2) }';

const programs = suite('weights in programs');

programs('the programs of the design: counts and parameters', () => {
  const ph = of('8, 8, 8', 'conv(64, k: 3) via kron(1 | 2 | 4 | 8)');
  assert.is(ph.count(), 4n);
  const kron = (n: number): number => n ** 3 + (64 * 9 * 8) / n + 64;
  assert.equal(
    [...members(ph)].map((a) => a.params),
    [1, 2, 4, 8].map(kron),
  );
  assert.equal([ph.ranges().params.min, ph.ranges().params.max], [kron(8), kron(1)]);
  const slim = of('512', '(dense(512) -> relu -> dense(512)) via (full | lowrank(4..64 pow2) | tucker(8 | 16))');
  assert.is(slim.count(), 1n + 5n + 2n);
  const expected = [
    2 * 512 * 512,
    ...[4, 8, 16, 32, 64].map((r) => 2 * 2 * 512 * r),
    ...[8, 16].map((r) => 2 * (r * r + 2 * 512 * r)),
  ].map((n) => n + 2 * 512);
  assert.equal(
    [...members(slim)].map((a) => a.params),
    expected,
  );
  // Making a weight costs nothing.
  assert.is(new Set([...members(slim)].map((a) => a.flops)).size, 1);
  const tiny = of(
    '784',
    '(dense(200) -> relu -> dense(200) -> relu -> dense(10)) via subspace(750, projection: fastfood)',
  );
  assert.is(tiny.sample().params, 750);
  const all = (d: number): bigint =>
    of('784', `(dense(200) -> relu -> dense(200) -> relu -> dense(10)) via subspace(1 | ${d})`).count();
  assert.equal([all(199_210), all(199_211)], [2n, 1n]);
});

programs('every weight in the parentheses, no bias, norm or position; inside wins', () => {
  const params = (body: string): number => of('6, 8', body).sample().params;
  const block = 'positions -> layernorm -> attention(heads: 2) -> dense(8)';
  assert.is(params(`(${block}) via kron(4)`), 6 * 8 + 2 * 8 + 4 * (64 + 16 + 8) + (64 + 16 + 8));
  assert.is(params(`(${block}) via fixed(1)`), 6 * 8 + 2 * 8 + 4 * 8 + 8);
  assert.is(params('(dense(8) -> dense(8)) via hashed(10)'), 2 * (10 + 8));
  assert.is(params('(dense(8) -> dense(8) via kron(2)) via kron(4)'), 64 + 16 + 8 + (8 + 32 + 8));
  assert.is(params('(dense(8) -> (dense(8) -> dense(8)) via full) via kron(4)'), 64 + 16 + 8 + 2 * 72);
  // A vector takes all that is learned, but for the weights that an expression inside makes.
  assert.is(params('(layernorm -> dense(8) -> dense(8) via kron(2)) via subspace(3)'), 3 + 8 + 32);
  assert.is(params('((dense(8) -> layernorm) via subspace(5) -> dense(8)) via kron(4)'), 5 + 64 + 16 + 8);
  // Factors: one for each of its tensors.
  assert.is(params('(layernorm -> dense(8) -> dense(8) via kron(2)) via subspace(3, scales: true)'), 3 + 5 + 8 + 32);
  assert.is(of('8', 'dense(8) via fixed(0) + lowrank(1)').sample().params, 16 + 8);
  const member = of('8', 'dense(8) via fixed(0) + lowrank(1)').sample() as Architecture & { params_total: number };
  assert.is(member.params_total, 16 + 8 + 64);
  assert.is(member.depth, 1);
  assert.is(of('8', 'dense(8, bias: false) via fixed(0)').sample().depth, 1);
});

programs('decided once for a group, by let for several, by def anew', () => {
  assert.is(of('8', '(dense(8) -> dense(8)) via (full | kron(2 | 4))').count(), 3n);
  assert.is(of('8', 'dense(8) via w -> dense(8) via w', 'let w = full | kron(2 | 4)').count(), 3n);
  assert.is(of('8', 'dense(8) via w -> dense(8) via w', 'def w = full | kron(2 | 4)').count(), 9n);
  assert.is(of('8', 'f(kron(2)) -> f(lowrank(1 | 2))', 'def f(w) = (dense(8) -> relu) via w').count(), 2n);
  assert.is(of('8', '(dense(8) via kron(2 | 4)){2}').count(), 4n);
  assert.is(of('8', '(dense(8) via kron(2 | 4)){tied 2}').count(), 2n);
  assert.is(of('8', '((dense(8) -> relu) via kron(2 | 4)){2}').count(), 4n);
  assert.is(of('8', 'dense(8) via (if true then kron(2 | 4) else full)').count(), 2n);
  assert.is(of('8', 'dense(8) via fixed(1) + kron(2 | 4) + lowrank(1 | 2)').count(), 4n);
  // What does not fit is left out: n by the widths, ranks by the axes.
  assert.is(of('12', 'dense(8 | 9) via kron(1 | 2 | 3 | 4) -> dense(2)').count(), 3n + 2n);
  assert.is(of('12', 'dense(8) via tucker([2 | 9, 12 | 13])').count(), 1n);
  assert.is(of('12', 'dense(8) via hashed(1 | 96 | 97)').count(), 2n);
});

programs('shared networks inside of a group', () => {
  const net = (inner: string): CompiledSpace =>
    of('8', `(block{1 | 3}) via ${inner}`, 'shared s = dense(8)\ndef block = s -> relu -> dense(8)');
  const kron = (n: number): number => n ** 3 + 64 / n + 8;
  const sizes = [...members(net('kron(2 | 4)'))].map((a) => a.params).sort((a, b) => a - b);
  const expected = [2, 4].flatMap((n) => [1, 3].map((k) => (1 + k) * kron(n))).sort((a, b) => a - b);
  assert.equal(sizes, expected);
  assert.equal(
    [net('kron(2 | 4)').ranges().params.min, net('kron(2 | 4)').ranges().params.max],
    [expected[0], expected.at(-1)],
  );
});

programs('shared networks inside of a vector are counted and made once', async () => {
  const net = (inner: string): CompiledSpace =>
    of('8', `(block{1 | 3}) via ${inner}`, `shared s = dense(8)\ndef block = s -> relu -> dense(8)\n${TRAIN}`);
  const layer = 8 * 8 + 8;
  const space = net(`subspace(${2 * layer} | ${2 * layer + 1} | ${4 * layer} | ${4 * layer + 1})`);
  const sizes = [...members(space)].map((a) => a.params);
  assert.equal(sizes.sort(), [2 * layer, 2 * layer, 2 * layer + 1, 4 * layer]);
  assert.equal([space.ranges().params.min, space.ranges().params.max], [2 * layer, 4 * layer]);
  const scaled = net('subspace(3, scales: true | false)');
  assert.equal([...members(scaled)].map((a) => a.params).sort(), [11, 3, 3, 7]);
  assert.equal([scaled.ranges().params.min, scaled.ranges().params.max], [3, 3 + 8]);
  // The weights of three uses are those of one network: with them as numbers of their own, the outputs are others.
  const uses = (what: string, defs: string): Architecture =>
    of('8', `(${what}{3}) via subspace(40)`, `${defs}\n${TRAIN}`).sample();
  const once = uses('s', 'shared s = dense(8) -> relu');
  assert.is(once.params, 40);
  const net1 = await trained(once, 'shared.safetensors');
  assert.equal(net1.names, ['group[0].vector']);
  // What it makes of an input is a function of one dense layer, three times.
  const one = await uses('s', 'shared s = dense(8)').build({ seed: 1, threads: 1 });
  const x = Float32Array.from({ length: 9 * 8 }, (_, i) => (i > 7 && i % 9 === 8 ? 1 : 0));
  const y = await one.predict(x);
  const row = (v: Float32Array, i: number): Float32Array => v.subarray(8 * i, 8 * i + 8);
  const single = await of('8', '(s -> id) via subspace(40)', 'shared s = dense(8)')
    .sample()
    .build({ seed: 1, threads: 1 });
  const thrice = await single.predict(await single.predict(await single.predict(x)));
  for (let i = 0; i < 9; i++)
    row(y, i).forEach((v, k) => assert.ok(Math.abs(v - row(thrice, i)[k]!) < 1e-4 * Math.max(1, Math.abs(v))));
  one.close();
  single.close();
});

programs('tensors from outside flow on under the group that reads them', () => {
  const net = (how: string): Architecture =>
    compile(
      `cell c(t, s) { return [s -> dense(8), t -> dense(8)] -> add }
       space S { input x: f32[B, 8]
         w = x -> dense(8)
         output y = w -> (c(x) -> relu) via ${how} }`,
    ).sample();
  for (const [how, params] of [
    ['full', 3 * 72],
    ['kron(2)', 72 + 2 * (8 + 32 + 8)],
    ['subspace(4)', 72 + 4],
  ] as const) {
    const { params: found } = net(how);
    assert.is(found, params, how);
    assert.equal(compile(net(how).program).ranges().params.min, params, how);
  }
});

programs('a member prints as a program with itself: the same numbers, tensors and weights', async () => {
  const spaces = [
    of(
      '16',
      'body{1..2} -> dense(4) via kron(1 | 2, algebra: none | complex)',
      'def body = dense(16) via (full | kron(2 | 4)) -> (dense(8) -> relu) via lowrank(2 | 4)',
    ),
    of(
      '6, 8',
      'positions -> (res(attention(heads: 2)) | id) via (subspace(7 | 9) | tucker(2)) -> (dense(4 | 8)) via subspace(3)',
    ),
    of(
      '8, 8, 4',
      'conv(8) via fixed(3) + tucker(2, 3, 3, 4) -> ((conv(8) -> relu) via kron(2 | 4)){0..2} -> globalmean -> dense(2)',
    ),
    of('8', 'dense(8) via hashed(20 | 40, seed: 3) -> relu -> dense(8) via (hashed(20) + fixed(1))'),
    of('8', '[dense(8) via kron(2), id] -> each ((relu -> dense(4)) via kron(2 | 4)) -> concat'),
    of('8', '(s{1 | 3} -> dense(4) -> relu) via subspace(30 | 110)', 'shared s = dense(8) -> relu | dense(8)'),
    compile(
      `cell c(x) { shared q = dense(8 | 16)
         return [x -> q, x -> relu -> q] -> add }
       space S { input x: f32[B, 8]
         output y = x -> (c -> (c | id) -> dense(4)) via subspace(100 | 200) }`,
    ),
  ];
  for (const space of spaces) {
    for (const member of members(space)) {
      const again = compile(member.program, { file });
      assert.is(again.count(), 1n, member.program);
      const twin = again.sample();
      assert.equal(
        [twin.params, twin.flops, twin.memory, twin.depth],
        [member.params, member.flops, member.memory, member.depth],
      );
      assert.is(twin.program, member.program);
      const x = Float32Array.from({ length: 2 * space.space.inputs[0]!.shape.reduce((a, b) => a * b, 1) }, (_, i) =>
        Math.sin(i),
      );
      const [a, b] = await Promise.all([member.build({ seed: 3, threads: 1 }), twin.build({ seed: 3, threads: 1 })]);
      assert.equal(await a.predict(x), await b.predict(x), member.program);
      a.close();
      b.close();
    }
  }
});

// ---- training ----------------------------------------------------------------------------------------------------------

function blobs(examples: number, seed: number): Table {
  const r = new Random('blobs', seed);
  const label = Int32Array.from({ length: examples }, () => r.below(4));
  const data = Float32Array.from({ length: examples * 8 }, (_, i) => {
    const k = label[Math.floor(i / 8)]!;
    return (i % 4 === k ? 1.5 : 0) + 0.6 * r.normal();
  });
  const column = { scale: 1, shift: 0 };
  return {
    examples,
    features: [{ ...column, name: 'x', data, shape: [8] }],
    label: { ...column, name: 'y', data: label, shape: [] },
  };
}
const DATA: Dataset = { name: 'blobs', classes: 4, train: blobs(1200, 1), test: blobs(400, 2) };
const X = blobs(50, 3).features[0]!.data as Float32Array;

async function trained(member: Architecture, name: string): Promise<{ accuracy: number; names: readonly string[] }> {
  const net = await member.build({ seed: 1, threads: 1 });
  let accuracy = 0;
  for await (const e of net.fit(DATA, { epochs: 4, batch: 32 })) accuracy = e.accuracy!;
  const path = join(folder, name);
  net.save(path);
  const before = await net.predict(X);
  // What a checkpoint leaves out follows from the program, whatever the seed of the run.
  const other = await member.build({ seed: 9, threads: 2 });
  other.load(path);
  assert.equal(await other.predict(X), before, name);
  net.close();
  other.close();
  return { accuracy, names: [...readSafetensors(path).tensors.keys()].sort() };
}

programs('training: every expression learns, checkpoints hold the free tensors alone', async () => {
  const net = (how: string): Architecture => of('8', `(dense(16) -> relu -> dense(4)) via ${how}`, TRAIN).sample();
  const base = ['dense[0].bias', 'dense[1].bias'];
  const under = (...tails: string[]): string[] =>
    [...base, ...[0, 1].flatMap((i) => tails.map((t) => `dense[${i}].weight${t}`))].sort();
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['full', under('')],
    ['kron(4)', under('.A', '.F')],
    ['kron(2, algebra: complex)', under('.F')],
    ['lowrank(3)', under('.U', '.V')],
    ['tucker(3)', under('.core', '.U0', '.U1')],
    ['fixed(2) + lowrank(2)', under('.U', '.V')],
    ['hashed(32)', under('.vector')],
    ['hashed(16) + hashed(8, seed: 7)', under('.vector', '[1].vector')],
    ['subspace(60)', ['group[0].vector']],
    ['subspace(60, projection: gaussian)', ['group[0].vector']],
    ['subspace(60, projection: sparse, seed: 3)', ['group[0].vector']],
    ['subspace(60, scales: true)', [...under('').map((n) => `${n}.scale`), 'group[0].vector']],
  ];
  for (const [how, names] of cases) {
    const found = await trained(net(how), `${cases.findIndex((c) => c[0] === how)}.safetensors`);
    assert.equal(found.names, names, how);
    assert.ok(found.accuracy > 0.85, `${how}: ${found.accuracy}`);
  }
});

programs('frozen: from a file by path or by name; never changed; a missing or other tensor', async () => {
  const base = of('8', 'dense(16) -> relu -> dense(4)', TRAIN).sample();
  await trained(base, 'base.safetensors');
  const weights = readSafetensors(join(folder, 'base.safetensors')).tensors;
  const adapted = of(
    '8',
    'dense(16) via frozen("base.safetensors") + tucker(2) -> relu -> dense(4) via frozen("base.safetensors", "dense[1].weight") + lowrank(1 | 2)',
    TRAIN,
  );
  assert.is(adapted.count(), 2n);
  const member = adapted.unrank(0n);
  assert.is(member.params, 4 + 2 * 24 + 16 + (16 + 4) + 4);
  // A change that has not begun: the net of the base's weights (and new biases).
  const net = await member.build({ seed: 1, threads: 1 });
  const y = await net.predict(X);
  const dense = (x: Float32Array, name: string, out: number, wide: number): Float32Array => {
    const w = new Float32Array(weights.get(name)!.bytes.slice().buffer);
    return Float32Array.from({ length: (x.length / wide) * out }, (_, i) => {
      let s = 0;
      for (let k = 0; k < wide; k++) s += x[Math.floor(i / out) * wide + k]! * w[(i % out) * wide + k]!;
      return s;
    });
  };
  const expected = dense(
    dense(X, 'dense[0].weight', 16, 8).map((v) => Math.max(0, v)),
    'dense[1].weight',
    4,
    16,
  );
  for (let i = 0; i < y.length; i++) assert.ok(Math.abs(y[i]! - expected[i]!) < 1e-4);
  net.close();
  const found = await trained(member, 'adapter.safetensors');
  assert.equal(
    found.names.filter((n) => n.endsWith('weight')),
    [],
  );
  assert.ok(found.accuracy > 0.9);
  // The tensor of the layer's path has 16 outputs.
  assert.is(of('8', 'dense(16 | 12) via frozen("base.safetensors")').count(), 1n);
  assert.throws(
    () => of('8', 'dense(12) via frozen("base.safetensors")'),
    (e: unknown) => e instanceof SpaceError && e.diagnostics[0]!.code === 'E301',
  );
  assert.throws(
    () => of('8', 'dense(12) via frozen("no.safetensors")'),
    (e: unknown) => e instanceof SpaceError && e.diagnostics[0]!.code === 'E108',
  );
  // A file that has changed since is refused.
  const built = await member.build({ seed: 1, threads: 1 });
  writeFileSync(join(folder, 'base.safetensors'), 'x');
  await built.predict(X).then(
    () => assert.unreachable(),
    (e: Error) => assert.match(e.message, /base\.safetensors/),
  );
  built.close();
});

programs.after(() => rmSync(folder, { recursive: true, force: true }));

programs.run();
