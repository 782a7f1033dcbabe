import { f32, i32, numel, tensorType } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { NdArray } from '../ir/op.ts';
import { numberOf } from './lib/attrs.ts';
import { gathered, perInput } from './lib/cost.ts';
import { mapArray, ndArray } from './lib/nd.ts';
import { arrayAt, dim, shapeAt } from './lib/types.ts';
import { reshape } from './shape.ts';

/** Rows of a matrix, by index. */
function rowsAt(table: NdArray, index: NdArray): NdArray {
  const width = dim(table.shape, 1);
  const out = ndArray([...index.shape, width]);
  index.data.forEach((row, i) => out.data.set(table.data.subarray(row * width, (row + 1) * width), i * width));
  return out;
}

export const gatherRows = defineOp({
  name: 'gather_rows',
  doc: 'Rows of a table by index: y[i] = table[index[i]]. An index outside the table is an error of the data.',
  inputs: { table: 'f32[n, width]', index: 'i32[...lead]' },
  outputs: { y: 'f32[...lead, width]' },
  attrs: {},
  rowLocal: 'leading',
  grad: (g) => {
    const dy = g.dOutput(0);
    if (!dy) return [null, null];
    const [rows, width] = g.inputType(0).shape as readonly [number, number];
    const count = numel(g.inputType(1).shape);
    const flat = g.builder.one(reshape, [dy], { dims: [count, width] });
    const index = g.builder.one(reshape, [g.input(1)], { dims: [count] });
    return [g.builder.one(scatterRows, [flat, index], { rows }), null];
  },
  cost: gathered,
  reference: (inputs) => [rowsAt(arrayAt(inputs, 0), arrayAt(inputs, 1))],
  samples: [
    { inputs: [f32(5, 3), i32()], fill: ['normal', 'below:5'] },
    { inputs: [f32(5, 17), i32(4)], fill: ['normal', 'below:5'] },
    { inputs: [f32(1, 1), i32(3)], fill: ['normal', 'below:1'] },
    { inputs: [f32(7, 33), i32(2, 3)], fill: ['normal', 'below:7'] },
    { inputs: [f32(7, 0), i32(2, 3)], fill: ['normal', 'below:7'] },
    { inputs: [f32(7, 5), i32(0)], fill: ['normal', 'below:7'] },
    { inputs: [f32(9, 16), i32(2, 2, 2)], fill: ['normal', 'below:9'] },
    { inputs: [f32(50, 65), i32(40, 50)], fill: ['normal', 'below:50'] },
  ],
});

export const scatterRows = defineOp({
  name: 'scatter_rows',
  doc: 'The adjoint of gather_rows: table[r] = Σ dy[i] over index[i] = r, summed in the order of i. An index outside the table is an error of the data.',
  inputs: { dy: 'f32[m, width]', index: 'i32[m]' },
  outputs: { table: 'f32[rows, width]' },
  attrs: { rows: 'u32' },
  infer: (inputs, attrs) => [f32(numberOf(attrs, 'rows'), dim(shapeAt(inputs, 0), 1))],
  grad: (g) => {
    const dTable = g.dOutput(0);
    return [dTable && g.builder.one(gatherRows, [dTable, g.input(1)]), null];
  },
  cost: perInput(1),
  reference: (inputs, attrs) => {
    const [dy, index] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const width = dim(dy.shape, 1);
    const table = ndArray([numberOf(attrs, 'rows'), width]);
    dy.data.forEach((value, i) => (table.data[index.data[Math.floor(i / width)]! * width + (i % width)]! += value));
    return [table];
  },
  samples: [
    { inputs: [f32(4, 3), i32(4)], attrs: { rows: 5 }, fill: ['normal', 'below:5'] },
    { inputs: [f32(9, 17), i32(9)], attrs: { rows: 2 }, fill: ['normal', 'below:2'], note: 'many duplicates' },
    { inputs: [f32(0, 3), i32(0)], attrs: { rows: 4 }, note: 'zeros alone' },
    { inputs: [f32(5, 0), i32(5)], attrs: { rows: 4 }, fill: ['normal', 'below:4'] },
    { inputs: [f32(0, 3), i32(0)], attrs: { rows: 0 } },
    { inputs: [f32(1, 33), i32(1)], attrs: { rows: 1 }, fill: ['normal', 'below:1'] },
    { inputs: [f32(2000, 65), i32(2000)], attrs: { rows: 50 }, fill: ['normal', 'below:50'] },
    { inputs: [f32(3000, 40), i32(3000)], attrs: { rows: 4000 }, fill: ['normal', 'below:4000'] },
  ],
});

const u8 = (...shape: readonly number[]) => tensorType('u8', shape);
/** [rows of the data set, width, batch] */
const LOADS: readonly (readonly [number, number, number])[] = [
  [5, 3, 4],
  [1, 1, 1],
  [6, 17, 0],
  [6, 0, 3],
  ...[15, 16, 31, 33, 63, 65].map((width) => [7, width, 3] as const),
  [200, 784, 129],
];

export const loadU8 = defineOp({
  name: 'load_u8',
  doc: 'A batch of a resident data set of bytes: y[i] = data[index[i]]·scale + shift. An index outside the data is an error of the data.',
  inputs: { data: 'u8[n, width]', index: 'i32[b]' },
  outputs: { y: 'f32[b, width]' },
  attrs: { scale: 'f32', shift: 'f32' },
  rowLocal: 'leading',
  stopsGradient: true,
  cost: gathered,
  reference: (inputs, attrs) => {
    const [scale, shift] = [numberOf(attrs, 'scale'), numberOf(attrs, 'shift')];
    return [mapArray(rowsAt(arrayAt(inputs, 0), arrayAt(inputs, 1)), (x) => x * scale + shift)];
  },
  samples: LOADS.map(([n, width, b], i) => ({
    inputs: [u8(n, width), i32(b)],
    attrs: i % 2 ? { scale: 1, shift: 0 } : { scale: Math.fround(1 / 255), shift: -0.5 },
    fill: ['below:256', `below:${n}`],
  })),
});

export const loadI32 = defineOp({
  name: 'load_i32',
  doc: 'A batch of a resident data set of whole numbers: y[i] = data[index[i]]. An index outside the data is an error of the data.',
  inputs: { data: 'i32[n, width]', index: 'i32[b]' },
  outputs: { y: 'i32[b, width]' },
  attrs: {},
  rowLocal: 'leading',
  stopsGradient: true,
  cost: gathered,
  reference: (inputs) => [rowsAt(arrayAt(inputs, 0), arrayAt(inputs, 1))],
  samples: LOADS.map(([n, width, b]) => ({
    inputs: [i32(n, width), i32(b)],
    fill: ['below:2000000000', `below:${n}`],
  })),
});
