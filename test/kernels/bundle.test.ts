// dist/kernels.js leaves out what only tests read of the ops: it must still be what the sources are.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as sources from '../../src/kernels/index.ts';
import { packageRoot } from '../../src/native/load.ts';
import { temporaryFolder } from '../support/cli.ts';

const file = new URL('../../dist/kernels.js', import.meta.url);
const bundle = suite('kernels: the bundle');

type Api = typeof sources;

// Numbers of a forward and a backward pass of each family.
function numbersOf({ tensor, moe, subspace, kronecker, tucker, sparseProjection, s4d, hadamardSync }: Api): unknown {
  const made = (...shape: number[]): sources.Tensor => {
    const length = shape.reduce((a, b) => a * b, 1);
    return tensor(
      Float32Array.from({ length }, (_, i) => Math.sin(i + 1)),
      shape,
    );
  };
  const routed = moe.forwardSync({ x: made(16, 8), router: made(8, 4), w1: made(4, 12, 8), w2: made(4, 8, 12) });
  const window = { x: made(2, 6, 6, 4), padding: 1 };
  const phc = kronecker.convSync({ ...window, A: kronecker.algebra('complex'), F: made(2, 4, 3, 3, 2) });
  const flora = tucker.convSync({ ...window, core: made(2, 3, 3, 2), uOut: made(8, 2), uK: [null, null], uIn: made(4, 2) }); // prettier-ignore
  const space = { logDt: made(3), A: s4d.modes({ init: 'lin', modes: 4, channels: 3 }), C: made(3, 4, 2) };
  const states = s4d.forwardSync({ u: made(2, 40, 3), ...space });
  const moved = (['fastfood', 'sparse', 'rademacher', 'gaussian'] as const).map((kind) => {
    const { theta, ctx } = subspace.projectSync({ v: made(5), D: 100, kind });
    return [theta, subspace.backwardSync(ctx, { dTheta: theta })];
  });
  return [
    [routed.y, moe.backwardSync(routed.ctx, { dy: routed.y, dAux: 1 })],
    [phc.y, kronecker.backwardSync(phc.ctx, { dy: phc.y })],
    [flora.y, tucker.backwardSync(flora.ctx, { dy: flora.y })],
    [states.y, s4d.backwardSync(states.ctx, { dy: states.y })],
    moved,
    sparseProjection.denseSync({ x: made(3, 20), k: 4 }),
    hadamardSync({ x: made(8) }),
  ];
}

bundle('has the names and the results of the sources', async () => {
  if (!existsSync(file)) return console.log('skipped: dist/kernels.js is not built');
  const built = (await import(file.href)) as Api;
  assert.equal(Object.keys(built).sort(), Object.keys(sources).sort());
  assert.equal(numbersOf(built), numbersOf(sources));
});

bundle('is run by the code that was made of it, if it is of this V8, and else compiled anew', () => {
  if (!existsSync(file)) return console.log('skipped: dist/kernels.js is not built');
  const folder = temporaryFolder('bundle');
  const [built, code] = [fileURLToPath(new URL('.', file)), join(folder, 'kernels.code')];
  for (const name of ['kernels.js', 'kernels.script.js', 'kernels.code'])
    copyFileSync(join(built, name), join(folder, name));
  const run = `import { hadamardSync, tensor } from ${JSON.stringify(join(folder, 'kernels.js'))}; console.log(hadamardSync({ x: tensor([1, 2]) }).y.data.join());`;
  const env = { ...process.env, TENON_NODE: join(packageRoot(), 'build', 'Release', 'tenon.node') };
  const result = (): string =>
    execFileSync(process.execPath, ['--input-type=module', '-e', run], { env, encoding: 'utf8' }).trim();

  const text = readFileSync(join(folder, 'kernels.script.js'), 'latin1');
  assert.is(new Script(text, { cachedData: readFileSync(code) }).cachedDataRejected, false);
  assert.is(result(), '3,-1');
  writeFileSync(code, 'of another V8');
  assert.is(result(), '3,-1');
  rmSync(code);
  assert.is(result(), '3,-1');
});

bundle.run();
