import type { CaseLine } from '../bench/case.ts';
import { KINDS, overOf } from '../bench/kinds.ts';
import { pairsOf, timePair } from '../bench/pairs.ts';
import type { PairOptions, PairRow } from '../bench/pairs.ts';
import { table } from './format.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';

const milliseconds = (ms: number): string => String(Number(ms.toPrecision(3)));

const cellsOf = (r: PairRow): readonly string[] => [
  r.case,
  milliseconds(r.ms),
  r.over,
  milliseconds(r.overMs),
  r.ratio.toFixed(3),
  `${r.low.toFixed(3)} to ${r.high.toFixed(3)}`,
];

/** Prints each line's cases beside the same part of another line (or of the line that its kind is measured by), timed by turns. */
export function benchOver(io: Io, lines: readonly CaseLine[], over: CaseLine | null, options: PairOptions): number {
  const pairs = lines.flatMap((line) => {
    const other = over ?? overOf(line);
    return other ? [{ line, other }] : [];
  });
  const rows: PairRow[] = [];
  for (const { line, other } of pairs) {
    for (const [c, by] of pairsOf(line, other, options.threads)) {
      const row = timePair(c, by, options);
      rows.push(row);
      if (io.json) io.data({ peer: 'ours', ...row });
      else if (io.isTerminal) io.err(io.colors.dim(row.case));
    }
  }
  if (rows.length === 0) throw new Exit(EXIT.usage, `error: ${nothing(lines, over)}`);
  if (!io.json) {
    io.out(
      io.colors.dim(
        `${options.rounds} rounds, threads: ${options.threads}; ratios: median and middle half of the rounds'`,
      ),
    );
    for (const text of table(['case', 'ms', 'over', 'ms', 'ratio', 'spread'], rows.map(cellsOf))) io.out(text);
  }
  return EXIT.done;
}

function nothing(lines: readonly CaseLine[], over: CaseLine | null): string {
  const names = [...new Set(lines.map((l) => l.kind))].join(', ');
  if (over) return `--over: ${over.name} has no part that is also one of ${names}, such as /fwd or /fwdbwd`;
  const measured = KINDS.filter((k) => k.over).map((k) => k.kind);
  return `--over needs the name of a case here: ${names} ${lines.length > 1 ? 'are' : 'is'} measured by none of ours, as ${measured.join(', ')} are`;
}
