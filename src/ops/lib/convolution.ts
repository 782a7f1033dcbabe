import { numel } from '../../base/tensor-type.ts';
import { SWITCH } from '../../base/switch.ts';
import type { Shape } from '../../base/tensor-type.ts';
import { Unfit } from '../../base/unfit.ts';
import type { AttrKind, AttrValue, Attrs } from '../../ir/op.ts';
import { listOf, numberOf } from './attrs.ts';
import { checkSpatial, convWindow, forEachTap, outputSize, perAxis } from './spatial.ts';
import type { Window } from './spatial.ts';
import { dim } from './types.ts';

export const CONV_ATTRS: Readonly<Record<string, AttrKind>> = {
  stride: perAxis,
  padBefore: perAxis,
  padAfter: perAxis,
  dilation: perAxis,
  groups: 'u32',
  winograd: { oneOf: SWITCH },
};

/** The attributes that a convolution and its adjoints share. */
export const shared = (attrs: Attrs): Record<string, AttrValue> =>
  Object.fromEntries(Object.keys(CONV_ATTRS).map((name) => [name, attrs[name]!]));

/** Everything that the shapes of a convolution say: x [batch, …size, channels], w [out, …kernel, channels/groups]. */
export interface Geometry {
  readonly batch: number;
  readonly channels: number;
  readonly out: number;
  readonly groups: number;
  readonly size: readonly number[];
  readonly outputs: readonly number[];
  readonly window: Window;
}

export function geometry(x: Shape, w: Shape, attrs: Attrs): Geometry {
  const groups = numberOf(attrs, 'groups');
  const [channels, out] = [dim(x, 4), dim(w, 0)];
  if (groups < 1 || channels % groups !== 0 || out % groups !== 0) {
    const found = `${channels} channels to ${out} in ${groups} groups`;
    throw new Unfit(`groups must divide the channels of input and output`, 'at least 1, and a divisor of both', found);
  }
  if (dim(w, 4) !== channels / groups) {
    throw new Unfit(`the weight has the wrong width`, `${channels / groups} (channels / groups)`, String(dim(w, 4)));
  }
  const window = convWindow(attrs, w.slice(1, 4));
  const size = x.slice(1, 4);
  return { batch: dim(x, 0), channels, out, groups, size, outputs: outputSize(size, window), window };
}

export const xShape = (g: Geometry): number[] => [g.batch, ...g.size, g.channels];
export const yShape = (g: Geometry): number[] => [g.batch, ...g.outputs, g.out];
export const wShape = (g: Geometry): number[] => [g.out, ...g.window.kernel, g.channels / g.groups];

// The adjoints know the shape of what they make from an attribute: `size` of x, `kernel` of w.
export function inputGradGeometry(dy: Shape, w: Shape, attrs: Attrs): Geometry {
  const channels = dim(w, 4) * numberOf(attrs, 'groups');
  const g = geometry([dim(dy, 0), ...listOf(attrs, 'size'), channels], w, attrs);
  checkSpatial('dy', dy, g.outputs);
  return g;
}
export function weightGradGeometry(x: Shape, dy: Shape, attrs: Attrs): Geometry {
  const inner = Math.floor(dim(x, 4) / Math.max(1, numberOf(attrs, 'groups')));
  const g = geometry(x, [dim(dy, 4), ...listOf(attrs, 'kernel'), inner], attrs);
  checkSpatial('dy', dy, g.outputs);
  return g;
}

export const macs = (g: Geometry): number => numel(yShape(g)) * numel(g.window.kernel) * (g.channels / g.groups);

/** Every product x·w that is a part of some y: flat positions of the three. One loop serves the op and both adjoints. */
export function forEachProduct(g: Geometry, visit: (y: number, x: number, w: number) => void): void {
  const [inner, per] = [g.channels / g.groups, g.out / g.groups];
  const [inputs, outputs, places] = [numel(g.size), numel(g.outputs), numel(g.window.kernel)];
  forEachTap(g.window, g.size, g.outputs, (output, place, input) => {
    for (let b = 0; b < g.batch; b++) {
      const [y0, x0] = [(b * outputs + output) * g.out, (b * inputs + input) * g.channels];
      for (let o = 0; o < g.out; o++) {
        const [x1, w1] = [x0 + Math.floor(o / per) * inner, (o * places + place) * inner];
        for (let c = 0; c < inner; c++) visit(y0 + o, x1 + c, w1 + c);
      }
    }
  });
}
