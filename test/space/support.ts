import { LAYERS } from '../../src/layers/index.ts';
import { WEIGHTS } from '../../src/weights/index.ts';
import type { Span } from '../../src/base/span.ts';
import type {
  Alternative,
  Argument,
  Binding,
  CallExpr,
  Def,
  InputDecl,
  LayerExpr,
  NetExpr,
  NetLet,
  NetParameter,
  RepeatExpr,
  SharedLet,
  Site,
  TensorExpr,
  TensorParameter,
  UseName,
  ValueBinding,
  ValueExpr,
  ValueLet,
  ValueParameter,
  Wire,
} from '../../src/space/expr.ts';
import type { Measure, Requirement, RequireTerm } from '../../src/space/require-expr.ts';
import type { SettingExpr, TrainSettings } from '../../src/space/settings.ts';
import type { Space } from '../../src/space/space.ts';

// Writes spaces as the front end does, with names numbered in the order of writing.
const source = { file: 'test.space', text: '' };
let offset = 0;
let sites = 0;
const here = (): Span => ({ source, start: offset++, end: offset });

export type V = number | string | boolean | ValueExpr;

export const val = (v: V): ValueExpr => (typeof v === 'object' ? v : { kind: 'const', value: v, span: here() });
export const site = (label: string, use: number | null = null): Site => ({ id: sites++, label, use, span: here() });

/** Numbers uses of equal labels within one scope. */
export interface Uses {
  name(label: string): UseName;
  site(label: string): Site;
}
export function uses(): Uses {
  const counts = new Map<string, number>();
  const next = (label: string): number => {
    const n = counts.get(label) ?? 0;
    counts.set(label, n + 1);
    return n;
  };
  return { name: (label) => ({ label, use: next(label) }), site: (label) => site(label, next(label)) };
}

export const alternatives = <E>(
  items: readonly E[],
  text: (e: E, i: number) => string,
  weights: readonly number[] = [],
): Alternative<E>[] => items.map((expr, i) => ({ expr, weight: weights[i] ?? 1, text: text(expr, i) }));

const valueText = (e: ValueExpr, i: number): string => (e.kind === 'const' ? String(e.value) : `value${i}`);

export const oneOf = (label: string, ...items: V[]): ValueExpr => ({
  kind: 'choice',
  site: site(label),
  alternatives: alternatives(items.map(val), valueText),
  span: here(),
});
export const weighted = (label: string, items: readonly V[], weights: readonly number[]): ValueExpr => ({
  kind: 'choice',
  site: site(label),
  alternatives: alternatives(items.map(val), valueText, weights),
  span: here(),
});
export const range = (
  label: string,
  low: V,
  high: V,
  more: { whole?: boolean; spacing?: 'linear' | 'log' | 'pow2'; step?: V; prior?: V } = {},
): ValueExpr => ({
  kind: 'range',
  site: site(label),
  low: val(low),
  high: val(high),
  whole: more.whole ?? true,
  spacing: more.spacing ?? 'linear',
  step: more.step === undefined ? null : val(more.step),
  prior: more.prior === undefined ? null : val(more.prior),
  span: here(),
});
export const op = (o: Extract<ValueExpr, { kind: 'binary' }>['op'], left: V, right: V): ValueExpr => ({
  kind: 'binary',
  op: o,
  left: val(left),
  right: val(right),
  span: here(),
});
export const cond = (test: V, then: V, other: V): ValueExpr => ({
  kind: 'if',
  test: val(test),
  then: val(then),
  else: val(other),
  span: here(),
});
export const ref = (binding: ValueBinding): ValueExpr => ({ kind: 'ref', binding, span: here() });
export const letValue = (name: string, expr: ValueExpr): ValueLet => ({ kind: 'valueLet', name, expr, span: here() });

export function weight(name: string, args: Readonly<Record<string, V>>): ValueExpr {
  const def = WEIGHTS.get(name);
  if (!def) throw new Error(`no weight ${name}`);
  const given = Object.entries(args).map(([n, v]) => ({ name: n, value: val(v) }));
  return { kind: 'weight', weight: def, args: given, parts: [], span: here() };
}

export function layer(u: Uses, name: string, args: Readonly<Record<string, V>> = {}): LayerExpr {
  const def = LAYERS.get(name);
  if (!def) throw new Error(`no layer ${name}`);
  return {
    kind: 'layer',
    layer: def,
    args: Object.entries(args).map(([n, v]) => ({ name: n, value: val(v) })),
    name: u.name(name),
    span: here(),
  };
}
export const seq = (...items: NetExpr[]): NetExpr => ({ kind: 'seq', items, span: here() });
export const either = (s: Site, ...items: NetExpr[]): NetExpr => ({
  kind: 'choice',
  site: s,
  alternatives: alternatives(items, (e, i) => (e.kind === 'layer' ? e.layer.name : `net${i}`)),
  span: here(),
});
export const perm = (s: Site, ...items: NetExpr[]): NetExpr => ({ kind: 'perm', site: s, items, span: here() });
export const branches = (...items: NetExpr[]): NetExpr => ({ kind: 'branches', items, span: here() });
export const repeat = (body: NetExpr, times: V, tied = false): RepeatExpr => ({
  kind: 'repeat',
  body,
  times: val(times),
  tied,
  optional: false,
  span: here(),
});
export const maybe = (body: NetExpr): RepeatExpr => ({ ...repeat(body, oneOf('present', 0, 1)), optional: true });
export const fan = (body: NetExpr, times: V): NetExpr => ({ kind: 'fan', body, times: val(times), span: here() });
export const each = (body: NetExpr): NetExpr => ({ kind: 'each', body, span: here() });
export const ifNet = (test: V, then: NetExpr, other: NetExpr): NetExpr => ({
  kind: 'if',
  test: val(test),
  then,
  else: other,
  span: here(),
});
export const letNet = (name: string, expr: NetExpr): NetLet => ({ kind: 'netLet', name, expr, span: here() });
export const shared = (name: string, expr: NetExpr): SharedLet => ({ kind: 'shared', name, expr, span: here() });
export const once = (u: Uses, binding: NetLet): NetExpr => ({
  kind: 'once',
  binding,
  name: u.name(binding.name),
  span: here(),
});
export const useShared = (u: Uses, binding: SharedLet): NetExpr => ({
  kind: 'shared',
  binding,
  name: u.name(binding.name),
  span: here(),
});
export const within = (bindings: readonly Binding[], body: NetExpr): NetExpr => ({
  kind: 'let',
  bindings,
  body,
  span: here(),
});
export const netRef = (u: Uses, binding: NetParameter): NetExpr => ({
  kind: 'ref',
  binding,
  name: u.name(binding.name),
  span: here(),
});

export const valueParameter = (name: string): ValueParameter => ({ kind: 'valueParameter', name });
export const netParameter = (name: string): NetParameter => ({ kind: 'netParameter', name });
export const tensorParameter = (name: string): TensorParameter => ({ kind: 'tensorParameter', name });

export function def(
  name: string,
  body: (u: Uses) => NetExpr,
  parameters: Def['parameters'] = [],
  bindings: readonly Binding[] = [],
): Def {
  return { name, parameters, body: { kind: 'net', bindings, net: body(uses()) }, signature: null, span: here() };
}
export function cell(
  name: string,
  parameters: Def['parameters'],
  body: (u: Uses) => { bindings: readonly Binding[]; result: TensorExpr },
): Def {
  return { name, parameters, body: { kind: 'tensor', ...body(uses()) }, signature: null, span: here() };
}
export const call = (u: Uses, d: Def, args: readonly Argument[] = []): CallExpr => ({
  kind: 'call',
  def: d,
  args,
  name: u.name(d.name),
  span: here(),
});

export const input = (name: string, ...shape: number[]): InputDecl => ({
  kind: 'input',
  name,
  dtype: 'f32',
  shape,
  span: here(),
});
export const wire = (name: string, expr: TensorExpr): Wire => ({ kind: 'wire', name, expr, span: here() });
export const read = (binding: Wire | TensorParameter | InputDecl): TensorExpr => ({
  kind: 'wire',
  binding,
  span: here(),
});
export const apply = (from: TensorExpr, net: NetExpr): TensorExpr => ({
  kind: 'apply',
  net,
  input: from,
  span: here(),
});
export const tensors = (...items: TensorExpr[]): TensorExpr => ({ kind: 'list', items, span: here() });
export const eitherTensor = (s: Site, ...items: TensorExpr[]): TensorExpr => ({
  kind: 'choice',
  site: s,
  alternatives: alternatives(items, (_, i) => `tensor${i}`),
  span: here(),
});
export const pick = (s: Site, n: V, ...items: TensorExpr[]): TensorExpr => ({
  kind: 'pick',
  site: s,
  count: val(n),
  items,
  span: here(),
});
export const loose = (...wires: Wire[]): TensorExpr => ({ kind: 'loose', wires, span: here() });
export const layerOf = (expr: LayerExpr, ...items: TensorExpr[]): TensorExpr => ({
  kind: 'layerOf',
  expr,
  tensors: items,
  span: here(),
});
export const callOf = (c: CallExpr): TensorExpr => ({ kind: 'callOf', call: c, span: here() });

export const measure = (m: Measure): RequireTerm => ({ kind: 'measure', measure: m });
export const term = (v: V): RequireTerm => ({ kind: 'value', expr: val(v) });
export const require = (
  left: RequireTerm,
  o: '==' | '!=' | '<' | '<=' | '>' | '>=',
  right: RequireTerm,
): Requirement => ({
  expr: { kind: 'compare', op: o, left, right },
  text: `${o}`,
  span: here(),
});

const setting = (name: string, args: Readonly<Record<string, V>> = {}): SettingExpr => ({
  kind: 'setting',
  name,
  args: Object.entries(args).map(([n, v]) => ({ name: n, value: val(v) })),
  span: here(),
});
export { setting };

export const plainTrain = (more: Partial<TrainSettings> = {}): TrainSettings => ({
  data: null,
  loss: setting('crossentropy'),
  optimizer: setting('adamw', { lr: 0.001 }),
  schedule: setting('constant'),
  batch: val(128),
  epochs: val(1),
  fidelity: null,
  precision: 'f32',
  winograd: 'on',
  seed: 0,
  bindings: [],
  ...more,
});

export interface SpaceParts {
  readonly inputs: readonly InputDecl[];
  readonly outputs: readonly TensorExpr[];
  readonly bindings?: readonly Binding[];
  readonly requirements?: readonly Requirement[];
  readonly train?: Partial<TrainSettings>;
  readonly fixed?: Space['fixed'];
}
export const space = (name: string, parts: SpaceParts): Space => ({
  name,
  inputs: parts.inputs,
  outputs: parts.outputs.map((expr, i) => ({ name: `y${i}`, expr, span: here() })),
  bindings: parts.bindings ?? [],
  requirements: parts.requirements ?? [],
  train: plainTrain(parts.train),
  fixed: parts.fixed ?? [],
  span: here(),
});
