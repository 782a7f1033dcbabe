import { f32, i32 } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import type { Attrs, OpDef } from '../../src/ir/op.ts';
import { attention, attentionGrad } from '../../src/ops/attention.ts';
import { conv, convAct, convInputGrad, convWeightGrad } from '../../src/ops/conv.ts';
import { convMaxpool, convPool } from '../../src/ops/conv-pool.ts';
import { add, relu, reluGrad } from '../../src/ops/elementwise.ts';
import { gatherRows, loadU8, scatterRows } from '../../src/ops/gather.ts';
import { kronConv, kronConvAct, kronConvGrad } from '../../src/ops/kron-conv.ts';
import { hashed, hashedGrad } from '../../src/ops/hashed.ts';
import { kronLinear, kronLinearAct, kronLinearGrad } from '../../src/ops/kron-linear.ts';
import { kronAlgebraGrad, kronFactorGrad, kronWeight } from '../../src/ops/kron-weight.ts';
import { hadamard } from '../../src/ops/hadamard.ts';
import { linear, linearInputGrad, linearPanels, linearWeightGrad, linearWithSlope } from '../../src/ops/linear.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { maxReduce } from '../../src/ops/max-reduce.ts';
import { modeGram, modeProduct } from '../../src/ops/mode-product.ts';
import { moeFfn, moeFfnGrad } from '../../src/ops/moe-ffn.ts';
import { moeRoute } from '../../src/ops/moe-route.ts';
import { batchnorm, layernorm } from '../../src/ops/norm.ts';
import { sgd } from '../../src/ops/optimizer.ts';
import { panels } from '../../src/ops/panels.ts';
import { avgpool, avgpoolGrad, maxpool, maxpoolGather, maxpoolGrad } from '../../src/ops/pool.ts';
import { dropout, fill } from '../../src/ops/random.ts';
import { broadcastTo, sum } from '../../src/ops/reduce.ts';
import { repeatAffine } from '../../src/ops/repeat.ts';
import { concat, pad, reshape, slice, transpose } from '../../src/ops/shape.ts';
import { crossEntropy, softmax, softmaxGrad } from '../../src/ops/softmax.ts';
import { sparseProject, sparseProjectCsr } from '../../src/ops/sparse-project.ts';
import { subspaceNorms, subspaceProject, subspaceTranspose } from '../../src/ops/subspace.ts';
import { tril } from '../../src/ops/tril.ts';
import { tuckerConv, tuckerConvGrad } from '../../src/ops/tucker-conv.ts';
import { tuckerWeight } from '../../src/ops/tucker-weight.ts';

/** An application that does not fit, and what its message must say. */
export type OpError = readonly [OpDef, readonly (TensorType | null)[], Attrs, RegExp];

const window: Attrs = { stride: [1, 1, 1], padBefore: [0, 0, 0], padAfter: [0, 0, 0] };
const convolution: Attrs = { ...window, dilation: [1, 1, 1], groups: 1, winograd: 'on' };
const pool: Attrs = { ...window, kernel: [1, 2, 2] };
const sketch: Attrs = { k: 2, sparsity: 3, key0: 0, key1: 0, stream: 0 };
const projection: Attrs = { kind: 'sparse', key0: 0, key1: 0, stream: 0, stratum: 0 };
const image = f32(2, 1, 5, 5, 4);
const weight = f32(6, 1, 3, 3, 4);
const convolved = f32(2, 1, 3, 3, 6);
const pooled = f32(2, 1, 4, 4, 4);

const convErrors = (op: OpDef, more: Attrs = {}): readonly OpError[] => [
  [op, [image, weight], { ...convolution, ...more, groups: 0 }, /groups must divide/],
  [op, [image, weight], { ...convolution, ...more, groups: 3 }, /groups must divide the channels/],
  [op, [image, f32(5, 1, 3, 3, 2)], { ...convolution, ...more, groups: 2 }, /groups must divide/],
  [op, [image, f32(6, 1, 3, 3, 3)], { ...convolution, ...more }, /weight has the wrong width/],
  [op, [image, weight], { ...convolution, ...more, stride: [1, 0, 1] }, /stride \[1, 0, 1\]/],
  [op, [image, weight], { ...convolution, ...more, dilation: [0, 1, 1] }, /dilation \[0, 1, 1\]/],
  [op, [image, f32(6, 0, 3, 3, 4)], { ...convolution, ...more }, /kernel \[0, 3, 3\]/],
  [op, [image, f32(6, 1, 6, 3, 4)], { ...convolution, ...more }, /window is larger than the padded height/],
  [op, [image, f32(6, 2, 3, 3, 4)], { ...convolution, ...more }, /window is larger than the padded depth/],
  [op, [image, weight], { ...convolution, ...more, dilation: [1, 1, 3] }, /larger than the padded width/],
  [op, [f32(2, 5, 5, 4), weight], { ...convolution, ...more }, /x must be f32\[batch, d, h, w, channels\]/],
];

const experts = [f32(4, 6), f32(4, 2), i32(4, 2), f32(3, 5, 6), f32(3, 6, 5)];
const routing: Attrs = { capacity: 4, gates: 'renorm', priority: 'token', balance: 0, zLoss: 0 };

export const OP_ERRORS: readonly OpError[] = [
  [relu, [i32(3)], {}, /relu: x must be f32\[\.\.\.s\], not i32\[3\]/],
  [reluGrad, [f32(3), f32(4)], {}, /relu_grad: s is \[3\] in y f32\[3\], but \[4\] in dy f32\[4\]/],
  [add, [f32(3), f32(4)], {}, /\[3\] and \[4\] do not broadcast/],
  [add, [f32(2, 3), f32(3, 3)], {}, /do not broadcast/],
  [matmul, [f32(2, 3), f32(1, 3, 2)], { transA: 0, transB: 0 }, /matmul of \[2, 3\] and \[1, 3, 2\]/],
  [matmul, [f32(1, 1, 2, 3), f32(1, 1, 3, 2)], { transA: 0, transB: 0 }, /matmul of/],
  [matmul, [f32(3), f32(3)], { transA: 0, transB: 0 }, /a must be f32\[\.\.\.lead, p, q\]/],
  [matmul, [f32(4, 2, 3), f32(5, 3, 2)], { transA: 0, transB: 0 }, /batches of different length/],
  [matmul, [f32(2, 3), f32(4, 5)], { transA: 0, transB: 0 }, /inner sizes differ/],
  [matmul, [f32(2, 3), f32(3, 2)], { transA: 1, transB: 0 }, /inner sizes differ/],
  [matmul, [f32(2, 3), f32(3, 2)], { transA: 2, transB: 0 }, /transA is 2/],
  [matmul, [f32(2, 3), f32(3, 2)], { transA: 0, transB: 7 }, /transB is 7/],
  [linear, [f32(2, 3), f32(4, 5), null, null], { activation: 'none' }, /width is 3 in x f32\[2, 3\], but 5 in weight/],
  [linear, [f32(2, 3), f32(4, 3), f32(3), null], { activation: 'none' }, /out is 4/],
  [panels, [f32(33, 3)], { panels: 1 }, /33 outputs take 2 panels/],
  [linearPanels, [f32(2, 3), f32(2, 3, 32), null, null], { out: 32, activation: 'none' }, /32 outputs take 1 panels/],
  [linearPanels, [f32(2, 3), f32(1, 3, 16), null, null], { out: 3, activation: 'none' }, /32/],
  [linear, [f32(2, 3), f32(4, 3), null, null], { activation: 'swish' }, /activation must be one of none, relu/],
  [linearWithSlope, [f32(2, 3), f32(4, 3), f32(3)], { activation: 'gelu' }, /out is 4/],
  [linearInputGrad, [f32(2, 4), f32(4, 3), f32(2, 4), null], {}, /width is 3/],
  [linearWeightGrad, [f32(2, 4), f32(3, 4)], {}, /rows is 2/],
  ...convErrors(conv),
  ...convErrors(convAct, { activation: 'relu' }).map(([op, t, a, m]) => [op, [...t, null], a, m] as const),
  ...convErrors(convPool, { activation: 'relu', pool: 'max', window: [2, 2] }).map(
    ([op, t, a, m]) => [op, [...t, null], a, m] as const,
  ),
  ...[convPool, convMaxpool].flatMap((op): OpError[] => {
    const attrs = { ...convolution, activation: 'relu', ...(op === convPool ? { pool: 'max' } : {}) };
    return [
      [op, [image, weight, null], { ...attrs, window: [4, 1] }, /a window of \[4, 1\] over \[3, 3\]/],
      [op, [image, weight, null], { ...attrs, window: [1, 0] }, /a window of \[1, 0\]/],
      [op, [image, weight, f32(5)], { ...attrs, window: [2, 2] }, /out is 6/],
    ];
  }),
  [
    convMaxpool,
    [f32(0, 1, 65536, 32768, 1), f32(0, 1, 1, 1, 1), null],
    { ...convolution, activation: 'relu', window: [2, 2] },
    /conv_maxpool over \[1, 65536, 32768\]/,
  ],
  [convAct, [image, weight, f32(5)], { ...convolution, activation: 'relu' }, /out is 6/],
  [convInputGrad, [f32(2, 1, 3, 4, 6), weight], { ...convolution, size: [1, 5, 5] }, /dy does not have the size/],
  [convInputGrad, [convolved, weight], { ...convolution, size: [1, 0, 5] }, /larger than the padded height/],
  [convInputGrad, [convolved, weight], { ...convolution, groups: 4, size: [1, 5, 5] }, /groups must divide/],
  [convInputGrad, [f32(2, 1, 3, 3, 5), weight], { ...convolution, size: [1, 5, 5] }, /out is 5/],
  [convWeightGrad, [image, f32(2, 1, 4, 3, 6)], { ...convolution, kernel: [1, 3, 3] }, /dy does not have the size/],
  [convWeightGrad, [image, convolved], { ...convolution, kernel: [1, 0, 3] }, /kernel \[1, 0, 3\]/],
  [convWeightGrad, [image, convolved], { ...convolution, groups: 0, kernel: [1, 3, 3] }, /groups must divide/],
  [convWeightGrad, [image, f32(3, 1, 3, 3, 6)], { ...convolution, kernel: [1, 3, 3] }, /batch is 2/],
  ...[maxpool, avgpool].flatMap((op): OpError[] => [
    [op, [image], { ...pool, kernel: [1, 6, 2] }, /window is larger than the padded height/],
    [op, [image], { ...pool, kernel: [1, 0, 2] }, /kernel \[1, 0, 2\]/],
    [op, [image], { ...pool, stride: [0, 1, 1] }, /stride \[0, 1, 1\]/],
    [op, [image], { ...pool, padBefore: [0, 2, 0] }, /padding as large as the window/],
    [op, [image], { ...pool, padAfter: [1, 0, 0] }, /padding as large as the window/],
    [op, [f32(2, 1, 0, 5, 4)], { ...pool, padBefore: [0, 1, 0], padAfter: [0, 1, 0] }, /larger than the padded height/],
    [op, [f32(5, 5, 4)], pool, /x must be f32\[batch, d, h, w, channels\]/],
  ]),
  [maxpool, [f32(1, 1, 65536, 32768, 1)], pool, /maxpool over \[1, 65536, 32768\]/],
  [maxpoolGrad, [pooled, i32(2, 1, 4, 4, 4)], { ...pool, size: [1, 5, 6] }, /dy does not have the size/],
  [maxpoolGrad, [pooled, i32(2, 1, 4, 3, 4)], { ...pool, size: [1, 5, 5] }, /yw is 4/],
  [maxpoolGather, [image, i32(2, 1, 3, 4, 4)], pool, /index does not have the size/],
  [maxpoolGather, [image, i32(3, 1, 4, 4, 4)], pool, /batch is 2/],
  [avgpoolGrad, [pooled], { ...pool, size: [1, 6, 5] }, /dy does not have the size/],
  [sum, [f32(2, 3)], { axes: 4 }, /over axes that are not there/],
  [maxReduce, [f32(2, 3)], { axes: 8 }, /over axes that are not there/],
  [reshape, [f32(2, 3)], { dims: [4] }, /reshape of \[2, 3\] to \[4\]/],
  [reshape, [f32(2)], { dims: [2, 1, 1, 1, 1, 1, 1, 1, 1] }, /dims must be at most 8 sizes/],
  [broadcastTo, [f32(2, 3)], { dims: [3] }, /\[2, 3\] does not repeat to \[3\]/],
  [broadcastTo, [f32(3)], { dims: [2, 1] }, /\[3\] does not repeat to \[2, 1\]/],
  [broadcastTo, [f32(3)], { dims: [4] }, /do not broadcast/],
  [transpose, [f32(2, 3)], { perm: [0, 0, 2, 3, 4, 5, 6, 7] }, /transpose by \[0, 0\]/],
  [transpose, [f32(2, 3)], { perm: [0, 2, 1, 3, 4, 5, 6, 7] }, /transpose by \[0, 2\]/],
  [transpose, [f32(2, 3)], { perm: [1, 0] }, /perm must be 8 whole numbers/],
  [slice, [f32(2, 3)], { axis: 2, start: 0, size: 1 }, /axis 2 of a tensor of rank 2/],
  [slice, [f32(2, 3)], { axis: 1, start: 2, size: 2 }, /slice of axis 1 of \[2, 3\]/],
  [pad, [f32()], { axis: 0, before: 1, after: 1 }, /axis 0 of a tensor of rank 0/],
  [concat, [], { axis: 0 }, /concat of nothing/],
  [concat, [f32(2), f32(2)], { axis: 1 }, /axis 1 of a tensor of rank 1/],
  [concat, [f32(2, 3), f32(3, 3)], { axis: 1 }, /concat of \[2, 3\] and \[3, 3\]/],
  [concat, [f32(2, 3), f32(2)], { axis: 1 }, /concat of \[2, 3\] and \[2\]/],
  [repeatAffine, [f32(2)], { rounds: 65537, scale: 1, shift: 0 }, /rounds is 65537: at most 65536/],
  [hadamard, [f32(2, 12)], { scale: 1 }, /power of two, not 12/],
  [hadamard, [f32(2, 0)], { scale: 1 }, /power of two, not 0/],
  [subspaceProject, [f32(7), null], { ...projection, dims: [6] }, /7 dimensions does not fit 6 numbers/],
  [subspaceProject, [f32(1), f32(3, 2)], { ...projection, dims: [6] }, /base is \[3, 2\], not \[6\]/],
  [subspaceTranspose, [f32(6)], { ...projection, d: 7 }, /7 dimensions does not fit/],
  [subspaceTranspose, [f32(6)], { ...projection, d: 1, stream: 2 ** 30 }, /stream 1073741824 is not below 2\^30/],
  [subspaceTranspose, [f32(6)], { ...projection, d: 1, stratum: 32769 }, /strata of 32769 rows/],
  [subspaceTranspose, [f32(2 ** 31 + 1)], { ...projection, d: 1, stratum: 1 }, /more than 2\^31/],
  [hashed, [f32(0)], { dims: [3], key0: 0, key1: 0, stream: 0 }, /m is 0/],
  [hashedGrad, [f32(3)], { m: 0, key0: 0, key1: 0, stream: 0 }, /m is 0/],
  [sparseProject, [f32(2, 3)], { ...sketch, sparsity: 0.5 }, /sparsity must be from 1/],
  [sparseProject, [f32(2, 3)], { ...sketch, k: 65537 }, /k is 65537/],
  [sparseProjectCsr, [f32(2), i32(2), i32(0)], { ...sketch, features: 9 }, /offsets is empty/],
  [sparseProjectCsr, [f32(2), i32(2), i32(1)], { ...sketch, features: 2 ** 31 + 1 }, /features is 2147483649/],
  [subspaceNorms, [], { rows: 3, d: 4, key0: 0, key1: 0, stream: 0 }, /4 dimensions does not fit 3 numbers/],
  [tril, [f32(2, 3)], { value: 0 }, /n is 2/],
  [
    attention,
    [f32(1, 2, 6), f32(1, 2, 6), f32(1, 2, 6), null],
    { heads: 4, causal: 0, scale: 1 },
    /heads must divide the widths 6 and 6, not be 4/,
  ],
  [attention, [f32(1, 2, 6), f32(1, 2, 6), f32(1, 2, 6), null], { heads: 0, causal: 0, scale: 1 }, /heads must divide/],
  [
    attention,
    [f32(1, 2, 6), f32(1, 2, 6), f32(1, 2, 6), null],
    { heads: 2, causal: 2, scale: 1 },
    /causal must be 0 or 1/,
  ],
  [attention, [f32(1, 2, 6), f32(1, 2, 4), f32(1, 2, 6), null], { heads: 2, causal: 0, scale: 1 }, /width is 6 in q/],
  [
    attentionGrad,
    [f32(1, 2, 6), f32(1, 2, 6), f32(1, 2, 6), f32(1, 2, 6), f32(1, 4, 2), f32(1, 2, 6), null, null],
    { causal: 0, scale: 1 },
    /heads must divide the widths 6 and 6, not be 4/,
  ],
  [layernorm, [f32(2, 3), f32(2), f32(3)], { eps: 1e-5 }, /c is 3/],
  [batchnorm, [f32(2, 2, 3), f32(3), f32(3)], { eps: 1e-5 }, /x must be f32\[rows, c\]/],
  [softmax, [f32()], {}, /x must be f32\[\.\.\.lead, n\]/],
  [softmaxGrad, [f32(2, 3), f32(2, 4)], {}, /n is 3/],
  [crossEntropy, [f32(2, 3), f32(2)], {}, /labels must be i32\[rows\]/],
  [crossEntropy, [f32(2, 3), i32(3)], {}, /rows is 2/],
  [gatherRows, [f32(2, 3, 4), i32(3)], {}, /table must be f32\[n, width\]/],
  [scatterRows, [f32(2, 3), i32(3)], { rows: 4 }, /m is 2/],
  [scatterRows, [f32(2, 3), i32(2)], { rows: -1 }, /rows must be a whole number/],
  [loadU8, [f32(2, 3), i32(2)], { scale: 1, shift: 0 }, /data must be u8\[n, width\]/],
  [moeRoute, [f32(4, 3)], { ...routing, topK: 4 }, /topK is 4, but there are 3 experts/],
  [moeRoute, [f32(4, 3)], { ...routing, topK: 2, gates: 'top' }, /gates must be one of renorm, raw/],
  [moeFfn, [...experts, null, null, null], { activation: 'relu', keep: 2 }, /keep must be 0 or 1, not 2/],
  [moeFfn, [...experts, f32(3, 6), null, null], { activation: 'relu', keep: 1 }, /hidden is 5/],
  [moeFfn, [...experts, null, f32(2, 6), null], { activation: 'relu', keep: 1 }, /experts is 3/],
  [moeFfnGrad, [...experts, null, null, f32(8, 10), f32(4, 6)], { activation: 'relu' }, /h must be \[8, 5\]/],
  [moeFfnGrad, [...experts, null, f32(3, 5, 6), f32(8, 5), f32(4, 6)], { activation: 'relu' }, /h must be \[8, 10\]/],
  [dropout, [f32(3), i32(1)], { p: 1.5, key0: 1, key1: 2 }, /p must be between 0 and 1, not 1.5/],
  [dropout, [f32(3), i32(1)], { p: -0.5, key0: 1, key1: 2 }, /p must be between 0 and 1/],
  [dropout, [f32(3), i32(1)], { p: NaN, key0: 1, key1: 2 }, /p must be between 0 and 1/],
  [dropout, [f32(3), i32(2)], { p: 0.5, key0: 1, key1: 2 }, /step must be i32\[1\]/],
  [fill, [], { dims: [2 ** 24, 2 ** 24], value: 0 }, /too large for any machine/],
  [sgd, [f32(3), f32(3), f32(3), f32(1)], { momentum: 0, weightDecay: 0, nesterov: 2 }, /nesterov must be 0 or 1/],
  [sgd, [f32(3), f32(3), f32(2), f32(1)], { momentum: 0, weightDecay: 0, nesterov: 0 }, /s is \[3\]/],
  ...[{ groups: 1 }].flatMap((one): OpError[] => [
    [kronWeight, [f32(3, 3, 3), f32(2, 4, 5)], one, /algebra has n = 3, but the factor \[2, 4, 5\] has n = 2/],
    [kronWeight, [f32(2, 2, 2), f32(2, 4)], one, /factor \[2, 4\] is not \[n, out \/ n, …kernel, in \/ n\]/],
    [kronWeight, [f32(2, 2, 3), f32(2, 4, 5)], one, /n is 2/],
    [kronWeight, [f32(0, 0, 0), f32(0, 4, 5)], one, /n must be at least 1/],
    [kronWeight, [f32(2, 2, 2), f32(2, 4, 5)], { groups: 3 }, /groups must divide the factor's rows: 4 in 3/],
    [kronWeight, [f32(2, 2, 2), f32(2, 4, 5)], { groups: 0 }, /groups must be at least 1/],
    [kronFactorGrad, [f32(4, 4, 4), f32(8, 6)], one, /n = 4 does not divide 6 inputs and 8 outputs/],
    [kronFactorGrad, [f32(4, 4, 4), f32(10, 8)], one, /n = 4 does not divide 8 inputs and 10 outputs/],
    [kronFactorGrad, [f32(4, 4, 4), f32(8, 8)], { groups: 4 }, /n = 4 does not divide 8 inputs and 2 outputs of a/],
    [kronFactorGrad, [f32(4, 4, 4), f32(8)], one, /the weight \[8\] is not \[out, …kernel, in\]/],
    [kronAlgebraGrad, [f32(2, 4, 5), f32(8, 11)], one, /factor \[2, 4, 5\] makes \[8, 10\], not \[8, 11\]/],
  ]),
  [kronConv, [image, f32(2, 2, 2), f32(3, 3, 1, 3, 3, 2)], convolution, /algebra has n = 2, but the factor/],
  [kronConv, [image, f32(2, 2, 2), f32(2, 3, 1, 3, 3, 3)], convolution, /weight has the wrong width/],
  [
    kronConvAct,
    [image, f32(2, 2, 2), f32(2, 3, 1, 3, 3, 2), f32(5)],
    { ...convolution, activation: 'relu' },
    /bias has 5/,
  ],
  [
    kronConvGrad,
    [image, f32(2, 2, 2), f32(2, 3, 1, 3, 3, 2), f32(2, 1, 4, 3, 6)],
    convolution,
    /dy does not have the size/,
  ],
  [kronConvGrad, [image, f32(2, 2, 2), f32(2, 3, 1, 3, 3, 2), f32(2, 1, 3, 3, 5)], convolution, /dy has 5 channels/],
  [
    tuckerConv,
    [image, f32(4, 2), f32(3, 1, 3, 3, 2), f32(6, 3), null, null],
    { ...convolution, groups: 2, scale: 1, keep: 1 },
    /has one group/,
  ],
  [
    tuckerConv,
    [image, f32(4, 2), f32(3, 1, 3, 3, 2), f32(6, 2), null, null],
    { ...convolution, scale: 1, keep: 1 },
    /rankOut is 3/,
  ],
  [
    tuckerConv,
    [image, f32(5, 2), f32(3, 1, 3, 3, 2), f32(6, 3), null, null],
    { ...convolution, scale: 1, keep: 1 },
    /channels is 4/,
  ],
  [
    tuckerConv,
    [image, f32(4, 2), f32(3, 1, 3, 3, 2), f32(6, 3), null, null],
    { ...convolution, scale: 1, keep: 2 },
    /keep must be 0 or 1, not 2/,
  ],
  [
    tuckerConvGrad,
    [
      ...[image, f32(4, 2), f32(3, 1, 3, 3, 2), f32(6, 3), f32(2, 1, 3, 4, 6)],
      ...[f32(...image.shape.slice(0, 4), 2), f32(2, 1, 3, 4, 3), null],
    ],
    { ...convolution, scale: 1 },
    /dy does not have/,
  ],
  [kronLinear, [f32(3, 6), f32(2, 2, 2), f32(2, 4, 2)], {}, /x has 6 columns, but n·C\/n = 4/],
  [kronLinear, [f32(3, 6), f32(3, 3, 3), f32(2, 4, 3)], {}, /algebra has n = 3/],
  [kronLinearGrad, [f32(3, 6), f32(2, 2, 2), f32(2, 4, 3), f32(3, 7)], {}, /dy has 7 columns, but O is 8/],
  [
    kronLinearAct,
    [f32(3, 6), f32(2, 2, 2), f32(2, 4, 3), f32(7)],
    { activation: 'relu' },
    /bias has 7 numbers, but O is 8/,
  ],
  [modeProduct, [f32(2, 3), f32(4, 3)], { axis: 2, transposed: 0 }, /axis 2 of a tensor of rank 2/],
  [modeProduct, [f32(2, 3), f32(4, 3)], { axis: 0, transposed: 0 }, /factor \[4, 3\] for axis 0 of \[2, 3\]/],
  [modeProduct, [f32(2, 3), f32(4, 3)], { axis: 1, transposed: 1 }, /it takes a size of 4/],
  [modeProduct, [f32(2, 3), f32(4, 3)], { axis: 1, transposed: 2 }, /transposed is 2/],
  [modeGram, [f32(2, 3), f32(2, 4)], { axis: 0 }, /\[2, 3\] and \[2, 4\] differ beside axis 0/],
  [modeGram, [f32(2, 3), f32(2, 4)], { axis: 5 }, /axis 5 of a tensor of rank 2/],
  [tuckerWeight, [f32(2, 3), f32(4, 2)], { axes: [0, 1], scale: 1 }, /1 factors for the axes \[0, 1\]/],
  [tuckerWeight, [f32(2, 3), f32(4, 2)], { axes: [1], scale: 1 }, /factor \[4, 2\] for axis 1 of \[2, 3\]/],
  [tuckerWeight, [f32(2, 2), f32(2, 2), f32(2, 2)], { axes: [1, 1], scale: 1 }, /an axis twice in \[1, 1\]/],
  [tuckerWeight, [f32(2, 2), f32(2)], { axes: [1], scale: 1 }, /a factor \[2\] that is not \[I, r\]/],
  [tuckerWeight, [f32(2, 2)], { axes: [], scale: 1 }, /0 factors/],
];
