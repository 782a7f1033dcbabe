import type { Span } from '../base/span.ts';
import type { Circuit, Node } from './circuit.ts';
import { makeCircuit } from './circuit.ts';
import { ARCHITECTURE, compileOrBeyond, compileOrNull, totalOf } from './compile.ts';
import type { Compiled } from './compile.ts';
import { Beyond, TooMany } from './limits.ts';
import { firstMember, ranges } from './ranges.ts';
import type { Ranges } from './ranges.ts';
import { measuresIn } from './requirement.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Site } from './expr.ts';
import type { Measure, Requirement } from './require-expr.ts';
import type { Space } from './space.ts';
import { weighed } from './weigh.ts';

/** What is wrong with a space as a whole, as data; the front end says it in words. */
export type Finding =
  /** A layer (or call) that does not fit in `lost` of `total` ways to decide; `example`: the fewest decisions found that always lead there. */
  | {
      readonly kind: 'clash';
      readonly span: Span;
      readonly message: string;
      readonly expected: string;
      readonly found: string;
      readonly lost: bigint;
      readonly total: bigint;
      readonly example: Assignment;
    }
  /** A requirement that no member of the rest meets; `seen`: the proven range of each measure that it names, without any requirement. */
  | { readonly kind: 'unsatisfiable'; readonly requirement: Requirement; readonly seen: Partial<Ranges> }
  /** Each requirement can be met, but not all together. */
  | { readonly kind: 'contradictory'; readonly requirements: readonly Requirement[] }
  /** A requirement that cuts nothing. */
  | { readonly kind: 'idle'; readonly requirement: Requirement; readonly seen: Partial<Ranges> }
  /** An alternative that no member uses, though its decision has others that are used. */
  | { readonly kind: 'dead'; readonly site: Site; readonly value: Decided }
  /** Past a limit of the language: no member can be made. */
  | { readonly kind: 'limit'; readonly span: Span; readonly message: string }
  /** Tables do not suffice: what is said is incomplete; `message`: which budget was passed. */
  | { readonly kind: 'incomplete'; readonly span: Span; readonly message: string };

/** Findings in the order of the text; the count and what members do are not changed by them. */
export function analyse(space: Space): readonly Finding[] {
  const open = compileOrBeyond(space, { ...ARCHITECTURE, requirements: false, keepsBroken: true });
  if (open instanceof Beyond) return [beyond(space, open)];
  const clashes = clashesOf(open);
  if (!clashes) return [beyond(space, new TooMany(false))];
  const fitting = totalOf(open.circuit);
  const required = fitting > 0n ? requirementFindings(space) : [];
  const hopeless = fitting === 0n || required.some((f) => f.kind === 'unsatisfiable' || f.kind === 'contradictory');
  return [...clashes, ...required, ...(hopeless ? [] : deadAlternatives(space, open))];
}

const beyond = (space: Space, { message, span }: Beyond): Finding =>
  span ? { kind: 'limit', span, message } : { kind: 'incomplete', span: space.span, message };

// ---- shapes that clash ------------------------------------------------------------------------------------------------

// Null where there are too many ways to decide.
function clashesOf(open: Compiled): readonly Finding[] | null {
  const all = circuitOrNull(wholeOf(open));
  if (!all) return null;
  const total = totalOf(all);
  return open.outcomes.flatMap((outcome): readonly Finding[] => {
    if (outcome.cause === null) return [];
    const { expr, unfit } = open.causes[outcome.cause]!;
    const lost = all.counts[outcome.node.id]!;
    const example = smallestExample(open, outcome.node);
    return [
      {
        kind: 'clash',
        span: expr.span,
        message: unfit.message,
        expected: unfit.expected,
        found: unfit.found,
        lost,
        total,
        example,
      },
    ];
  });
}

function circuitOrNull(root: Node | null): Circuit | null {
  try {
    return makeCircuit(root);
  } catch (e) {
    if (e instanceof TooMany) return null;
    throw e;
  }
}

function wholeOf(open: Compiled): Node | null {
  const items = open.outcomes.map((o) => o.node);
  if (items.length <= 1) return items[0] ?? null;
  return { kind: 'or', id: 1 + items.reduce((id, n) => Math.max(id, n.id), 0), items };
}

const MAX_DECISIONS = 60;
const MAX_NODES = 20_000;

// Leaves out one decision after another while what is left still leads nowhere else.
function smallestExample(open: Compiled, node: Node): Assignment {
  const first = firstMember(node, (items) => items[0]!);
  const paths = Object.keys(first);
  const others = open.outcomes.filter((o) => o.node !== node).map((o) => makeCircuit(o.node));
  const size = others.reduce((n, c) => n + c.order.length, 0);
  if (paths.length > MAX_DECISIONS || size > MAX_NODES) return first;
  const leadsElsewhere = (given: Assignment): boolean =>
    others.some((c) => weighed(c, c.root!, given).count(c.root!, '') > 0n);
  let kept: Assignment = first;
  for (const path of [...paths].reverse()) {
    const fewer = Object.fromEntries(Object.entries(kept).filter(([p]) => p !== path));
    if (!leadsElsewhere(fewer)) kept = fewer;
  }
  return kept;
}

// ---- requirements -----------------------------------------------------------------------------------------------------

const withOnly = (space: Space, requirements: readonly Requirement[]): Space => ({ ...space, requirements });

/** Proven bounds of the number of members, quickly; null where tables do not suffice. */
function bounds(space: Space): { readonly low: bigint; readonly high: bigint } | null {
  const compiled = compileOrNull(space);
  return compiled && { low: compiled.sure, high: totalOf(compiled.circuit) };
}

function requirementFindings(space: Space): readonly Finding[] {
  const { requirements } = space;
  if (requirements.length === 0) return [];
  const free = withOnly(space, []);
  const whole = bounds(free);
  const out: Finding[] = [];
  for (const requirement of requirements) {
    const left = bounds(requirements.length === 1 ? space : withOnly(space, [requirement]));
    if (!left || !whole) continue;
    const seen = (): Partial<Ranges> => seenMeasures(free, requirement);
    if (left.high === 0n) out.push({ kind: 'unsatisfiable', requirement, seen: seen() });
    else if (left.low === whole.high) out.push({ kind: 'idle', requirement, seen: seen() });
  }
  if (out.every((f) => f.kind !== 'unsatisfiable') && requirements.length > 1 && bounds(space)?.high === 0n) {
    out.push({ kind: 'contradictory', requirements });
  }
  return out;
}

function seenMeasures(space: Space, requirement: Requirement): Partial<Ranges> {
  const all = ranges(space);
  return Object.fromEntries([...measuresIn(requirement.expr)].map((m: Measure) => [m, all[m]]));
}

// ---- alternatives that no member uses -----------------------------------------------------------------------------------

/** By site, then by the value's text. */
type Used = Map<number, { readonly site: Site; readonly values: Map<string, Decided> }>;

function literals(nodes: readonly Node[]): Used {
  const out: Used = new Map();
  for (const node of nodes) {
    if (node.kind !== 'lit') continue;
    let found = out.get(node.site.id);
    if (!found) out.set(node.site.id, (found = { site: node.site, values: new Map() }));
    found.values.set(JSON.stringify(node.value), node.value);
  }
  return out;
}

function deadAlternatives(space: Space, open: Compiled): readonly Finding[] {
  const live = compileOrNull(space);
  if (!live?.exact) return [];
  const met = literals(makeCircuit(wholeOf(open)).order);
  const used = literals(live.circuit.order);
  return [...met.values()].flatMap(({ site, values }): readonly Finding[] => {
    const mine = used.get(site.id)?.values;
    if (!mine) return [];
    return [...values].filter(([key]) => !mine.has(key)).map(([, value]) => ({ kind: 'dead', site, value }));
  });
}
