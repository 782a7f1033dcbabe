import { BUDGET, Beyond, TooMany } from './limits.ts';
import { ARCHITECTURE, EXACT, makeCompiled } from './make-compiled.ts';
import type { Attempt, Compiled, CompileOptions } from './make-compiled.ts';
import { decidedOnce } from './references.ts';
import { trackedMeasures } from './requirement.ts';
import { rootBindings } from './root.ts';
import type { ValueExpr } from './expr.ts';
import type { Space } from './space.ts';
import type { Budget } from './table.ts';
import { ToldApart } from './widths.ts';

export { ALL, ARCHITECTURE, TRAIN, totalOf } from './make-compiled.ts';
export type { Compiled, CompileOptions, Outcome } from './make-compiled.ts';

const compiled = new WeakMap<Space, Map<string, Compiled | Beyond>>();

/** Compiled once; throws Beyond where tables do not suffice. */
export function compile(space: Space, options: CompileOptions = ARCHITECTURE): Compiled {
  const found = compileOrBeyond(space, options);
  if (found instanceof Beyond) throw found;
  return found;
}

export function compileOrBeyond(space: Space, options: CompileOptions = ARCHITECTURE): Compiled | Beyond {
  let known = compiled.get(space);
  if (!known) compiled.set(space, (known = new Map<string, Compiled | Beyond>()));
  const key = JSON.stringify(options);
  let found = known.get(key);
  if (!found) known.set(key, (found = tryCompile(space, options)));
  return found;
}

/** Null where tables do not suffice. */
export function compileOrNull(space: Space, options: CompileOptions = ARCHITECTURE): Compiled | null {
  const found = compileOrBeyond(space, options);
  return found instanceof Beyond ? null : found;
}

// Where nothing is required, the plain tables are the smallest: where they do not suffice, those that tell more apart do not either.
function plainLimit(space: Space, options: CompileOptions): Beyond | null {
  const more = options.part === 'architecture' && options.effort !== 'full' && options.effort !== 'count';
  if (!more || measured(space, ARCHITECTURE) || (sameAsPlain(options) && options.effort === 'normal')) return null;
  if (space.requirements.length > 0 && options.keepsBroken) return null;
  const plain = compileOrBeyond(space);
  return plain instanceof Beyond ? plain : null;
}

const sameAsPlain = (options: CompileOptions): boolean => !options.keepsBroken && options.depth === false;

/** How coarse: buckets of each measure up to its bound, pieces of wide values. Each is finer than the one before. */
const GRAINS = [
  { buckets: 16, pieces: 2 },
  { buckets: 64, pieces: 8 },
  { buckets: 256, pieces: 32 },
  { buckets: 1024, pieces: 64 },
];

function tryCompile(space: Space, options: CompileOptions): Compiled | Beyond {
  const limit = plainLimit(space, options);
  if (limit) return limit;
  const once = decidedOnce(
    rootBindings(space),
    space.outputs.map((o) => o.expr),
  ).any;
  const cuts = measured(space, options);
  const exact = (budget: number, costed: boolean): Compiled | Beyond =>
    attempted(space, options, { ...EXACT, budget: { left: budget }, costed });
  switch (options.effort) {
    case 'count':
      return exact(BUDGET.countProducts, false);
    case 'full': {
      const plain = compileOrNull(space, { ...options, effort: 'normal' });
      return plain?.exact ? plain : exact(BUDGET.fullProducts, !once);
    }
    case 'normal': {
      const found = exact(BUDGET.products, true);
      if (!isBeyondTables(found)) return found;
      if (cuts) return finest(space, options, BUDGET.products, !once);
      return once ? exact(BUDGET.products, false) : found;
    }
    case 'costed':
      return cuts ? finest(space, options, BUDGET.products, true) : exact(BUDGET.products, true);
    case 'light': {
      const small = exact(BUDGET.lightProducts, !once);
      if (!isBeyondTables(small)) return small;
      if (!cuts) return exact(BUDGET.products, !once);
      const coarse = finest(space, options, BUDGET.lightProducts, !once);
      return isBeyondTables(coarse) ? finest(space, options, BUDGET.products, !once) : coarse;
    }
  }
}

// Ever finer, as long as one budget lasts.
function finest(space: Space, options: CompileOptions, steps: number, costed: boolean): Compiled | Beyond {
  const budget = { left: steps };
  let best: Compiled | Beyond | null = null;
  for (const grain of GRAINS) {
    const found = attempted(space, options, { ...grain, budget, costed });
    if (found instanceof Beyond) return best ?? found;
    best = found;
    if (found.exact) break;
  }
  return best!;
}

const measured = (space: Space, options: CompileOptions): boolean =>
  options.requirements && options.part !== 'train' && trackedMeasures(space.requirements, 0).length > 0;

/** Neither members nor a limit: tables do not suffice. */
const isBeyondTables = (found: Compiled | Beyond): boolean =>
  found instanceof Beyond && !(found instanceof TooMany) && found.span === null;

function attempted(space: Space, options: CompileOptions, attempt: Attempt): Compiled | Beyond {
  try {
    return tellingApart(space, options, attempt);
  } catch (e) {
    if (e instanceof Beyond) return e;
    // The tables of deeply nested evaluations may be deeper than the stack.
    if (e instanceof RangeError) return new Beyond('evaluations nested too deeply');
    throw e;
  }
}

/**
 * A circuit of all members that meet the requirements on values and depth, with costs between bounds: the closer, the more pieces. Null where tables do not suffice.
 */
export function compileBounded(space: Space, pieces: number, budget: Budget): Compiled | null {
  const requirements = space.requirements.filter((r) => trackedMeasures([r], 0).length === 0);
  const attempt = { buckets: 0, pieces, budget, costed: true, bounded: true } as const;
  const found = attempted({ ...space, requirements }, ARCHITECTURE, attempt);
  return found instanceof Beyond ? null : found;
}

const RESTARTS = 8;
const MANY = 16;

/** Widths are evaluated together, where there are `many`, until something must know them. */
export function tellingApart(space: Space, options: CompileOptions, attempt: Attempt, many = MANY): Compiled {
  if (attempt.buckets === 0 && measured(space, options)) return makeCompiled(space, options, attempt);
  const exprs = new Set<ValueExpr>();
  const byRatio = attempt.bounded ?? false;
  for (let times = 0; ; times++) {
    try {
      const apart = times < RESTARTS ? { exprs, many, pieces: attempt.pieces, byRatio } : null;
      return makeCompiled(space, options, attempt, apart);
    } catch (e) {
      if (!(e instanceof ToldApart)) throw e;
      for (const expr of e.exprs) exprs.add(expr);
    }
  }
}
