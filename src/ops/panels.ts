import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Sample } from '../ir/op.ts';
import { numberOf } from './lib/attrs.ts';
import { free } from './lib/cost.ts';
import { dim, shapeAt } from './lib/types.ts';
import { pad, permutation, reshape, transpose } from './shape.ts';

/** Rows of a weight that lie side by side in a panel: as many columns of a product as the widest tile has, and a whole number of every other one's. */
export const PANEL = 32;

export const panelsOf = (out: number): number => Math.ceil(out / PANEL);

/** What is wrong with so many panels of so many rows. */
export const panelsProblem = (out: number, found: number): string | null =>
  found === panelsOf(out) ? null : `${out} outputs take ${panelsOf(out)} panels of ${PANEL}, not ${found}`;

const sample = (out: number, width: number): Sample => ({
  inputs: [f32(out, width)],
  attrs: { panels: panelsOf(out) },
});

export const panels = defineOp({
  name: 'panels',
  doc: 'A weight in the order in which a product reads it: of each 32 rows the first numbers, then the second ones; zeros fill the last panel.',
  inputs: { weight: 'f32[out, width]' },
  outputs: { panels: `f32[panels, width, ${PANEL}]` },
  attrs: { panels: 'u32' },
  check: (inputs, attrs) => panelsProblem(dim(shapeAt(inputs, 0), 0), numberOf(attrs, 'panels')),
  decompose: (b, [weight], attrs) => {
    const [out, width] = [dim(weight!.type.shape, 0), dim(weight!.type.shape, 1)];
    const count = numberOf(attrs, 'panels');
    const whole = b.one(pad, [weight!], { axis: 0, before: 0, after: count * PANEL - out });
    const rows = b.one(reshape, [whole], { dims: [count, PANEL, width] });
    return [b.one(transpose, [rows], { perm: permutation(0, 2, 1) })];
  },
  cost: free,
  samples: [
    sample(1, 1),
    sample(0, 5),
    sample(5, 0),
    sample(10, 7),
    sample(31, 33),
    sample(32, 16),
    sample(33, 17),
    sample(65, 129),
    sample(200, 784),
  ],
});

/** A weight [out, width] as panels. */
export const inPanels = (b: Pick<Builder, 'one'>, weight: Value): Value =>
  b.one(panels, [weight], { panels: panelsOf(dim(weight.type.shape, 0)) });
