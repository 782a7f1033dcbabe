import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { LayerDef } from '../ir/layer.ts';
import { dropout as dropoutOp } from '../ops/random.ts';
import { whole } from './lib/args.ts';

export const dropout: LayerDef = {
  kind: 'layer',
  name: 'dropout',
  doc: 'Drops each element with probability p in training and scales the rest by 1/(1-p); nothing in inference (Srivastava et al. 2014).',
  args: [
    {
      name: 'p',
      doc: 'probability of dropping',
      type: { kind: 'real', min: 0, max: 1, openMax: true },
      positional: true,
    },
  ],
  takes: 'one',
  weighted: false,
  widths: () => 'kept',
  build: (b, [x], args) => {
    if (x!.type.dtype !== 'f32') throw new Unfit('dropout needs numbers', 'f32[B, ...]', showType(x!.type, true));
    const p = whole(args, 'p');
    if (b.mode === 'infer' || p === 0) return x!;
    const [key0, key1] = b.key('dropout');
    return b.one(dropoutOp, [x!, b.step()], { p, key0, key1 });
  },
};
