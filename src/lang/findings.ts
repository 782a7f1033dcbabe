import { MEASURES } from '../space/require-expr.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Def } from '../space/expr.ts';
import type { Space } from '../space/space.ts';
import { analyse } from '../space/analyse.ts';
import type { Finding } from '../space/analyse.ts';
import type { Ranges } from '../space/ranges.ts';
import type { Checker } from './model.ts';
import { partsOf } from './parts.ts';
import { PRELUDE } from './prelude.ts';
import type { CheckedSpace } from './spaces.ts';
import { spanText } from '../base/span.ts';
import type { Span } from '../base/span.ts';

/**
 * Says what counting finds wrong with a space as a whole. A part of another space leaves alternatives unused on purpose;
 * what it inherits was judged there.
 */
export function reportFindings({ space, inherited }: CheckedSpace, checker: Checker): void {
  const findings = analyse(space);
  for (const f of findings) {
    if (f.kind === 'dead' || (f.kind === 'idle' && inherited?.includes(f.requirement))) continue;
    reportFinding(f, space, checker);
  }
  if (!inherited)
    reportDead(
      findings.filter((f) => f.kind === 'dead'),
      checker,
    );
}

// One message for each decision.
function reportDead(dead: readonly Extract<Finding, { kind: 'dead' }>[], checker: Checker): void {
  for (const site of new Set(dead.map((d) => d.site))) {
    const values = dead.filter((d) => d.site === site).map((d) => shownValue(d.value));
    const shown =
      values.length <= MAX_SHOWN
        ? values.join(', ')
        : `${values.slice(0, MAX_SHOWN).join(', ')} and ${values.length - MAX_SHOWN} more`;
    const message =
      values.length === 1 ? `no member uses the alternative \`${shown}\`` : `no member uses the alternatives ${shown}`;
    checker.report('E603', site.span.source, site.span, message, {
      severity: 'warning',
      hint: 'no way to decide the rest makes them fit'.replace('them', values.length === 1 ? 'it' : 'them'),
    });
  }
}

const shownValue = (v: Assignment[string]): string => (typeof v === 'object' ? `[${v.join(', ')}]` : String(v));

function reportFinding(f: Finding, space: Space, checker: Checker): void {
  switch (f.kind) {
    case 'clash':
      reportClash(f, space, checker);
      break;
    case 'unsatisfiable': {
      const { span, text } = f.requirement;
      checker.report('E601', span.source, span, `no member of \`${space.name}\` satisfies this requirement`, {
        expected: text,
        found: shownRanges(f.seen) || 'never',
      });
      break;
    }
    case 'contradictory': {
      const [first, ...rest] = f.requirements;
      if (!first) break;
      checker.report(
        'E601',
        first.span.source,
        first.span,
        `no member of \`${space.name}\` satisfies all of its requirements`,
        {
          expected: f.requirements.map((r) => r.text).join(', '),
          notes: rest.map((r) => ({ span: r.span, message: 'together with this one' })),
          hint: 'each alone can be satisfied',
        },
      );
      break;
    }
    case 'idle': {
      const { span } = f.requirement;
      const seen = shownRanges(f.seen);
      checker.report('E602', span.source, span, 'this requirement never binds: every member satisfies it', {
        severity: 'warning',
        ...(seen === '' ? {} : { found: seen }),
      });
      break;
    }
    case 'limit':
      checker.report('E605', f.span.source, f.span, f.message, {
        hint: 'make it smaller: the language has limits so that checking ends',
      });
      break;
    case 'dead':
    case 'incomplete':
      break;
  }
}

function reportClash(f: Extract<Finding, { kind: 'clash' }>, space: Space, checker: Checker): void {
  const always = f.lost === f.total;
  const inPrelude = f.span.source === PRELUDE;
  const at: Span = inPrelude ? (useOf(f.span, space) ?? space.span) : f.span;
  const message = inPrelude ? `${f.message}, in \`${spanText(f.span)}\` of the prelude` : f.message;
  const share = `${f.lost} of ${f.total} ways to decide (${percent(f.lost, f.total)}) ${f.lost === 1n ? 'is' : 'are'} lost`;
  const example = shownExample(f.example);
  checker.report(always ? 'E301' : 'E302', at.source, at, message, {
    severity: always ? 'error' : 'warning',
    expected: f.expected,
    found: f.found,
    hint: always ? 'it fits on no path' : `${share}${example === '' ? '' : `: where ${example}`}`,
  });
}

interface Part {
  readonly kind?: string;
  readonly span?: Span;
  readonly def?: Def;
}

/** The first use, in the user's text, of a def of the prelude that leads to this place of it. */
function useOf(place: Span, space: Space): Span | null {
  const isPlace = (e: { readonly span?: Span }): boolean =>
    e.span?.source === PRELUDE && e.span.start === place.start && e.span.end === place.end;
  const calls = [...partsOf<Part>(space)].filter(
    (e) => e.kind === 'call' && e.span && e.span.source !== PRELUDE && e.def?.span.source === PRELUDE,
  );
  return calls.find((c) => c.def && [...partsOf<Part>(c.def.body)].some(isPlace))?.span ?? null;
}

function percent(part: bigint, whole: bigint): string {
  const perTenThousand = Number((part * 1_000_000n) / whole) / 10_000;
  return perTenThousand < 0.1 ? 'below 0.1 %' : `${Number(perTenThousand.toFixed(1))} %`;
}

const MAX_SHOWN = 4;

function shownExample(example: Assignment): string {
  const parts = Object.entries(example).map(([path, value]) => `${path} = ${shownValue(value)}`);
  return parts.length <= MAX_SHOWN ? parts.join(' and ') : `${parts.slice(0, MAX_SHOWN).join(', ')}, …`;
}

const grouped = (n: number): string => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, '_');

function shownRanges(seen: Partial<Ranges>): string {
  return MEASURES.flatMap((m) => {
    const r = seen[m];
    if (!r) return [];
    const range = r.min === r.max ? grouped(r.min) : `${grouped(r.min)}..${grouped(r.max)}`;
    return [`${m} is ${range}${r.proven ? '' : ' in random members'}`];
  }).join(', ');
}
