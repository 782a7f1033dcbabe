import { numel, sameShape } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { WeightDef } from '../ir/weight.ts';
import { stdOf } from '../ir/start.ts';
import { reshape } from '../ops/shape.ts';
import { makeTucker } from '../ops/tucker-weight.ts';
import { startOfFactor } from './free.ts';

/** A core times a factor along every axis (Tucker 1966; as a change of a weight: FLoRA, Si et al. 2024). */
export const tucker: WeightDef = {
  kind: 'weight',
  name: 'tucker',
  doc: 'A core [r, ...] times a factor [axis, r] along every axis of the weight, [out, ...k, in]; on a base the core starts at 0.',
  args: [
    {
      name: 'r',
      doc: 'rank along each axis, or one for all; none above its axis',
      type: { kind: 'wholes', min: 1 },
      positional: true,
      spread: true,
    },
  ],
  make: (b, path, spec, { args }) => {
    const axes = spec.axes ?? spec.shape;
    const ranks = ranksFor(args['r'] as number | readonly number[], axes);
    // Each of the tensors has this deviation, and so the product, a sum over all ranks, that of the weight.
    const std = (stdOf(spec) / Math.sqrt(numel(ranks))) ** (1 / (1 + axes.length));
    const core = b.param(`${path}.core`, ranks, startOfFactor(spec, std, true));
    const factors = axes.map((size, m) => b.param(`${path}.U${m}`, [size, ranks[m]!], startOfFactor(spec, std, false)));
    const w = makeTucker(b, core, factors);
    return sameShape(axes, spec.shape) ? w : b.one(reshape, [w], { dims: spec.shape });
  },
};

function ranksFor(r: number | readonly number[], axes: readonly number[]): readonly number[] {
  const ranks = typeof r === 'number' ? axes.map(() => r) : r;
  const shown = `[${axes.join(', ')}]`;
  if (ranks.length !== axes.length)
    throw new Unfit(
      'tucker takes one rank, or one for each axis',
      `${axes.length} ranks for ${shown}`,
      `${ranks.length}`,
    );
  const high = ranks.findIndex((rank, m) => rank > axes[m]!);
  if (high >= 0)
    throw new Unfit('a rank of tucker is above its axis', `at most ${axes[high]} of ${shown}`, `${ranks[high]}`);
  return ranks;
}
