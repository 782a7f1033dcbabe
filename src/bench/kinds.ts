import type { Case, CaseKind, CaseLine } from './case.ts';
import { attention } from './cases/attention.ts';
import { conv, convAny } from './cases/conv.ts';
import { LAYER, PREDICT } from './cases/forward.ts';
import { gemm, gemmBf16 } from './cases/gemm.ts';
import { dense, phc, phm } from './cases/kron.ts';
import { moe, moeFew } from './cases/moe.ts';
import { s4d } from './cases/s4d.ts';
import { fwht, sub } from './cases/subspace.ts';
import { train, trainBf16 } from './cases/train.ts';
import { flora, frozen, tucker, tuckerApart, tuckerConvs } from './cases/tucker.ts';

/** Every kind of work that is timed. */
export const KINDS: readonly CaseKind[] = [
  gemm,
  gemmBf16,
  ...LAYER,
  conv,
  convAny,
  attention,
  moe,
  moeFew,
  dense,
  phm,
  phc,
  frozen,
  flora,
  tuckerConvs,
  tuckerApart,
  tucker,
  sub,
  fwht,
  s4d,
  train,
  trainBf16,
  ...PREDICT,
];

const kindOf = new Map(KINDS.map((k) => [k.kind, k]));

/** Our own list. */
export const ownLines = (): readonly CaseLine[] =>
  KINDS.flatMap(({ kind, lines }) =>
    lines.map((line) => {
      const [name, ...words] = line.split(' ');
      return { name: name!, kind, words };
    }),
  );

/** A text of lines `NAME KIND WORD…`; `#` starts a comment. */
export const parseLines = (text: string): readonly CaseLine[] =>
  text.split('\n').flatMap((line) => {
    const [name, kind, ...words] = line.split('#')[0]!.trim().split(/\s+/);
    return name && kind ? [{ name, kind, words }] : [];
  });

/** The cases of a line; none where its kind is not ours. */
export const casesOf = (line: CaseLine, threads: number): readonly Case[] =>
  kindOf.get(line.kind)?.cases(line, threads) ?? [];

/** A line of our own sort without a name, `KIND WORD…`; null where a text is none: a kind that we have not, or other sizes than the kind's own lines have. */
export function sizedLine(text: string): CaseLine | null {
  const [kind, ...words] = text.trim().split(/\s+/);
  const known = ownLines().filter((l) => l.kind === kind);
  const alike = (l: CaseLine): boolean =>
    l.words.length === words.length && l.words.every((w, i) => isNumber(words[i]!) === isNumber(w));
  return known.some(alike) ? { name: `${kind}/${words.join('x')}`, kind: kind!, words } : null;
}
const isNumber = (word: string): boolean => /^\d+(\.\d+)?$/.test(word);

/** The line that a line is measured by, where its kind has such. */
export function overOf({ kind, words }: CaseLine): CaseLine | null {
  const text = kindOf.get(kind)?.over?.(words);
  return text ? sizedLine(text) : null;
}

/** Lines that a pattern means: those whose names match it, with `*` for anything, or begin so; or the one that it is itself, `KIND WORD…`. */
export function chosenLines(pattern: string, lines: readonly CaseLine[] = ownLines()): readonly CaseLine[] {
  const sized = sizedLine(pattern);
  return sized ? [sized] : lines.filter((l) => matcher(pattern)(l.name));
}

/** Names that match a pattern with `*`; a pattern is also met by what it is the start of. */
export function matcher(pattern: string): (name: string) => boolean {
  const glob = new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}`);
  return (name) => glob.test(name);
}
