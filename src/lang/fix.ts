import { count } from '../space/count.ts';
import { decisionPaths } from '../space/decisions-of.ts';
import { next } from '../space/restrict.ts';
import type { NextDecision } from '../space/restrict.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Site, ValueExpr } from '../space/expr.ts';
import type { Space } from '../space/space.ts';
import type { Binding, Expr, Path } from '../../grammar/syntax.ts';
import { report, spanOf, textOf } from './context.ts';
import { didYouMean } from '../base/nearest.ts';
import type { Context } from './model.ts';

type Fixed = Space['fixed'][number];

/** `with { body[*].k = 5 }`: which decisions of a space are fixed, by their stored paths. Null after a report. */
export function fixedBy(bindings: readonly Binding[], base: Space, cx: Context): readonly Fixed[] | null {
  const stored = decisionPaths(base);
  const out: Fixed[] = [];
  let fine = true;
  for (const b of bindings) {
    const value = plain(b.value, cx);
    const paths = matching(b.path, stored, cx);
    if (!paths) {
      fine = false;
      continue;
    }
    const fixed = paths.map((path): Fixed => ({ path, value, span: spanOf(cx, b) }));
    if (count({ ...base, fixed: [...base.fixed, ...fixed] }).high === 0n) {
      fine = false;
      report(cx, 'E204', b.value, `${shownPath(b.path)} cannot be ${textOf(cx, b.value)}`, {
        expected: 'an alternative of this decision that fits',
        found: textOf(cx, b.value),
      });
    } else out.push(...fixed);
  }
  return fine ? out : null;
}

interface Part {
  readonly name: string;
  readonly indices: readonly (number | '*')[];
}

function partsOf(stored: string): readonly Part[] {
  return stored.split('.').map((part) => {
    const [name = '', ...indices] = part.split(/[[\]]+/).filter((x) => x !== '');
    return { name, indices: indices.map(Number) };
  });
}

/** The stored paths that are meant: names in order, some may be left out before the last; numbers that are left out are all. */
function matching(path: Path, stored: readonly string[], cx: Context): readonly string[] | null {
  // A path that begins with a dot is the end of one.
  const wanted = path.parts.filter((p) => p.name !== '');
  const found = stored.filter((s) => means(wanted, partsOf(s)));
  const shapes = new Set(found.map((s) => namesOf(partsOf(s))));
  const exact = found.filter((s) => namesOf(partsOf(s)) === namesOf(wanted));
  if (exact.length > 0) return exact;
  if (shapes.size === 1) return found;
  const shown = shownPath(path);
  if (shapes.size === 0) {
    const names = new Set(stored.map((s) => partsOf(s).at(-1)!.name));
    report(cx, 'E101', path, `there is no decision ${shown}`, {
      expected: stored.length === 0 ? 'a space in which something is open' : `a path such as ${stored[0]!}`,
      found: shown,
      hint: didYouMean(wanted.at(-1)!.name, names),
    });
  } else {
    report(cx, 'E107', path, `${shown} may mean several decisions`, {
      expected: [...shapes].slice(0, 4).join(' or '),
      found: shown,
    });
  }
  return null;
}

const namesOf = (parts: readonly Part[]): string => parts.map((p) => p.name).join('.');
const shownPath = (path: Path): string =>
  path.parts.map((p) => p.name + p.indices.map((i) => `[${i}]`).join('')).join('.');

function means(wanted: readonly Part[], stored: readonly Part[]): boolean {
  const last = wanted.at(-1);
  if (!last || !stored.at(-1) || !partMeans(last, stored.at(-1)!)) return false;
  let at = 0;
  for (const w of wanted.slice(0, -1)) {
    while (at < stored.length - 1 && !partMeans(w, stored[at]!)) at++;
    if (at >= stored.length - 1) return false;
    at++;
  }
  return true;
}

const partMeans = (wanted: Part, stored: Part): boolean =>
  wanted.name === stored.name && wanted.indices.every((w, i) => w === '*' || w === stored.indices[i]);

// What a decision is given: numbers and texts as they are, other alternatives by their text.
function plain(e: Expr, cx: Context): ValueExpr {
  const span = spanOf(cx, e);
  const site = (): Site => ({ id: cx.checker.nextSite(), label: 'with', use: null, span });
  if (e.kind === 'number' || e.kind === 'text' || e.kind === 'truth') return { kind: 'const', value: e.value, span };
  if (e.kind === 'unary' && e.value.kind === 'number') return { kind: 'const', value: -e.value.value, span };
  if (e.kind === 'list') return { kind: 'list', items: e.items.map((item) => plain(item, cx)), span };
  if (e.kind === 'choice') {
    const alternatives = e.alternatives.map(({ value }) => ({
      expr: plain(value, cx),
      weight: 1,
      text: textOf(cx, value),
    }));
    return { kind: 'choice', site: site(), alternatives, span };
  }
  if (e.kind === 'range') {
    const [low, high] = [plain(e.from, cx), plain(e.to, cx)];
    return { kind: 'range', site: site(), low, high, whole: true, spacing: 'linear', step: null, prior: null, span };
  }
  return { kind: 'const', value: textOf(cx, e), span };
}

/** A point of a space: what is not fixed takes the first alternative that fits. */
export function pointOf(base: Space): Space {
  const partial: Record<string, Assignment[string]> = {};
  for (let d = next(base, partial); d; d = next(base, partial)) partial[d.path] = firstOf(d, base);
  const fixed = Object.entries(partial).map(([path, value]): Fixed => ({
    path,
    value: asValue(value, base),
    span: base.span,
  }));
  return { ...base, fixed: [...base.fixed, ...fixed] };
}

function firstOf(d: NextDecision, base: Space): Assignment[string] {
  const at = d.feasible.findIndex((n) => n > 0n);
  const first = d.alternatives[Math.max(0, at)];
  if (first !== undefined) return first;
  const given = base.fixed.find((f) => f.path === d.path)?.value;
  return given?.kind === 'const' ? given.value : (d.continuous?.low ?? 0);
}

function asValue(value: Assignment[string], base: Space): ValueExpr {
  const { span } = base;
  if (typeof value !== 'object') return { kind: 'const', value, span };
  return { kind: 'list', items: value.map((v) => ({ kind: 'const', value: v, span })), span };
}
