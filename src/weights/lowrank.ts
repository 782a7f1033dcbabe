import { Unfit } from '../base/unfit.ts';
import type { WeightDef } from '../ir/weight.ts';
import { stdOf } from '../ir/start.ts';
import { matmul } from '../ops/matmul.ts';
import { reshape } from '../ops/shape.ts';
import { startOfFactor } from './free.ts';
import { viewOf } from './view.ts';

/** U·V; as a change of a weight LoRA (Hu et al. 2021). Kernels are seen as matrices [out, k·in]. */
export const lowrank: WeightDef = {
  kind: 'weight',
  name: 'lowrank',
  doc: 'U [out, r] times V [r, k·in]; on a base U starts at 0.',
  args: [{ name: 'r', doc: 'rank; at most the smaller side', type: { kind: 'whole', min: 1 }, positional: true }],
  make: (b, path, spec, { args }) => {
    const rank = Number(args['r']);
    const view = viewOf(spec);
    const lead = spec.stacked ? [view.blocks] : [];
    const [rows, columns] = [spec.stacked ? view.out : view.blocks * view.out, view.kernel * view.in];
    if (rank > Math.min(rows, columns))
      throw new Unfit('the rank of lowrank is above the weight', `at most ${Math.min(rows, columns)}`, `${rank}`);
    const std = Math.sqrt(stdOf(spec) / Math.sqrt(rank));
    const u = b.param(`${path}.U`, [...lead, rows, rank], startOfFactor(spec, std, true));
    const v = b.param(`${path}.V`, [...lead, rank, columns], startOfFactor(spec, std, false));
    return b.one(reshape, [b.one(matmul, [u, v], { transA: 0, transB: 0 })], { dims: spec.shape });
  },
};
