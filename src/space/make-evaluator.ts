import type { Unfit } from '../base/unfit.ts';
import { countingMaker, nodeMaker } from './circuit.ts';
import { makeCosts } from './costs.ts';
import type { Cost, Costs } from './costs.ts';
import { evaluateBare, evaluateNet } from './evaluate-net.ts';
import { evaluateTensor } from './evaluate-tensor.ts';
import { evaluateValue, fitting } from './evaluate-value.ts';
import type { Cause, Context, Evaluator, Outcome } from './evaluator.ts';
import { makeForces } from './force.ts';
import type { Forces } from './force.ts';
import { VECTOR_STATE, weightShapes } from './layer-cost.ts';
import { makeReads } from './reads.ts';
import type { AnyExpr } from './references.ts';
import { idOf, infoOf } from './scope.ts';
import type { Info } from './scope.ts';
import type { NetExpr } from './expr.ts';
import { makeTables } from './table.ts';
import { thinByDepth } from './thin.ts';
import type { Budget, Table, Tables, Tracked } from './table.ts';
import { makeData, makeFlows } from './types.ts';
import type { Data, Flows } from './types.ts';
import { makeWidths } from './widths.ts';
import type { Apart, Widths } from './widths.ts';

export interface EvaluatorOptions {
  readonly tracked: readonly Tracked[];
  readonly tracksDepth: boolean;
  /** Keep only what leads to the least or the greatest depth. */
  readonly depthEnd: 'min' | 'max' | null;
  /** Keep members that do not fit, as broken flows with a cause. */
  readonly keepsBroken: boolean;
  readonly budget: Budget;
  /** Whose widths must be told apart. */
  readonly apart: Apart;
  /** Whether costs may stay between bounds: then values of lets are read together where decisions are kept, too. */
  readonly bounded: boolean;
  /** Whether costs that no requirement names are kept, and whether the shapes of weights are (where some are shared). */
  readonly costed: boolean;
  readonly keepsShapes: boolean;
  /** Whether decisions are kept; else the tables only count. */
  readonly keepsDecisions: boolean;
  /** What memory counts: slots of the optimizer for each parameter, examples in a batch. */
  readonly memory: { slots: number; batch: number };
}

export interface WholeEvaluator extends Evaluator {
  readonly causes: readonly Cause[];
}

// An expression under what it depends on costs about so many steps before it makes an entry: its key, its context, its frame.
const EVALUATION_STEPS = 3;

/** Evaluates with memory: an expression is evaluated once for what it depends on. */
export function makeEvaluator(options: EvaluatorOptions): WholeEvaluator {
  const costs = makeCosts();
  const flows = makeFlows();
  const thin = options.depthEnd ? thinByDepth(flows, options.depthEnd) : (table: Table): Table => table;
  const nodes = options.keepsDecisions ? nodeMaker() : countingMaker();
  const tables = makeTables(nodes, costs, makeReads(), options.tracked, options.budget, thin);
  const whole: Whole = {
    options,
    costs,
    flows,
    data: makeData(),
    widths: makeWidths(options.apart),
    forces: makeForces(),
    outcomes: [],
    outcomeIds: new Map(),
    causes: [],
    causeIds: new Map(),
  };
  if (options.keepsDecisions) return evaluatorOver(whole, tables, null);
  return evaluatorOver(whole, tables, evaluatorOver(whole, { ...tables, nodes: nodeMaker() }, null));
}

/** What evaluators of one compilation share. */
interface Whole {
  readonly options: EvaluatorOptions;
  readonly costs: Costs;
  readonly flows: Flows;
  readonly data: Data;
  readonly widths: Widths;
  readonly forces: Forces;
  readonly outcomes: Outcome[];
  readonly outcomeIds: Map<string, number>;
  readonly causes: Cause[];
  readonly causeIds: Map<AnyExpr, number>;
}

// `deciding`: the twin that keeps decisions, where this one does not.
function evaluatorOver(whole: Whole, tables: Tables, deciding: Evaluator | null): WholeEvaluator {
  const { options, costs, flows, outcomes, outcomeIds, causes, causeIds } = whole;
  const memo = new Map<string, Table>();

  const remembered = (key: string, make: () => Table): Table => {
    let table = memo.get(key);
    if (table) return table;
    tables.spend(EVALUATION_STEPS);
    memo.set(key, (table = fitting(make)));
    return table;
  };
  const placeKey = (what: string, e: AnyExpr, info: Info, ctx: Context): { key: string; ctx: Context } => {
    const known = tables.reads.only(ctx.known, info.slots);
    return {
      key: `${what}${idOf(e)} ${info.key}|${known.id}|${ctx.mode}${ctx.lanes}`,
      ctx: known === ctx.known ? ctx : { ...ctx, known },
    };
  };
  // Depths shift through networks that read no tensor from outside.
  const applied = (
    what: string,
    e: NetExpr,
    inputs: readonly number[],
    ctx: Context,
    make: (inputs: readonly number[], ctx: Context) => Table,
  ): Table => {
    const info = infoOf(e, ctx.env);
    const at = placeKey(what, e, info, ctx);
    const least = options.tracksDepth && ctx.lanes === 1 && !info.tensors ? flows.minDepth(inputs[0]!) : 0;
    if (least === 0 || !Number.isFinite(least))
      return remembered(`${at.key}|${inputs.join()}`, () => make(inputs, at.ctx));
    const lowered = inputs.map((i) => flows.raise(i, -least));
    const table = remembered(`${at.key}|${lowered.join()}`, () => make(lowered, at.ctx));
    return table.map((entry) => ({ ...entry, out: entry.out.map((f) => flows.raise(f, least)) }));
  };

  const ev: WholeEvaluator = {
    tables,
    flows,
    data: whole.data,
    forces: whole.forces,
    get deciding() {
      return deciding ?? ev;
    },
    tracksDepth: options.tracksDepth,
    // Costs of members that are told apart later are only known between bounds: where nothing but the count is wanted.
    joinsLets: options.apart !== null && (options.bounded || !options.keepsDecisions),
    causes,
    value: (e, ctx) => {
      if (e.kind === 'const') return evaluateValue(ev, e, ctx);
      const at = placeKey('v', e, infoOf(e, ctx.env), ctx);
      return remembered(`${at.key}|${ctx.env.own ?? ''}`, () => evaluateValue(ev, e, at.ctx));
    },
    wide: (e, ctx) => whole.widths.wide(ev, e, ctx),
    tellApart: (slots) => whole.widths.tellApart(slots),
    tensor: (e, ctx) => {
      const at = placeKey('t', e, infoOf(e, ctx.env), ctx);
      return remembered(`${at.key}/${ctx.vias.join()}`, () => evaluateTensor(ev, e, at.ctx));
    },
    net: (e, inputs, ctx) => applied('n', e, inputs, ctx, (ins, at) => evaluateNet(ev, e, ins, at)),
    bare: (e, inputs, ctx) => applied('b', e, inputs, ctx, (ins, at) => evaluateBare(ev, e, ins, at)),
    layerCostOf: (c): Cost => {
      if (!options.costed && !options.keepsShapes && options.tracked.length === 0 && c.taken === 0) return costs.zero;
      const { slots, batch } = options.memory;
      const keeps = (m: Tracked['measure']): boolean => options.costed || options.tracked.some((t) => t.measure === m);
      const memory = keeps('memory');
      return costs.make(
        {
          params: keeps('params') ? c.params : 0,
          flops: keeps('flops') ? c.flops : 0,
          macs: keeps('macs') ? c.macs : 0,
          weights: memory ? 4 * (c.params * (2 + slots) + c.state + VECTOR_STATE * c.taken) : 0,
          kept: memory ? 4 * batch * c.kept : 0,
          taken: c.taken,
        },
        options.keepsShapes ? weightShapes(c) : [],
      );
    },
    vectorCostOf: (c, size) => {
      const keeps = (m: Tracked['measure']): boolean => options.costed || options.tracked.some((t) => t.measure === m);
      return costs.given(c, {
        params: keeps('params') ? c.params + size : 0,
        weights: keeps('memory') ? c.weights + 4 * size * (2 + options.memory.slots) : 0,
      });
    },
    outcome: (flow, cost) => {
      const key = `${flow},${cost.id}`;
      let id = outcomeIds.get(key);
      if (id === undefined) {
        outcomeIds.set(key, (id = outcomes.length));
        outcomes.push({ flow, cost });
      }
      return id;
    },
    outcomeOf: (id) => outcomes[id]!,
    broken: (expr: AnyExpr, unfit: Unfit) => {
      if (!options.keepsBroken) return null;
      let id = causeIds.get(expr);
      if (id === undefined) {
        causeIds.set(expr, (id = causes.length));
        causes.push({ expr, unfit });
      }
      return flows.broken(id);
    },
  };
  return ev;
}
