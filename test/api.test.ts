import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compile, data, search, SpaceError } from '../src/index.ts';

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
  let last = null;
  for await (const t of search(space, (arch) =>
    arch.depth === 2 ? Promise.resolve({ accuracy: -arch.params }) : Promise.reject(new Error('too deep')),
  )) {
    keys.add(JSON.stringify(t.architecture.assignment));
    assert.is(t.state, t.architecture.depth === 2 ? 'complete' : 'failed');
    last = t;
  }
  assert.is(keys.size, 12);
  assert.ok(last!.best !== null);
});

api.run();
