import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { LayerDef } from '../ir/layer.ts';
import { fill } from '../ops/random.ts';
import { reshape, transpose } from '../ops/shape.ts';
import { given, whole } from './lib/args.ts';

const product = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

export const flatten: LayerDef = {
  kind: 'layer',
  name: 'flatten',
  doc: 'Joins all axes but the batch, or the axes a..b, into one.',
  args: [{ name: 'axes', doc: 'the axes a..b to join', type: { kind: 'axes' }, default: null, positional: true }],
  takes: 'one',
  weighted: false,
  build: (b, [x], args) => {
    const shape = x!.type.shape;
    const [from, to] = (given(args, 'axes') as readonly number[] | null) ?? [1, shape.length - 1];
    if (shape.length === 1) return x!;
    if (from! < 1 || to! >= shape.length || from! > to!) {
      throw new Unfit(`flatten: no axes ${from}..${to}`, `axes within 1..${shape.length - 1}`, showType(x!.type, true));
    }
    const dims = [...shape.slice(0, from), product(shape.slice(from, to! + 1)), ...shape.slice(to! + 1)];
    return dims.length === shape.length ? x! : b.one(reshape, [x!], { dims });
  },
};

export const id: LayerDef = {
  kind: 'layer',
  name: 'id',
  doc: 'The input itself.',
  args: [],
  takes: 'one',
  weighted: false,
  widths: () => 'kept',
  build: (_, [x]) => x!,
};

export const none: LayerDef = {
  kind: 'layer',
  name: 'none',
  doc: 'Zeros of the shape of the input.',
  args: [],
  takes: 'one',
  weighted: false,
  widths: () => 'kept',
  build: (b, [x]) => b.one(fill, [], { dims: x!.type.shape, value: 0 }),
};

export const patches: LayerDef = {
  kind: 'layer',
  name: 'patches',
  doc: 'Cuts an image into p x p patches: [B, H, W, C] -> [B, H/p * W/p, p*p*C]; p divides H and W (Dosovitskiy et al. 2020).',
  args: [{ name: 'p', doc: 'side of a patch', type: { kind: 'whole', min: 1 }, positional: true }],
  takes: 'one',
  weighted: false,
  build: (b, [x], args) => {
    const p = whole(args, 'p');
    const shape = x!.type.shape;
    if (shape.length !== 4) throw new Unfit('patches needs an image', 'f32[B, H, W, C]', showType(x!.type, true));
    const [batch, height, width, channels] = shape as readonly [number, number, number, number];
    if (height % p !== 0 || width % p !== 0) {
      throw new Unfit('patches: p must divide both sides of the image', `multiples of ${p}`, `${height} x ${width}`);
    }
    const cut = b.one(reshape, [x!], { dims: [batch, height / p, p, width / p, p, channels] });
    const turned = b.one(transpose, [cut], { perm: [0, 1, 3, 2, 4, 5, 6, 7] });
    return b.one(reshape, [turned], { dims: [batch, (height / p) * (width / p), p * p * channels] });
  },
};
