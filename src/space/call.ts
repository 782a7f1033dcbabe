import { Unfit } from '../base/unfit.ts';
import { BUDGET } from './limits.ts';
import { fitting } from './evaluate-value.ts';
import { valueContext, withKnown } from './evaluator.ts';
import type { Context, Evaluator } from './evaluator.ts';
import { closeFrame, openFrame } from './frame.ts';
import type { Bound } from './references.ts';
import { makeEnv, unowned } from './scope.ts';
import type { Cell } from './scope.ts';
import type { CallExpr, Def, SignatureDim, TensorParameter, ValueExpr } from './expr.ts';
import { bind } from './table.ts';
import type { Table } from './table.ts';
import { shapeOf } from './widths.ts';

const depths = new WeakMap<Evaluator, number>();

/** A use of a def or cell. `inputs` null: all of its tensors are given as arguments. The caller puts it under the use's segment. */
export function evaluateCall(ev: Evaluator, e: CallExpr, inputs: readonly number[] | null, ctx: Context): Table {
  const depth = (depths.get(ev) ?? 0) + 1;
  if (depth > BUDGET.depth) throw new Unfit('calls within calls are too deep', `at most ${BUDGET.depth}`, 'more');
  depths.set(ev, depth);
  try {
    return callBody(ev, e, inputs, ctx);
  } finally {
    depths.set(ev, depth - 1);
  }
}

function callBody(ev: Evaluator, e: CallExpr, inputs: readonly number[] | null, around: Context): Table {
  const { def } = e;
  const ctx = inputs ? { ...around, vias: inputs.map(ev.flows.viaOf) } : around;
  const cells = argumentCells(ev, e, ctx);
  if (inputs && def.body.kind === 'tensor') {
    const open = openTensors(e);
    for (const [p, flows] of shareOut(ev, def, open, inputs)) cells.set(p, { kind: 'tensor', flows });
  }
  const result = def.body.kind === 'net' ? def.body.net : def.body.result;
  const texts = def.signature ? [result, ...signatureValues(def)] : [result];
  const frame = openFrame(ev, ctx, def.body.bindings, texts, cells);
  const inside = { ...ctx, env: frame.env };
  const signature = def.signature && inputs ? def.signature : null;
  let table: Table;
  if (signature) {
    const checked = checkDims(ev, def, inputs!, signature.inputs, inside);
    table = bind(ev.tables, checked, (entry) => {
      const made = body(ev, def, inputs, withKnown(ev, inside, entry.reads));
      return bind(ev.tables, made, (out) => checkOutput(ev, def, inputs!, out.out, withKnown(ev, inside, out.reads)));
    });
  } else table = body(ev, def, inputs, inside);
  return closeFrame(ev, frame, table);
}

function body(ev: Evaluator, def: Def, inputs: readonly number[] | null, ctx: Context): Table {
  if (def.body.kind === 'tensor') return ev.tensor(def.body.result, ctx);
  if (!inputs) throw new Error(`bug: '${def.name}' is a network, and stands where a tensor is wanted`);
  return ev.net(def.body.net, inputs, ctx);
}

/** Tensor parameters that no argument gives. */
export function openTensors(e: CallExpr): readonly TensorParameter[] {
  const given = new Set<Bound>(e.args.map((a) => a.parameter));
  return e.def.parameters.filter((p): p is TensorParameter => p.kind === 'tensorParameter' && !given.has(p));
}

function shareOut(
  ev: Evaluator,
  def: Def,
  open: readonly TensorParameter[],
  inputs: readonly number[],
): ReadonlyMap<TensorParameter, readonly number[]> {
  if (open.length === 1) return new Map([[open[0]!, inputs]]);
  const lists = inputs.map((input) => ev.flows.get(input));
  return new Map(
    open.map((p, i) => [
      p,
      lists.map((list, lane) => {
        if (list.kind === 'broken') return inputs[lane]!;
        if (list.kind === 'list' && list.items.length === open.length) return list.items[i]!;
        throw new Unfit(
          `${def.name} takes ${open.length} tensors`,
          `a list of ${open.length}`,
          list.kind === 'list' ? `a list of ${list.items.length}` : 'one tensor',
        );
      }),
    ]),
  );
}

function argumentCells(ev: Evaluator, e: CallExpr, ctx: Context): Map<Bound, Cell> {
  const { reads } = ev.tables;
  const cells = new Map<Bound, Cell>();
  for (const a of e.args) {
    switch (a.kind) {
      case 'value':
        cells.set(a.parameter, valueCell(ev, a.parameter.name, a.expr, ctx));
        break;
      case 'net':
        cells.set(a.parameter, { kind: 'closure', expr: a.expr, env: unowned(ctx.env) });
        break;
      case 'tensor': {
        const place = { mode: ctx.mode, lanes: ctx.lanes, vias: ctx.vias };
        cells.set(a.parameter, {
          kind: 'slot',
          what: 'wire',
          id: reads.newSlot('plain'),
          name: a.parameter.name,
          expr: a.expr,
          place,
          env: unowned(ctx.env),
          segment: '',
        });
        break;
      }
    }
  }
  return cells;
}

// A value that is settled by what is known already is passed as it is: what it reads was read before, so nothing is lost.
function valueCell(ev: Evaluator, name: string, expr: ValueExpr, ctx: Context): Cell {
  if (expr.kind === 'const') return { kind: 'const', value: ev.data.id(expr.value) };
  const { reads, nodes } = ev.tables;
  const env = makeEnv(ctx.env, name);
  const table = fitting(() => ev.value(expr, valueContext({ ...ctx, env })));
  const only = table.length === 1 ? table[0]! : null;
  if (only && only.node === nodes.unit && only.reads.slots.every((s) => reads.get(ctx.known, s) !== undefined)) {
    return { kind: 'const', value: only.out[0]! };
  }
  return { kind: 'slot', what: 'value', id: reads.newSlot('plain'), name, expr, env, segment: `.${name}` };
}

// ---- signatures: named axes hold what the input has, the others are computed -------------------------------------------

type Dims = readonly SignatureDim[];

const signatureValues = (def: Def): readonly ValueExpr[] =>
  [...def.signature!.inputs.flat(), ...def.signature!.output].flatMap((d) => (d.kind === 'value' ? [d.expr] : []));

function tensorShape(ev: Evaluator, flow: number): readonly number[] | null {
  const f = ev.flows.get(flow);
  if (f.kind === 'broken') return null;
  if (f.kind === 'list') throw new Unfit('a signature takes tensors', 'a tensor', 'a list');
  return shapeOf(f);
}

function inputShapes(ev: Evaluator, def: Def, input: number): readonly (readonly number[] | null)[] {
  const wanted = def.signature!.inputs.length;
  if (wanted === 1) return [tensorShape(ev, input)];
  const flow = ev.flows.get(input);
  if (flow.kind !== 'list' || flow.items.length !== wanted) throw new Unfit(`${def.name} takes ${wanted} tensors`);
  return flow.items.map((item) => tensorShape(ev, item));
}

/** Named axes by name, from the inputs' shapes. Throws Unfit where one name has two sizes. */
export function namedAxes(def: Def, shapes: readonly (readonly number[] | null)[]): ReadonlyMap<string, number> {
  const axes = new Map<string, number>();
  def.signature!.inputs.forEach((dims, i) => {
    const shape = shapes[i];
    if (!shape) return;
    if (shape.length !== dims.length)
      throw new Unfit(`${def.name}: the input has another rank`, `${dims.length} axes`, `${shape.length}`);
    dims.forEach((d, axis) => {
      if (d.kind !== 'name') return;
      const before = axes.get(d.name);
      if (before !== undefined && before !== shape[axis])
        throw new Unfit(`${def.name}: ${d.name} has two sizes`, `${before}`, `${shape[axis]}`);
      axes.set(d.name, shape[axis]!);
    });
  });
  return axes;
}

// One row for each computed axis: what it must be, where its expression is evaluated.
function checkAxes(
  ev: Evaluator,
  def: Def,
  dims: Dims,
  shape: readonly number[] | null,
  axes: ReadonlyMap<string, number>,
  ctx: Context,
  out: readonly number[],
  table: Table,
): Table {
  if (!shape) return table;
  if (shape.length !== dims.length)
    throw new Unfit(`${def.name}: the output has another rank`, `${dims.length} axes`, `${shape.length}`);
  let rows = table;
  dims.forEach((d, axis) => {
    if (d.kind === 'name' && axes.has(d.name) && axes.get(d.name) !== shape[axis]) {
      throw new Unfit(`${def.name}: ${d.name} differs from the signature`, `${axes.get(d.name)}`, `${shape[axis]}`);
    }
    if (d.kind !== 'value') return;
    const env = makeEnv(ctx.env);
    for (const dim of d.dims) env.cells.set(dim.binding, { kind: 'const', value: ev.data.id(axes.get(dim.name) ?? 0) });
    rows = bind(ev.tables, rows, (entry) =>
      ev
        .value(d.expr, valueContext({ ...withKnown(ev, ctx, entry.reads), env }))
        .filter((found) => ev.data.get(found.out[0]!) === shape[axis])
        .map((found) => ({ ...found, out })),
    );
  });
  return rows;
}

function unit(ev: Evaluator, out: readonly number[]): Table {
  const { tables } = ev;
  return [{ out, uses: [], reads: tables.reads.none, cost: tables.free, node: tables.nodes.unit }];
}

function checkDims(ev: Evaluator, def: Def, inputs: readonly number[], dims: readonly Dims[], ctx: Context): Table {
  return fitting(() => {
    let table = unit(ev, inputs);
    for (const input of inputs) {
      const shapes = inputShapes(ev, def, input);
      const axes = namedAxes(def, shapes);
      dims.forEach((d, i) => (table = checkAxes(ev, def, d, shapes[i] ?? null, axes, ctx, inputs, table)));
    }
    return table;
  });
}

function checkOutput(ev: Evaluator, def: Def, inputs: readonly number[], out: readonly number[], ctx: Context): Table {
  return fitting(() => {
    let table = unit(ev, out);
    inputs.forEach((input, lane) => {
      const axes = namedAxes(def, inputShapes(ev, def, input));
      table = checkAxes(ev, def, def.signature!.output, tensorShape(ev, out[lane]!), axes, ctx, out, table);
    });
    return table;
  });
}
