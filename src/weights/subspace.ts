import { numel, sameShape } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { Given, Value } from '../ir/graph.ts';
import type { Args } from '../ir/layer.ts';
import { scalePath } from '../ir/weight.ts';
import type { Asked, WeightDef } from '../ir/weight.ts';
import { add, affine, div, mul } from '../ops/elementwise.ts';
import { KINDS } from '../ops/lib/projection.ts';
import { reshape, slice } from '../ops/shape.ts';
import { subspaceProject } from '../ops/subspace.ts';
import { keyAttrs, seedArg, seedOf } from './args.ts';
import { full } from './full.ts';

// θ − θ0 = P·v; the columns of P have length 1, those of `gaussian` after a division.
function project(b: Builder, path: string, total: number, args: Args): Value {
  const d = Number(args['d']);
  const v = b.param(`${path}.vector`, [d], { kind: 'constant', value: 0 });
  const kind = String(args['projection']);
  const key = keyAttrs('subspace', path, args);
  const norms: Given = { kind: 'norms', attrs: { d, rows: total, ...key } };
  const scaled = kind === 'gaussian' && d > 0 ? b.one(div, [v, b.fixed(`${path}.norms`, [d], norms)]) : v;
  return b.one(subspaceProject, [scaled, null], { dims: [total], kind, ...key, stratum: 0 });
}

const isScaled = (args: Args): boolean => args['scales'] === true;

// λ·(P·v) of one tensor; λ is there with `scales`, and starts at 1.
function movedPart(b: Builder, all: Value, at: number, path: string, shape: Shape, args: Args): Value {
  const cut = b.one(slice, [all], { axis: 0, start: at, size: numel(shape) });
  const moved = isScaled(args) ? b.one(mul, [cut, b.param(scalePath(path), [1], { kind: 'constant', value: 1 })]) : cut;
  return sameShape(moved.type.shape, shape) ? moved : b.one(reshape, [moved], { dims: shape });
}

function part(b: Builder, all: Value, at: number, path: string, { shape, init }: Asked, args: Args): Value {
  const moved = movedPart(b, all, at, path, shape, args);
  if (init.kind === 'normal') return b.one(add, [b.fixed(path, shape, { ...init, seed: seedOf(args) }), moved]);
  return init.value === 0 ? moved : b.one(affine, [moved], { scale: 1, shift: init.value });
}

/**
 * θ = θ0 + P·v over every parameter (Li et al. 2018): v is trained from 0; θ0 and P are made from the seed and never stored. With `scales`, θ_i = θ0_i + λ_i·(P·v)_i for tensor i (SAID; Aghajanyan et al. 2020).
 */
export const subspace: WeightDef = {
  kind: 'weight',
  name: 'subspace',
  doc: 'Every parameter of the layer or group, biases and norms too, as start + P·v: v [d] is trained, P is random and never stored (Li et al. 2018).',
  args: [
    {
      name: 'd',
      doc: 'length of v; at most the number of parameters',
      type: { kind: 'whole', min: 0 },
      positional: true,
    },
    { name: 'projection', doc: 'kind of P', type: { kind: 'name', oneOf: KINDS }, default: 'fastfood' },
    seedArg('what P and the starts are drawn by', { default: 0 }),
    {
      name: 'scales',
      doc: 'whether each tensor learns a factor for its part of P·v besides, from 1 (SAID)',
      type: { kind: 'truth' },
      default: false,
    },
  ],
  whole: { size: (args) => Number(args['d']), scaled: isScaled, make: project, part },
  // Under a vector, weights are as free as any parameter.
  make: full.make,
};
