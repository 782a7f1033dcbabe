import type { BinaryOp, Scalar, ValueBinding, ValueExpr } from '../space/expr.ts';

/**
 * What a value can be, over every way to decide it: its finite values, or an interval around them. `exact`: each point of
 * the interval is reached (each whole one, if `whole`); an inexact one may be too wide. `any` says nothing.
 */
export type Datum = Scalar | readonly Datum[];
export type Domain =
  | { readonly kind: 'values'; readonly values: readonly Datum[] }
  | {
      readonly kind: 'interval';
      readonly low: number;
      readonly high: number;
      readonly exact: boolean;
      readonly whole?: true;
    }
  | { readonly kind: 'any' };

export const ANY: Domain = { kind: 'any' };
const MAX_VALUES = 1024;

/** What is known of bindings: parameters of calls, and lets that a test has narrowed. `cache` holds lets as they are. */
export interface DomainEnv {
  readonly known: ReadonlyMap<ValueBinding, Domain>;
  readonly cache: Map<ValueBinding, Domain>;
}
export const EMPTY_ENV: () => DomainEnv = () => ({ known: new Map(), cache: new Map() });
export const withKnown = (env: DomainEnv, more: Iterable<readonly [ValueBinding, Domain]>): DomainEnv => ({
  known: new Map([...env.known, ...more]),
  cache: new Map(),
});

const keyOf = (d: Datum): string => (Array.isArray(d) ? `[${d.map(keyOf).join()}]` : `${typeof d}:${String(d)}`);

export function valuesDomain(values: readonly Datum[]): Domain {
  const distinct = new Map(values.map((v) => [keyOf(v), v]));
  return { kind: 'values', values: [...distinct.values()] };
}

const single = (value: Datum): Domain => ({ kind: 'values', values: [value] });

/** A text that is equal for equal domains. */
export function domainKey(d: Domain): string {
  if (d.kind === 'values') return d.values.map(keyOf).join('|');
  return d.kind === 'any' ? '?' : `${d.low}..${d.high}`;
}

export function domainOf(e: ValueExpr, env: DomainEnv): Domain {
  switch (e.kind) {
    case 'const':
      return single(e.value);
    case 'choice':
      return joinAll(e.alternatives.map((a) => domainOf(a.expr, env)));
    case 'range':
      return rangeDomain(e, env);
    case 'unary':
      return mapDomain(domainOf(e.operand, env), (v) => unary(e.op, v));
    case 'binary':
      return binaryDomain(e.op, domainOf(e.left, env), domainOf(e.right, env));
    case 'if': {
      const test = domainOf(e.test, env);
      const branches: Domain[] = [];
      if (mayBe(test, true)) branches.push(domainOf(e.then, narrowed(e.test, true, env)));
      if (mayBe(test, false)) branches.push(domainOf(e.else, narrowed(e.test, false, env)));
      return joinAll(branches);
    }
    case 'list':
      return listDomain(e.items.map((item) => domainOf(item, env)));
    case 'weight':
      return ANY;
    case 'ref':
      return bindingDomain(e.binding, env);
    case 'let':
      return domainOf(e.body, env);
  }
}

export function bindingDomain(binding: ValueBinding, env: DomainEnv): Domain {
  const known = env.known.get(binding) ?? env.cache.get(binding);
  if (known) return known;
  if (binding.kind === 'valueParameter') return ANY;
  env.cache.set(binding, ANY);
  const domain = domainOf(binding.expr, env);
  env.cache.set(binding, domain);
  return domain;
}

/** Whether a truth may come out so. What is no truth value is left to others to report. */
export const mayBe = (d: Domain, truth: boolean): boolean =>
  d.kind !== 'values' || d.values.some((v) => v === truth || typeof v !== 'boolean');

/** The environment inside a branch of an `if`: finite bindings that the test reads keep the values for which it can hold. */
export function narrowed(test: ValueExpr, truth: boolean, env: DomainEnv): DomainEnv {
  const bindings = [...refsOf(test)];
  const domains = bindings.map((b) => bindingDomain(b, env));
  const finite = domains.map((d) => (d.kind === 'values' ? d.values : null));
  let combinations = 1;
  for (const values of finite) combinations *= values?.length ?? 1;
  if (bindings.length === 0 || combinations > MAX_VALUES || combinations === 1) return env;
  const kept = bindings.map((): Datum[] => []);
  for (let i = 0; i < combinations; i++) {
    let rest = i;
    const point: [ValueBinding, Datum][] = [];
    finite.forEach((values, k) => {
      if (!values) return;
      point.push([bindings[k]!, values[rest % values.length]!]);
      rest = Math.floor(rest / values.length);
    });
    const here = withKnown(
      env,
      point.map(([b, v]) => [b, single(v)] as const),
    );
    if (!mayBe(domainOf(test, here), truth)) continue;
    for (const [b, v] of point) kept[bindings.indexOf(b)]!.push(v);
  }
  return withKnown(
    env,
    bindings.flatMap((b, k) => (finite[k] ? [[b, valuesDomain(kept[k]!)] as const] : [])),
  );
}

/** An expression at each point of the finite bindings that it reads, as far as these are few. */
export function* pointsOf(
  e: ValueExpr,
  env: DomainEnv,
): Iterable<{ readonly point: readonly (readonly [ValueBinding, Datum])[]; readonly domain: Domain }> {
  let points: (readonly [ValueBinding, Datum])[][] = [[]];
  for (const b of refsOf(e)) {
    const d = bindingDomain(b, env);
    if (d.kind !== 'values' || points.length * d.values.length > MAX_VALUES) continue;
    points = points.flatMap((p) => d.values.map((v) => [...p, [b, v] as const]));
  }
  for (const point of points) {
    const here = withKnown(
      env,
      point.map(([b, v]) => [b, single(v)] as const),
    );
    yield { point, domain: domainOf(e, here) };
  }
}

function refsOf(e: ValueExpr, found = new Set<ValueBinding>()): Set<ValueBinding> {
  switch (e.kind) {
    case 'const':
      break;
    case 'choice':
      for (const a of e.alternatives) refsOf(a.expr, found);
      break;
    case 'range':
      for (const part of [e.low, e.high, e.step, e.prior]) if (part) refsOf(part, found);
      break;
    case 'unary':
      refsOf(e.operand, found);
      break;
    case 'binary':
      refsOf(e.left, found);
      refsOf(e.right, found);
      break;
    case 'if':
      for (const part of [e.test, e.then, e.else]) refsOf(part, found);
      break;
    case 'list':
      for (const item of e.items) refsOf(item, found);
      break;
    case 'weight':
      for (const a of e.args) refsOf(a.value, found);
      for (const part of e.parts) refsOf(part, found);
      break;
    case 'ref':
      found.add(e.binding);
      break;
    case 'let':
      refsOf(e.body, found);
      break;
  }
  return found;
}

function rangeDomain(e: Extract<ValueExpr, { kind: 'range' }>, env: DomainEnv): Domain {
  const low = domainOf(e.low, env);
  const high = domainOf(e.high, env);
  const a = oneNumber(low);
  const b = oneNumber(high);
  if (a === null || b === null) return hull(low, high);
  const values = e.whole || e.spacing === 'pow2' || e.step ? rangeValues(e, a, b, env) : null;
  if (values) return { kind: 'values', values };
  return { kind: 'interval', low: a, high: b, exact: true, ...(e.whole ? { whole: true } : {}) };
}

function hull(low: Domain, high: Domain): Domain {
  const ends = [boundsOf(low), boundsOf(high)];
  if (!ends[0] || !ends[1]) return ANY;
  return { kind: 'interval', low: ends[0].low, high: ends[1].high, exact: false };
}

function rangeValues(
  e: Extract<ValueExpr, { kind: 'range' }>,
  low: number,
  high: number,
  env: DomainEnv,
): number[] | null {
  const values: number[] = [];
  if (e.spacing === 'pow2') {
    for (let v = 2 ** Math.ceil(Math.log2(Math.max(low, 2 ** -64))); v <= high && values.length < 128; v *= 2)
      values.push(v);
    return values;
  }
  const step = e.step ? oneNumber(domainOf(e.step, env)) : 1;
  if (step === null || !(step > 0)) return null;
  const count = Math.floor((high - low) / step + 1e-9) + 1;
  if (count > MAX_VALUES) return null;
  for (let i = 0; i < count; i++) values.push(low + i * step);
  return values;
}

export function oneNumber(d: Domain): number | null {
  const v = d.kind === 'values' && d.values.length === 1 ? d.values[0] : null;
  return typeof v === 'number' ? v : null;
}

/** Least and greatest number; null where there is something else than numbers. */
export function boundsOf(d: Domain): { low: number; high: number } | null {
  if (d.kind === 'any') return null;
  if (d.kind === 'interval') return { low: d.low, high: d.high };
  let low = Infinity;
  let high = -Infinity;
  for (const v of d.values) {
    if (typeof v !== 'number') return null;
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  return d.values.length === 0 ? null : { low, high };
}

function joinAll(domains: readonly Domain[]): Domain {
  if (domains.every((d) => d.kind === 'values')) {
    const all = valuesDomain(domains.flatMap((d) => d.values));
    if (all.kind === 'values' && all.values.length <= MAX_VALUES) return all;
  }
  let low = Infinity;
  let high = -Infinity;
  for (const d of domains) {
    const b = boundsOf(d);
    if (!b) return ANY;
    low = Math.min(low, b.low);
    high = Math.max(high, b.high);
  }
  return { kind: 'interval', low, high, exact: false };
}

function mapDomain(d: Domain, f: (v: Datum) => Datum | null): Domain {
  if (d.kind === 'values') return orAny(d.values.map(f));
  const b = boundsOf(d);
  const ends = b ? [f(b.low), f(b.high)] : [];
  if (!b || typeof ends[0] !== 'number' || typeof ends[1] !== 'number') return ANY;
  return { kind: 'interval', low: Math.min(ends[0], ends[1]), high: Math.max(ends[0], ends[1]), exact: false };
}

const orAny = (values: readonly (Datum | null)[]): Domain =>
  values.includes(null) ? ANY : valuesDomain(values as readonly Datum[]);

function unary(op: '-' | 'not', v: Datum): Datum | null {
  if (op === '-') return typeof v === 'number' ? -v : null;
  return typeof v === 'boolean' ? !v : null;
}

function binaryDomain(op: BinaryOp, a: Domain, b: Domain): Domain {
  if (a.kind === 'values' && b.kind === 'values' && a.values.length * b.values.length <= 16384) {
    const results = a.values.flatMap((x) => b.values.map((y) => binary(op, x, y)));
    const joined = orAny(results);
    if (joined.kind !== 'values' || joined.values.length <= MAX_VALUES) return joined;
    const bounds = boundsOf(joined);
    return bounds ? { kind: 'interval', ...bounds, exact: false } : ANY;
  }
  return intervalBinary(op, a, b);
}

// Corners bound sums, products, and powers and quotients that stay on one side of 0.
function intervalBinary(op: BinaryOp, a: Domain, b: Domain): Domain {
  const x = boundsOf(a);
  const y = boundsOf(b);
  if (!x || !y) return ANY;
  const monotone =
    op === '+' || op === '-' || op === '*' || (op === '/' && y.low * y.high > 0) || (op === '^' && x.low > 0);
  if (!monotone) return ANY;
  const corners = [x.low, x.high].flatMap((p) => [y.low, y.high].map((q) => binary(op, p, q)));
  if (!corners.every((c) => typeof c === 'number' && Number.isFinite(c))) return ANY;
  const numbers = corners as number[];
  return { kind: 'interval', low: Math.min(...numbers), high: Math.max(...numbers), exact: false };
}

function listDomain(items: readonly Domain[]): Domain {
  let rows: Datum[][] = [[]];
  for (const item of items) {
    if (item.kind !== 'values' || rows.length * item.values.length > MAX_VALUES) return ANY;
    rows = rows.flatMap((row) => item.values.map((v) => [...row, v]));
  }
  return valuesDomain(rows);
}

const arithmetic: Readonly<Partial<Record<BinaryOp, (x: number, y: number) => number | boolean>>> = {
  '+': (x, y) => x + y,
  '-': (x, y) => x - y,
  '*': (x, y) => x * y,
  '/': (x, y) => x / y,
  '%': (x, y) => x % y,
  '^': (x, y) => x ** y,
  '<': (x, y) => x < y,
  '<=': (x, y) => x <= y,
  '>': (x, y) => x > y,
  '>=': (x, y) => x >= y,
};

/** One operation on decided values; null where it does not apply to them. */
export function binary(op: BinaryOp, x: Datum, y: Datum): Datum | null {
  if (op === '==') return keyOf(x) === keyOf(y);
  if (op === '!=') return keyOf(x) !== keyOf(y);
  if (op === 'in') return Array.isArray(y) ? y.some((v: Datum) => keyOf(v) === keyOf(x)) : keyOf(x) === keyOf(y);
  if (op === 'and') return typeof x === 'boolean' && typeof y === 'boolean' ? x && y : null;
  if (op === 'or') return typeof x === 'boolean' && typeof y === 'boolean' ? x || y : null;
  const f = arithmetic[op];
  return f && typeof x === 'number' && typeof y === 'number' ? f(x, y) : null;
}
