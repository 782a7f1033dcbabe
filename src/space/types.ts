import type { TensorType } from '../base/tensor-type.ts';
import type { ValueExpr } from './expr.ts';
import { isMade } from './values.ts';
import type { Datum } from './values.ts';

/**
 * What flows through a network, interned: tables compare whole numbers. The batch axis is 1. `depth` is 0 unless depth is tracked. `via` numbers how the weights
 * of the layers that it meets are made, 0 where nothing is said: so a network that is decided once may stand in several groups.
 */
export type Flow =
  | {
      readonly kind: 'tensor';
      readonly type: TensorType;
      readonly depth: number;
      readonly wide: Wide | null;
      readonly via: number;
    }
  | { readonly kind: 'list'; readonly items: readonly number[] }
  /** In analyses only: a layer that did not fit was met on the way; `cause` numbers it. */
  | { readonly kind: 'broken'; readonly cause: number };

/** Widths of the last axis that nothing has told apart: any of `values`, which rise. The type has the first. */
export interface Wide {
  readonly id: number;
  readonly values: readonly number[];
  /** Whose values they are. */
  readonly expr: ValueExpr;
}

export interface Flows {
  readonly tensor: (type: TensorType, depth: number, wide?: Wide | null, via?: number) => number;
  readonly list: (items: readonly number[]) => number;
  readonly broken: (cause: number) => number;
  readonly get: (id: number) => Flow;
  /** The cause of the first broken tensor in it, or null. */
  readonly brokenIn: (id: number) => number | null;
  /** Widths in it that are not told apart, or null. */
  readonly wideIn: (id: number) => Wide | null;
  /** The least depth of a tensor in it, and the same flow with every depth raised. */
  readonly minDepth: (id: number) => number;
  readonly raise: (id: number, by: number) => number;
  /** The same flow without its depths, and those depths. */
  readonly flat: (id: number) => number;
  readonly depths: (id: number) => readonly number[];
  /** How weights are made where it flows (of the first tensor that says so), and the same flow under another way. */
  readonly viaOf: (id: number) => number;
  readonly under: (id: number, via: number) => number;
}

export function makeFlows(): Flows {
  const all: Flow[] = [];
  const ids = new Map<string, number>();
  const intern = (key: string, flow: Flow): number => {
    let id = ids.get(key);
    if (id === undefined) {
      ids.set(key, (id = all.length));
      all.push(flow);
    }
    return id;
  };
  const brokenIn = (id: number): number | null => {
    const flow = all[id]!;
    if (flow.kind === 'broken') return flow.cause;
    if (flow.kind === 'list') for (const item of flow.items) if (brokenIn(item) !== null) return brokenIn(item);
    return null;
  };
  const wideIn = (id: number): Wide | null => {
    const flow = all[id]!;
    if (flow.kind === 'tensor') return flow.wide;
    if (flow.kind === 'list') for (const item of flow.items) if (wideIn(item)) return wideIn(item);
    return null;
  };
  const tensor = (type: TensorType, depth: number, wide: Wide | null = null, via = 0): number =>
    intern(`${type.dtype}[${type.shape.join(',')}]${depth}${wide ? `~${wide.id}` : ''}${via === 0 ? '' : `/${via}`}`, {
      kind: 'tensor',
      type,
      depth,
      wide,
      via,
    });
  const list = (items: readonly number[]): number => intern(`(${items.join(',')})`, { kind: 'list', items });
  const minDepth = (id: number): number => {
    const flow = all[id]!;
    if (flow.kind === 'tensor') return flow.depth;
    return flow.kind === 'list' ? Math.min(...flow.items.map(minDepth)) : Infinity;
  };
  const raise = (id: number, by: number): number => {
    const flow = all[id]!;
    if (by === 0 || flow.kind === 'broken') return id;
    return flow.kind === 'tensor'
      ? tensor(flow.type, flow.depth + by, flow.wide, flow.via)
      : list(flow.items.map((item) => raise(item, by)));
  };
  const flat = (id: number): number => {
    const flow = all[id]!;
    if (flow.kind === 'broken') return id;
    return flow.kind === 'tensor' ? tensor(flow.type, 0, flow.wide, flow.via) : list(flow.items.map(flat));
  };
  const depths = (id: number): readonly number[] => {
    const flow = all[id]!;
    return flow.kind === 'tensor' ? [flow.depth] : flow.kind === 'list' ? flow.items.flatMap(depths) : [];
  };
  const viaOf = (id: number): number => {
    const flow = all[id]!;
    if (flow.kind === 'tensor') return flow.via;
    return flow.kind === 'list' ? (flow.items.map(viaOf).find((via) => via !== 0) ?? 0) : 0;
  };
  const under = (id: number, via: number): number => {
    const flow = all[id]!;
    if (flow.kind === 'broken' || (flow.kind === 'tensor' && flow.via === via)) return id;
    return flow.kind === 'tensor'
      ? tensor(flow.type, flow.depth, flow.wide, via)
      : list(flow.items.map((item) => under(item, via)));
  };
  return {
    viaOf,
    under,
    tensor,
    list,
    broken: (cause) => intern(`!${cause}`, { kind: 'broken', cause }),
    get: (id) => all[id]!,
    brokenIn,
    wideIn,
    minDepth,
    raise,
    flat,
    depths,
  };
}

/** Values, interned below 0: flows are numbered from 0. */
export interface Data {
  id(value: Datum): number;
  get(id: number): Datum;
}

function keyOf(value: Datum): string | Datum {
  if (isMade(value)) return `via ${value.text}`;
  return typeof value === 'object' ? JSON.stringify(value) : typeof value === 'string' ? `"${value}` : value;
}

export function makeData(): Data {
  const all: Datum[] = [];
  const ids = new Map<string | Datum, number>();
  return {
    id: (value) => {
      const key = keyOf(value);
      let id = ids.get(key);
      if (id === undefined) {
        ids.set(key, (id = -1 - all.length));
        all.push(value);
      }
      return id;
    },
    get: (id) => all[-1 - id]!,
  };
}
