import { f32 } from '../../base/tensor-type.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import type { Attrs } from '../../ir/op.ts';
import { conv } from '../../ops/conv.ts';
import { modeProduct } from '../../ops/mode-product.ts';
import { tuckerConv } from '../../ops/tucker-conv.ts';
import { compress, makeTucker } from '../../ops/tucker-weight.ts';
import type { CaseKind } from '../case.ts';
import { forwardAndBackward } from '../runner.ts';
import { planeConv } from './conv.ts';

/** BATCH CIN H W COUT KERNEL PAD: a convolution whose weight is frozen, backward with the gradient of x alone. */
export const frozen: CaseKind = {
  kind: 'frozen',
  lines: ['frozen/b32_256x14x14_to256_k3 32 256 14 14 256 3 1'],
  cases: ({ name, words }, threads) => {
    const { x, weight, attrs, flop, least } = planeConv(words);
    const build = (b: Builder, [v, base]: readonly Value[]): Value => b.one(conv, [v!, base!], attrs);
    return forwardAndBackward(name, { flop, least, backward: 1, trained: 1 }, [x, weight], build, threads);
  },
};

const plane = (words: readonly string[]): readonly string[] => words.slice(0, 7);

/** BATCH CIN H W COUT KERNEL PAD R1 R2 R3 R4: a frozen convolution and a Tucker delta of its weight; /base is the convolution alone. */
export const flora: CaseKind = {
  kind: 'flora',
  lines: ['flora/b32_256x14x14_to256_k3_r16 32 256 14 14 256 3 1 16 16 3 3'],
  cases: ({ name, words }, threads) => {
    const { x, weight, cin, cout, k, attrs, flop, least } = planeConv(words);
    const [rOut, rIn, rH, rW] = words.slice(7).map(Number) as [number, number, number, number];
    const factors = [f32(cout, rOut), f32(cin, rIn), f32(k, rH), f32(k, rW)];
    const types = [x, f32(rOut, 1, rH, rW, rIn), ...factors, weight];
    const build = (b: Builder, [v, core, uOut, uIn, uH, uW, base]: readonly Value[]): Value => {
      const small = makeTucker(b, core!, [null, null, uH!, uW!, null]);
      return b.one(tuckerConv, [v!, uIn!, small, uOut!, base!, null], { ...attrs, scale: 1, keep: 1 });
    };
    return [
      ...forwardAndBackward(name, { flop, least, backward: 1, trained: 6 }, types, build, threads),
      ...frozen.cases({ name: `${name}/base`, kind: 'frozen', words: plane(words) }, threads),
    ];
  },
  over: (words) => `frozen ${plane(words).join(' ')}`,
};

type Parts = readonly [x: Value, uIn: Value, core: Value, uOut: Value];
type Build = (b: Builder, parts: Parts, attrs: Attrs, keep: number) => Value;

/** BATCH CIN H W COUT KERNEL PAD RANK: a convolution whose weight is of Tucker form, channels to the rank and back; forward as in predictions, and forward and backward. */
const tuckerForm = (kind: string, build: Build, over?: CaseKind['over']): CaseKind => ({
  kind,
  lines: [`${kind}/b32_256x14x14_to256_k3_r16 32 256 14 14 256 3 1 16`],
  cases: ({ name, words }, threads) => {
    const { x, cin, cout, k, attrs } = planeConv(words);
    const rank = Number(words[7]);
    const types = [x, f32(cin, rank), f32(rank, 1, k, k, rank), f32(cout, rank)];
    const [images, , h, w] = x.shape as readonly [number, number, number, number, number];
    const border = 2 * Number(words[6]) - k + 1;
    const positions = images * (h + border) * (w + border);
    const flop = 2 * rank * (images * h * w * cin + positions * (rank * k * k + cout));
    const one = (b: Builder, values: readonly Value[], keep: number): Value => build(b, values as Parts, attrs, keep);
    return forwardAndBackward(name, { flop }, types, one, threads);
  },
  ...(over && { over }),
});

export const tuckerConvs = tuckerForm(
  'tucker_conv',
  (b, parts, attrs, keep) => b.one(tuckerConv, [...parts, null, null], { ...attrs, scale: 1, keep }),
  (words) => `tucker_apart ${words.join(' ')}`,
);
/** The same as three ops. */
export const tuckerApart = tuckerForm('tucker_apart', (b, [x, uIn, core, uOut], attrs) => {
  const into = b.one(modeProduct, [x, uIn], { axis: 4, transposed: 1 });
  return b.one(modeProduct, [b.one(conv, [into, core], attrs), uOut], { axis: 4, transposed: 0 });
});

/** SIDE RANK: four mode products, SIDE^4 -> RANK^4 and back. */
export const tucker: CaseKind = {
  kind: 'tucker',
  lines: ['tucker/64p4_r16 64 16'],
  cases: ({ name, words }, threads) => {
    const [side, rank] = words.map(Number) as [number, number];
    const four = (n: number) => f32(n, n, n, n);
    const factors = [0, 1, 2, 3].map(() => f32(side, rank));
    const flop = [0, 1, 2, 3].reduce((sum, i) => sum + 2 * rank * side ** 4 * (rank / side) ** i, 0);
    const down = (b: Builder, [x, ...us]: readonly Value[]): Value => compress(b, x!, us);
    const up = (b: Builder, [core, ...us]: readonly Value[]): Value => makeTucker(b, core!, us);
    return [
      ...forwardAndBackward(`${name}/compress`, { flop }, [four(side), ...factors], down, threads),
      ...forwardAndBackward(`${name}/expand`, { flop }, [four(rank), ...factors], up, threads),
    ];
  },
};
