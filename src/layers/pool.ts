import type { Attrs, OpDef } from '../ir/op.ts';
import type { LayerDef } from '../ir/layer.ts';
import { avgpool as avgpoolOp, maxpool as maxpoolOp } from '../ops/pool.ts';
import { given } from './lib/args.ts';
import { fromVolume, spatialAxes, toVolume, triple, windowOf } from './lib/spatial.ts';

function pool(name: string, doc: string, op: OpDef): LayerDef {
  return {
    kind: 'layer',
    name,
    doc,
    args: [
      { name: 'k', doc: 'size of the window', type: { kind: 'wholes', min: 1 }, positional: true },
      { name: 'stride', doc: 'step between windows; k unless given', type: { kind: 'wholes', min: 1 }, default: null },
      {
        name: 'padding',
        doc: 'same, valid or cells on both sides; less than k',
        type: { kind: 'wholes', min: 0, names: ['same', 'valid'] },
        default: 'same',
      },
    ],
    takes: 'one',
    weighted: false,
    widths: () => 'kept',
    build: (b, [x], args) => {
      const sizes = spatialAxes(name, x!);
      const k = given(args, 'k');
      const w = windowOf(name, sizes, {
        k,
        stride: given(args, 'stride') ?? k,
        padding: given(args, 'padding'),
        dilation: 1,
      });
      const attrs: Attrs = {
        kernel: triple(w.kernel, 1),
        stride: triple(w.stride, 1),
        padBefore: triple(w.padBefore, 0),
        padAfter: triple(w.padAfter, 0),
      };
      return fromVolume(b, b.one(op, [toVolume(b, x!)], attrs), sizes.length);
    },
  };
}

export const maxpool = pool('maxpool', 'Largest value of each window; the first wins ties.', maxpoolOp);
export const avgpool = pool('avgpool', 'Mean of each window; padding is left out of the mean.', avgpoolOp);
