import { gradients } from '../autodiff/gradients.ts';
import { keyOf } from '../base/philox.ts';
import { f32, i32, numel, showType, tensorType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { width } from '../data/dataset.ts';
import type { Column, Table } from '../data/dataset.ts';
import { DataError } from '../data/error.ts';
import { graphBuilder } from '../ir/graph-builder.ts';
import type { GraphBuilder } from '../ir/graph-builder.ts';
import type { Graph, Leaf, Value } from '../ir/graph.ts';
import { add, affine } from '../ops/elementwise.ts';
import { gatherRows, loadI32, loadU8 } from '../ops/gather.ts';
import { fill, randomNormal } from '../ops/random.ts';
import { reshape } from '../ops/shape.ts';
import { subspaceNorms } from '../ops/subspace.ts';
import { meanRows, sumRows } from '../recipes/losses.ts';
import { lowerWeights } from '../rewrite/rules/index.ts';
import type { Model, Recipes } from './config.ts';

export type StoreLeaf = Extract<Leaf, { kind: 'param' | 'state' | 'slot' | 'fixed' }>;

const dtypeOf = (c: Column): TensorType['dtype'] =>
  c.data instanceof Uint8Array ? 'u8' : c.data instanceof Int32Array ? 'i32' : 'f32';

/** The store's name and type of a resident column. */
export function residentColumn(part: string, c: Column): { readonly name: string; readonly type: TensorType } {
  const rows = width(c) === 0 ? 0 : c.data.length / width(c);
  return { name: `data.${part}.${c.name}`, type: tensorType(dtypeOf(c), [rows, width(c)]) };
}

// Rows of a column by index, as the type that the network wants.
function loadColumn(b: GraphBuilder, part: string, c: Column, index: Value, wanted: TensorType): Value {
  const { name, type } = residentColumn(part, c);
  const data = b.data(name, type);
  const rows = ((): Value => {
    if (type.dtype === 'u8') return b.one(loadU8, [data, index], { scale: c.scale, shift: c.shift });
    if (type.dtype === 'i32') return b.one(loadI32, [data, index]);
    const raw = b.one(gatherRows, [data, index]);
    return c.scale === 1 && c.shift === 0 ? raw : b.one(affine, [raw], { scale: c.scale, shift: c.shift });
  })();
  return b.one(reshape, [rows], { dims: wanted.shape });
}

const batched = (type: TensorType, batch: number): TensorType => tensorType(type.dtype, [batch, ...type.shape]);

/** Pairs inputs with feature columns: by name where all names agree, else in order. */
export function pairInputs(model: Model, table: Table): readonly Column[] {
  const { inputs } = model;
  const columns = table.features;
  const say = (): string => columns.map((c) => `${c.name} [${c.shape.join(', ')}]`).join(', ');
  if (inputs.length !== columns.length) {
    throw new DataError('mismatch', '', `the space has ${inputs.length} inputs, the data ${columns.length}: ${say()}`);
  }
  const byName = inputs.every((i) => columns.some((c) => c.name === i.name));
  return inputs.map((input, at) => {
    const column = byName ? columns.find((c) => c.name === input.name)! : columns[at]!;
    const fits =
      numel(input.type.shape) === width(column) && (input.type.dtype === 'i32') === (dtypeOf(column) === 'i32');
    if (!fits) {
      const want = showType(batched(input.type, 1), true);
      throw new DataError('mismatch', '', `input ${input.name} is ${want}, which does not fit the data: ${say()}`);
    }
    return column;
  });
}

interface Fed {
  readonly output: Value;
  readonly labels: Value;
}

/** A part of a data set whose columns lie in the store. */
export interface Part {
  readonly name: string;
  readonly table: Table;
  readonly classes: number | null;
}

function feed(b: GraphBuilder, model: Model, recipes: Recipes, data: Part, batch: number): Fed {
  const { table, name: part } = data;
  const index = b.input('index', i32(batch), true);
  const columns = pairInputs(model, table);
  const inputs = model.inputs.map((i, at) => loadColumn(b, part, columns[at]!, index, batched(i.type, batch)));
  const labels = loadColumn(b, part, table.label, index, tensorType(dtypeOf(table.label), [batch]));
  const output = model.build(b, inputs)[0]!;
  recipes.loss.check(output, data.classes);
  return { output, labels };
}

/**
 * One training step: load rows by index, forward, loss, backward, update. Inputs by step: `index` i32[batch], `lr` f32[1], `step` i32[1];
 * outputs by step: `loss` f32[1] (mean over the batch, auxiliary losses included) and the sum of each metric over the batch.
 */
export function trainGraph(model: Model, recipes: Recipes, data: Part, batch: number, seed: number): Graph {
  const b = graphBuilder({ mode: 'train', seed });
  const { output, labels } = feed(b, model, recipes, data, batch);
  const rows = recipes.loss.rows(b, output, labels);
  const whole = b.losses().reduce((total, l) => b.one(add, [total, l]), meanRows(b, rows.loss));
  const metrics = rows.metrics.map((m) => sumRows(b, m));
  const [loss, ...figures] = b.changed([whole, ...metrics], lowerWeights) as readonly [Value, ...Value[]];
  const params = b.params();
  const lr = b.input('lr', f32(1), true);
  const step = b.step();
  const { def, args } = recipes.optimizer;
  gradients(b, loss, params, { add, fill }).forEach((grad, i) => {
    if (!grad) return;
    const param = params[i]!;
    const leaf = param.source as StoreLeaf;
    const slots = def.slots.map((s) => b.slot(`${leaf.name}@${s}`, param.type.shape, def.slotInit));
    const next = def.update(b, { param, grad, slots, lr, step }, args);
    [param, ...slots].forEach((old, k) => b.update(old, next[k]!));
  });
  return b.finish([
    { name: 'loss', value: loss, perStep: true },
    ...recipes.loss.metrics.map((m, i) => ({ name: m.name, value: figures[i]!, perStep: true })),
  ]);
}

/** Figures of rows by index: by step the sums over the batch of the loss and of each metric. */
export function evaluationGraph(model: Model, recipes: Recipes, data: Part, batch: number): Graph {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const { output, labels } = feed(b, model, recipes, data, batch);
  const rows = recipes.loss.rows(b, output, labels);
  return b.finish([
    { name: 'loss', value: sumRows(b, rows.loss), perStep: true },
    ...recipes.loss.metrics.map((m, i) => ({ name: m.name, value: sumRows(b, rows.metrics[i]!), perStep: true })),
  ]);
}

/** Forward alone, from inputs given for the run. */
export function predictionGraph(model: Model, batch: number): Graph {
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const inputs = model.inputs.map((i) => b.input(i.name, batched(i.type, batch)));
  return b.finish(model.build(b, inputs).map((value, i) => ({ name: `output${i}`, value })));
}

/** Gives every tensor its start: numbers are drawn on the spot, by a key of the seed and the tensor's path. What files and tables give is left out. */
export function initialGraph(leaves: readonly StoreLeaf[], seed: number): Graph {
  const b = graphBuilder({ mode: 'infer', seed });
  for (const { name, type, init } of leaves) {
    if (init.kind === 'table' || init.kind === 'file') continue;
    // Only the start is written here: it does not matter what the tensor is for.
    const old = b.state(name, type.shape, { kind: 'constant', value: 0 });
    if (init.kind === 'normal') {
      const [key0, key1] = keyOf('init', init.seed ?? seed, name);
      b.update(old, b.one(randomNormal, [null], { dims: type.shape, std: init.std, key0, key1 }));
    } else if (init.kind === 'norms') b.update(old, b.one(subspaceNorms, [], init.attrs));
    else b.update(old, b.one(fill, [], { dims: type.shape, value: init.value }));
  }
  return b.finish([]);
}

/** Tensors of the store that a graph reads or writes, data left out. */
export const storeLeavesOf = (graph: Graph): readonly StoreLeaf[] =>
  graph.leaves.filter((l): l is StoreLeaf => 'init' in l);
