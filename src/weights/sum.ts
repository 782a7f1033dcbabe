import type { MadeBy, WeightDef } from '../ir/weight.ts';
import { stdOf } from '../ir/start.ts';
import { add } from '../ops/elementwise.ts';

// A weight that stands already: others are changes of it.
const isBase = ({ def, parts }: MadeBy): boolean => def.name === 'frozen' || def.name === 'fixed' || parts.some(isBase);

/** One tensor, under the path itself. */
const WHOLE: ReadonlySet<string> = new Set(['frozen', 'fixed', 'full']);

/** Paths of the parts: equal ones are numbered, and a tensor of a file keeps the path itself. */
function pathsOf(path: string, parts: readonly MadeBy[]): ReadonlyMap<MadeBy, string> {
  const paths = new Map<MadeBy, string>();
  const seen = new Map<string, number>();
  const filed = (m: MadeBy): number => (m.def.name === 'frozen' ? 0 : 1);
  for (const part of [...parts].sort((a, b) => filed(a) - filed(b))) {
    const kind = WHOLE.has(part.def.name) ? '' : part.def.name;
    const nth = seen.get(kind) ?? 0;
    seen.set(kind, nth + 1);
    paths.set(part, nth === 0 ? path : `${path}[${nth}]`);
  }
  return paths;
}

/**
 * `w1 + w2`: where one part is given (frozen, fixed), the others are changes of it and start at 0; else each has its share of the variance.
 */
export const sum: WeightDef = {
  kind: 'weight',
  name: '+',
  doc: 'The sum of weights: changes of a frozen or fixed one, which start at 0, or parts of one variance.',
  args: [],
  make: (b, path, spec, { parts }) => {
    const based = parts.some(isBase);
    const share = { ...spec, start: stdOf(spec) / Math.sqrt(parts.length) };
    const change = { ...spec, delta: true };
    const paths = pathsOf(path, parts);
    const made = parts.map((part) =>
      part.def.make(b, paths.get(part)!, !based ? share : isBase(part) ? spec : change, part),
    );
    return made.reduce((total, w) => b.one(add, [total, w]));
  },
};
