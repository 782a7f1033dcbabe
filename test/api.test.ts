import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../src/base/philox.ts';
import { compile, data, DataError, search, SpaceError } from '../src/index.ts';
import type { Dataset, Net, SearchOptions } from '../src/index.ts';

const SOURCE = `
space Digits {
  input image: f32[B, 28, 28, 1]
  def hidden = dense(16 | 32 | 64) -> (relu | tanh)
  output digit = image -> flatten -> hidden{1 | 2} -> dense(10)
}
train { data mnist optimizer adamw(lr: 3e-3) batch 128 }
search { maximize accuracy with evolution budget 12 trials seed 3 }
`;

const api = suite('the public interface');

api('counts, samples, ranks', () => {
  const space = compile(SOURCE);
  assert.is(space.count(), 42n);
  const arch = space.sample({ seed: 7, measure: 'uniform' });
  assert.is(compile(arch.program).count(), 1n);
  assert.equal(space.unrank(arch.rank).assignment, arch.assignment);
  const again = compile(arch.program).sample();
  assert.equal([again.params, again.flops, again.depth], [arch.params, arch.flops, arch.depth]);
  const { min, max } = space.ranges().params;
  assert.ok(min <= arch.params && arch.params <= max);
});

api('errors come as diagnostics', () => {
  try {
    compile('space A { input x: f32[B, 4] output y = x -> dens(3) }');
    assert.unreachable('it compiled');
  } catch (e) {
    assert.instance(e, SpaceError);
    const [first] = (e as SpaceError).diagnostics;
    assert.match(first!.code, /^E\d+$/);
    assert.match((e as Error).message, /dense/);
  }
});

api('a net fits and predicts', async () => {
  const set = data.mnist();
  const arch = compile(SOURCE).unrank(5n);
  const net = await arch.build({ seed: 1, threads: 2 });
  const images = Float32Array.from(set.test!.features[0]!.data.subarray(0, 784 * 300), (v) => v / 255);
  const labels = set.test!.label.data;
  const hits = async (): Promise<number> => {
    const out = await net.predict(images);
    assert.is(out.length, 300 * 10);
    let n = 0;
    for (let i = 0; i < 300; i++) {
      const row = out.subarray(i * 10, i * 10 + 10);
      if (row.indexOf(Math.max(...row)) === labels[i]) n++;
    }
    return n / 300;
  };
  assert.ok((await hits()) < 0.4);
  const seen: number[] = [];
  for await (const e of net.fit(set, { epochs: 1 })) seen.push(e.accuracy!);
  assert.is(seen.length, 1);
  assert.ok(seen[0]! > 0.85, `accuracy ${seen[0]}`);
  assert.ok((await hits()) > 0.85);
  try {
    await net.predict(new Float32Array(785));
    assert.unreachable('it predicted');
  } catch (e) {
    assert.match((e as Error).message, /multiple of 784 numbers, one example each, found 785/);
  }
  net.close();
});

api("a search with an evaluator of one's own", async () => {
  const space = compile(SOURCE);
  const keys = new Set<string>();
  const best: (number | null)[] = [];
  for await (const t of search(space, (arch) =>
    arch.depth === 2 ? Promise.resolve({ accuracy: -arch.params }) : Promise.reject(new Error('too deep')),
  )) {
    keys.add(JSON.stringify(t.architecture.assignment));
    assert.is(t.state, t.architecture.depth === 2 ? 'complete' : 'failed');
    best.push(t.best);
  }
  assert.is(keys.size, 12);
  assert.is.not(best.at(-1), null);
});

const folder = mkdtempSync(join(tmpdir(), 'tenon-api-'));
const SMALL = compile(`
space Small { input x: f32[B, 2] output y = x -> dense(4 | 8) -> relu -> dense(2) }
train { optimizer adamw(lr: 1e-2) batch 16 epochs fidelity 1..3 }
search { maximize accuracy with mcts(reward: rank, exploration: 0.5) budget 5 trials }
`);

// Two classes on either side of a line.
function line(examples: number): Dataset {
  const r = new Random('line');
  const x = Float32Array.from({ length: 2 * examples }, () => r.normal());
  const y = Int32Array.from({ length: examples }, (_, i) => (x[2 * i]! > x[2 * i + 1]! ? 1 : 0));
  const column = { scale: 1, shift: 0 };
  const features = [{ ...column, name: 'x', data: x, shape: [2] }];
  return {
    name: 'line',
    classes: 2,
    train: { examples, features, label: { ...column, name: 'y', data: y, shape: [] } },
    test: null,
  };
}

async function fails(body: () => unknown, message: RegExp): Promise<void> {
  try {
    await body();
  } catch (e) {
    return assert.match((e as Error).message, message);
  }
  assert.unreachable(`expected ${message}`);
}

const X = new Float32Array([1, -1, -1, 1]);
const fit = async (net: Net, options = {}): Promise<number[]> => {
  const epochs: number[] = [];
  for await (const e of net.fit(line(240), options)) epochs.push(e.epoch);
  return epochs;
};

api('a fidelity trains for its full range unless said', async () => {
  const net = await SMALL.sample().build();
  assert.equal(await fit(net), [1, 2, 3]);
  assert.equal(await fit(net, { epochs: 1 }), [1]);
  assert.equal(await fit(net, { epochs: 0 }), []);
  net.close();
});

api('what was saved is loaded, and only into the same network', async () => {
  const path = join(folder, 'w.safetensors');
  const [small, large] = [SMALL.unrank(0n), SMALL.unrank(1n)];
  const net = await small.build({ seed: 1 });
  await fails(() => net.save(path), /no weights to save yet/);
  await fit(net, { epochs: 1 });
  net.save(path);
  const again = await small.build({ seed: 2 });
  again.load(path);
  assert.equal(await again.predict(X), await net.predict(X));
  const other = await large.build();
  const before = await other.predict(X);
  assert.throws(
    () => other.load(path),
    (e: Error) => e instanceof DataError && /w.safetensors: tensor dense\[0\].weight is f32\[4, 2\]/.test(e.message),
  );
  assert.equal(await other.predict(X), before);
  await fails(() => net.save(join(folder, 'no', 'w')), /no\/w: there is no such folder/);
  for (const n of [net, again, other]) n.close();
});

// Two classes: which half of the picture is bright.
function halves(examples: number): Dataset {
  const r = new Random('halves');
  const label = Int32Array.from({ length: examples }, (_, i) => i % 2);
  const x = Float32Array.from({ length: examples * 144 }, (_, i) => {
    const bright = label[Math.floor(i / 144)] === (i % 12 < 6 ? 0 : 1);
    return (bright ? 1 : 0) + r.normal();
  });
  const column = { scale: 1, shift: 0 };
  const features = [{ ...column, name: 'x', data: x, shape: [12, 12, 1] }];
  return {
    name: 'halves',
    classes: 2,
    train: { examples, features, label: { ...column, name: 'y', data: label, shape: [] } },
    test: null,
  };
}

for (const said of [{ winograd: 'off' }, { precision: 'bf16' }] as const) {
  api(`${JSON.stringify(said)} holds for training and for predictions`, async () => {
    const arch = compile(`space S {
    input x: f32[B, 12, 12, 1]
    output y = x -> conv(16) -> relu -> conv(32) -> relu -> conv(32) -> globalmean -> dense(2)
  }`).unrank(0n);
    const path = join(folder, 'said.safetensors');
    const x = Float32Array.from({ length: 144 * 250 }, (_, i) => Math.sin(i));
    const [fitted, off, on] = [await arch.build(), await arch.build(said), await arch.build()];
    assert.not.equal(await off.predict(x), await fitted.predict(x));
    for await (const _ of fitted.fit(halves(240), { epochs: 1, ...said }));
    fitted.save(path);
    const found = await fitted.predict(x);
    for (const net of [off, on]) net.load(path);
    assert.equal(await off.predict(x), found);
    assert.not.equal(await on.predict(x), found);
    for (const net of [fitted, off, on]) net.close();
  });
}

api('arithmetic that there is not is refused', async () => {
  const arch = SMALL.sample();
  await fails(() => arch.build({ winograd: 'of' as 'off' }), /^winograd: expected on or off, found of$/);
  await fails(() => arch.build({ precision: 'f16' as 'bf16' }), /^precision: expected f32 or bf16, found f16$/);
});

api('predictions may overlap with each other, with training and with the end', async () => {
  const net = await SMALL.sample().build();
  const many = new Float32Array(2 * 2000);
  const before = await net.predict(many);
  const found: Promise<Float32Array>[] = [net.predict(many), net.predict(many)];
  for await (const _ of net.fit(line(240), { epochs: 2 })) found.push(net.predict(many), net.predict(many));
  found.push(net.predict(many));
  net.close();
  const all = await Promise.all(found);
  assert.equal(all[0], before);
  assert.equal(all[1], before);
  assert.equal(all[2], all[3]);
  assert.is.not(all[2]![0], before[0]);
  assert.equal(all[4], all[6]);
  await fails(() => net.predict(X), /the net is closed/);
  await fails(() => fit(net), /the net is closed/);
  assert.throws(() => net.load('w'), /the net is closed/);
});

api('one fit at a time; a fit that is left off keeps its last epoch', async () => {
  const net = await SMALL.sample().build();
  for await (const e of net.fit(line(240), { epochs: 3 })) {
    await fails(() => fit(net), /one fit at a time/);
    if (e.epoch === 2) break;
  }
  const stop = new AbortController();
  const left = await net.predict(X);
  stop.abort();
  await fails(() => fit(net, { signal: stop.signal }), /abort/i);
  assert.equal(await net.predict(X), left);
  assert.equal(await fit(net, { epochs: 1 }), [1]);
  net.close();
});

api('wrong values say what was expected', async () => {
  await fails(() => SMALL.sample({ seed: NaN }), /seed: expected a whole number/);
  await fails(
    () => SMALL.sample({ measure: 'even' as 'uniform' }),
    /measure: expected choice, uniform, balanced, found even/,
  );
  await fails(() => SMALL.unrank(2n), /rank 2 is not below the count 2/);
  await fails(() => SMALL.architecture({}), /no member of space Small: dense\[0\].out is not decided/);
  await fails(() => SMALL.architecture({ 'dense[0].out': 5 }), /no member of space Small: .* 5/);
  await fails(() => SMALL.sample().build({ device: 'gpu' as 'cpu' }), /no device gpu/);
  await fails(() => SMALL.sample().build({ threads: 0 }), /threads: expected a whole number from 1, found 0/);
  const net = await SMALL.sample().build();
  await fails(() => fit(net, { batch: 0 }), /batch: expected a whole number from 1, found 0/);
  await fails(() => fit(net, { batch: 1000 }), /batch of 1000 is more than the 200 training examples/);
  await fails(() => net.predict(), /one array an input, 1 of them; found 0/);
  await fails(() => net.predict(Int32Array.of(1, 2)), /x: expected a Float32Array, found Int32Array/);
  net.close();
});

api('a table in a file, from its place beside the program', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => `${i % 7},${i % 11},${i % 2 ? 'odd' : 'even'}`);
  writeFileSync(join(folder, 't.csv'), `a,b,kind\n${rows.join('\n')}`);
  const set = data.csv(join(folder, 't.csv'), { label: 'kind' });
  const net = await SMALL.sample().build();
  for await (const e of net.fit(set, { epochs: 1 })) assert.ok(e.accuracy! >= 0 && e.accuracy! <= 1);
  net.close();
});

api('an evaluator must report what is searched for', async () => {
  const errors = async (found: unknown, options: SearchOptions = {}): Promise<string> => {
    let last: Error | null = null;
    for await (const t of search(SMALL, () => found as Record<string, number>, options)) {
      assert.is(t.state, t.error ? 'failed' : 'complete');
      last = t.error;
    }
    return last?.message ?? '';
  };
  assert.is(await errors({ accuracy: 1 }), '');
  assert.is(await errors({}, { objectives: [{ direction: 'minimize', name: 'params' }] }), '');
  assert.match(await errors({ acc: 1 }), /a finite number as accuracy, an objective of the search; there are acc/);
  assert.match(await errors({ accuracy: NaN }), /accuracy is NaN/);
  assert.match(await errors(undefined), /an object of figures such as .*, found undefined/);
  await fails(() => errors({}, { trials: 1.5 }), /trials: expected a whole number from 0, found 1.5/);
  await fails(() => errors({}, { searcher: 'magic' }), /no searcher magic; there are random/);
  await fails(() => errors({}, { searcher: 'evoluton' }), /no searcher evoluton; .*; did you mean `evolution`\?/);
  await fails(() => errors({}, { args: { bisekt: true } }), /no argument bisekt; .*; did you mean `bisect`\?/);
  await fails(() => errors({}, { args: { depth: 1 } }), /mcts has no argument depth; there are reward/);
  await fails(() => errors({}, { objectives: [] }), /at least one/);
});

api.after(() => rmSync(folder, { recursive: true }));
api.run();
