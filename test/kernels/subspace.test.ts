import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { KINDS } from '../../src/ops/lib/projection.ts';
import { johnsonLindenstrauss, subspace, TenonError, tensor } from '../../src/kernels/index.ts';

const random = new Random('subspaces');
const normal = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

const kernels = suite('kernels: random subspaces');

for (const kind of KINDS) {
  kernels(
    `${kind}: project and transpose are adjoint; bits do not depend on threads; columns are of length 1`,
    async () => {
      const [D, d] = [20_011, 100];
      const [v, g] = [normal(d), normal(D)];
      const which = { kind, seed: 7, stream: 3 } as const;
      const { theta } = subspace.projectSync({ v, D, ...which, threads: 1 });
      const back = await subspace.transpose({ g, d, ...which });
      assert.equal(theta.shape, [D]);
      const [a, b] = [dot(theta.data, g), dot(v, back.v.data)];
      assert.ok(Math.abs(a - b) < 1e-4 * Math.sqrt(dot(v, v) * dot(g, g)), `${a} and ${b}`);
      for (const threads of [2, 3]) assert.equal((await subspace.project({ v, D, ...which, threads })).theta, theta);
      const ratio = Math.sqrt(dot(theta.data, theta.data) / dot(v, v));
      assert.ok(Math.abs(ratio - 1) < 0.1, String(ratio));
    },
  );

  kernels(`${kind}: base, scale and gradients`, () => {
    const [D, d] = [501, 20];
    const [v, base, dTheta] = [normal(d), normal(D), normal(D)];
    const which = { kind, seed: 2n ** 63n + 5n } as const;
    const { theta } = subspace.projectSync({ v, D, ...which });
    const scaled = subspace.projectSync({ v, D, ...which, base, scale: 0.5 });
    scaled.theta.data.forEach((x, i) => assert.ok(Math.abs(x - base[i]! - 0.5 * theta.data[i]!) < 1e-5));
    const { dv, dbase } = subspace.backwardSync(scaled.ctx, { dTheta });
    assert.equal(dbase!.data, dTheta);
    const exact = subspace.transposeSync({ g: dTheta, d, ...which, scale: 0.5 });
    dv.data.forEach((x, i) => assert.ok(Math.abs(x - exact.v.data[i]!) < 1e-5));
    assert.equal(subspace.projectSync({ v: new Float32Array(0), D, ...which, base }).theta.data, base);
  });
}

for (const kind of KINDS) {
  kernels(`${kind}: a factor for each tensor`, () => {
    const [D, d, sizes] = [501, 20, [300, 0, 1, 200]];
    const [v, base, dTheta, lambda] = [normal(d), normal(D), normal(D), Float32Array.of(2, 5, -1, 0)];
    const which = { kind, seed: 11, scale: 0.5 } as const;
    const plain = subspace.projectSync({ v, D, ...which }).theta.data;
    const { theta, ctx } = subspace.projectSync({ v, D, ...which, base, lambda, sizes });
    const factors = Float32Array.from(sizes.flatMap((size, i) => new Array<number>(size).fill(lambda[i]!)));
    theta.data.forEach((x, i) => assert.ok(Math.abs(x - base[i]! - factors[i]! * plain[i]!) < 1e-5));
    const { dv, dbase, dlambda } = subspace.backwardSync(ctx, { dTheta });
    assert.equal(dbase!.data, dTheta);
    const scaled = dTheta.map((g, i) => g * factors[i]!);
    const { v: expected } = subspace.transposeSync({ g: scaled, d, ...which });
    dv.data.forEach((x, i) => assert.ok(Math.abs(x - expected.data[i]!) < 1e-5));
    let at = 0;
    const byTensor = sizes.map((size) => dot(dTheta.subarray(at, at + size), plain.subarray(at, (at += size))));
    byTensor.forEach((x, i) => assert.ok(Math.abs(x - dlambda!.data[i]!) < 1e-4, `${i}: ${x}`));
  });
}

kernels('gaussian: norms may be made once', () => {
  const [D, d, seed] = [301, 9, 3];
  const { norms } = subspace.normsSync({ D, d, seed });
  const [v, g] = [normal(d), normal(D)];
  const which = { kind: 'gaussian', seed } as const;
  assert.equal(subspace.projectSync({ v, D, ...which, norms }).theta, subspace.projectSync({ v, D, ...which }).theta);
  assert.equal(subspace.transposeSync({ g, d, ...which, norms }), subspace.transposeSync({ g, d, ...which }));
});

kernels('worked numbers of Johnson and Lindenstrauss', () => {
  assert.is(johnsonLindenstrauss({ points: 1e6, distortion: 0.5 }), 663);
  assert.is(johnsonLindenstrauss({ points: 1e6, distortion: 0.1 }), 11841);
});

const v = tensor([1, 2, 3]);
const WRONG: readonly (readonly [() => unknown, string])[] = [
  [() => subspace.projectSync({ v, D: 2 }), 'v'],
  [() => subspace.projectSync({ v, D: -1 }), 'D'],
  [() => johnsonLindenstrauss(undefined as never), 'arguments'],
  [() => johnsonLindenstrauss({ points: 10, distorsion: 0.1 } as never), 'distorsion'],
  [() => johnsonLindenstrauss({ points: 10, distortion: 2 }), 'distortion'],
  [() => subspace.projectSync({ v, D: 2 ** 53 }), 'D'],
  [() => subspace.projectSync({ v } as never), 'D'],
  [() => subspace.projectSync({ v, D: 4, base: normal(3) }), 'base'],
  [() => subspace.projectSync({ v, D: 4, kind: 'fastfod' as never }), 'kind'],
  [() => subspace.projectSync({ v, D: 4, seed: 0.5 }), 'seed'],
  [() => subspace.projectSync({ v, D: 4, seed: 2n ** 64n }), 'seed'],
  [() => subspace.projectSync({ v, D: 4, stream: 2 ** 30 }), 'stream'],
  [() => subspace.projectSync({ v, D: 4, stratum: 2 ** 16 }), 'stratum'],
  [() => subspace.projectSync({ v, D: 4, scale: NaN }), 'scale'],
  [() => subspace.projectSync({ v, D: 4, kind: 'gaussian', norms: normal(2) }), 'norms'],
  [() => subspace.projectSync({ v, D: 4, lambda: v }), 'sizes'],
  [() => subspace.projectSync({ v, D: 4, sizes: [4] }), 'lambda'],
  [() => subspace.projectSync({ v, D: 4, lambda: v, sizes: [4] }), 'sizes'],
  [() => subspace.projectSync({ v, D: 4, lambda: v, sizes: [2, 1, 2] }), 'sizes'],
  [() => subspace.projectSync({ v, D: 4, lambda: v, sizes: [2, 2.5, 0] }), 'sizes[1]'],
  [() => subspace.projectSync({ v, D: 4, lambda: v, sizes: 4 as never }), 'sizes'],
  [() => subspace.transposeSync({ g: v, d: 4 }), 'd'],
  [() => subspace.transposeSync({ g: v, d: 2, kind: 'gaussian', norms: normal(3) }), 'norms'],
  [() => subspace.normsSync({ D: 2, d: 3 }), 'd'],
  [() => johnsonLindenstrauss({ points: 10, distortion: 1 }), 'distortion'],
];

kernels('errors name the argument', () => {
  for (const [run, argument] of WRONG) {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof TenonError, String(error));
      assert.is(error.argument, argument, error.message);
      continue;
    }
    assert.unreachable(`nothing was wrong with ${argument}`);
  }
});

kernels.run();
