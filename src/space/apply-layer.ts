import { Unfit } from '../base/unfit.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Args, LayerDef } from '../ir/layer.ts';
import type { Context, Evaluator } from './evaluator.ts';
import type { Cost } from './costs.ts';
import { testFiled } from './filed.ts';
import { layerCost, layerDepth } from './layer-cost.ts';
import type { AnyExpr } from './references.ts';
import { costVector, unitEntry } from './table.ts';
import type { Entry, Table } from './table.ts';
import type { Wide } from './types.ts';
import { ToldApart, applyWide } from './widths.ts';

/** The tensors that a layer takes, from one flow. Throws Unfit. */
export function layerInputs<T extends object>(layer: LayerDef, flow: T | readonly T[]): readonly T[] {
  const list = flow as readonly T[];
  if (layer.takes === 'one' || layer.takes === 1) {
    if (!Array.isArray(flow)) return [flow as T];
    throw new Unfit(`${layer.name} takes one tensor`, 'a tensor', `a list of ${list.length}`);
  }
  if (!Array.isArray(flow)) throw new Unfit(`${layer.name} takes a list of tensors`, '[…, …]', 'one tensor');
  if (typeof layer.takes === 'number' && list.length !== layer.takes) {
    throw new Unfit(`${layer.name} takes ${layer.takes} tensors`, `${layer.takes}`, `${list.length}`);
  }
  if (list.some((item) => Array.isArray(item)))
    throw new Unfit(`${layer.name} takes tensors`, 'tensors', 'a list of lists');
  return list;
}

interface Applied {
  readonly flow: number;
  readonly cost: Cost;
  /** Where widths are not told apart: what the widest cost. */
  readonly most?: Cost;
}

// A list in a list stands as an array, which layerInputs refuses.
const nested = <T extends { readonly kind: string }>(flow: T): T | readonly T[] =>
  flow.kind === 'list' ? [flow] : flow;

// A layer takes about so many steps: its cost is found or measured, what comes out is interned.
const LAYER_STEPS = 8;

// One lane. Throws Unfit.
function applyOne(
  ev: Evaluator,
  expr: AnyExpr,
  layer: LayerDef,
  args: Args,
  input: number,
  out: Wide | null,
  mode: Context['mode'],
): Applied {
  const via = ev.flows.viaOf(input);
  const flow = ev.flows.get(input);
  const wide = ev.flows.wideIn(input);
  if (out || wide) {
    // How weights are made may depend on their widths.
    const alike = via === 0 || !layer.weighted;
    if (mode === 'plain' && flow.kind === 'tensor' && alike) return applyWide(ev, layer, args, flow, out);
    throw new ToldApart(out, wide);
  }
  const parts = flow.kind === 'list' ? flow.items.map((i) => nested(ev.flows.get(i))) : flow;
  const tensors = layerInputs(layer, parts as never) as readonly { kind: 'tensor'; type: TensorType; depth: number }[];
  const found = layerCost(
    layer,
    args,
    tensors.map((t) => t.type),
    ev.forces.get(via),
  );
  testFiled(found.filed, expr, null);
  const depth = ev.tracksDepth ? Math.max(0, ...tensors.map((t) => t.depth)) + layerDepth(layer, found) : 0;
  return { flow: ev.flows.tensor(found.output, depth, null, via), cost: ev.layerCostOf(found) };
}

/** A layer with decided arguments; `out`: any of these widths, while the argument has the first. */
export function applyLayer(
  ev: Evaluator,
  expr: AnyExpr,
  layer: LayerDef,
  args: Args,
  inputs: readonly number[],
  ctx: Context,
  out: Wide | null = null,
): Table {
  for (const input of inputs) {
    const cause = ev.flows.brokenIn(input);
    if (cause !== null)
      return [
        settled(
          ev,
          inputs.map(() => ({ flow: ev.flows.broken(cause), cost: ev.tables.costs.zero })),
          ctx,
        )!,
      ];
  }
  ev.tables.spend(LAYER_STEPS * inputs.length);
  return orBroken(ev, expr, inputs, ctx, () => {
    const lanes = inputs.map((input) => applyOne(ev, expr, layer, args, input, out, ctx.mode));
    const entry = settled(ev, lanes, ctx);
    if (entry) return [entry];
    throw new Unfit(`${layer.name}: uses of shared weights differ in shape`, 'weights of one shape', 'several');
  });
}

/** What does not fit makes nothing; in analyses it is kept as broken. */
export function orBroken(
  ev: Evaluator,
  expr: AnyExpr,
  inputs: readonly number[],
  ctx: Context,
  make: () => Table,
): Table {
  try {
    return make();
  } catch (e) {
    if (!(e instanceof Unfit)) throw e;
    const broken = ev.broken(expr, e);
    if (broken === null) return [];
    return [
      settled(
        ev,
        inputs.map(() => ({ flow: broken, cost: ev.tables.costs.zero })),
        ctx,
      )!,
    ];
  }
}

/** The entry of lanes that came out so; null where they share weights of different shapes. */
export function settled(ev: Evaluator, lanes: readonly Applied[], ctx: Context): Entry | null {
  const { tables } = ev;
  const out = lanes.map((l) => l.flow);
  switch (ctx.mode) {
    case 'plain': {
      const { cost, most } = lanes[0]!;
      return {
        ...unitEntry(tables, out, 0),
        cost: costVector(tables, cost, most),
        node: tables.nodes.cost(cost, most),
      };
    }
    case 'lanes':
      return { ...unitEntry(tables, out, 0), uses: lanes.map((l) => l.cost) };
    case 'shared': {
      const first = lanes[0]!.cost;
      if (lanes.some((l) => l.cost.shapes !== first.shapes)) return null;
      const once = tables.costs.once(first);
      return {
        ...unitEntry(tables, out, 0),
        uses: lanes.map((l) => tables.costs.perUse(l.cost)),
        cost: costVector(tables, once),
        node: tables.nodes.cost(once),
      };
    }
  }
}
