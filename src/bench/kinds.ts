import type { Case, CaseKind, CaseLine } from './case.ts';
import { conv } from './cases/conv.ts';
import { gemm, gemmBf16 } from './cases/gemm.ts';
import { phc, phm } from './cases/kron.ts';
import { moe, moeFew } from './cases/moe.ts';
import { fwht, sub } from './cases/subspace.ts';
import { train, trainBf16 } from './cases/train.ts';
import { flora, tucker } from './cases/tucker.ts';

/** Every kind of work that is timed. */
export const KINDS: readonly CaseKind[] = [
  gemm,
  gemmBf16,
  conv,
  moe,
  moeFew,
  phm,
  phc,
  flora,
  tucker,
  sub,
  fwht,
  train,
  trainBf16,
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

/** Names that match a pattern with `*`; a pattern is also met by what it is the start of. */
export function matcher(pattern: string): (name: string) => boolean {
  const glob = new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}`);
  return (name) => glob.test(name);
}
