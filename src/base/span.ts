/** A text that spans point into. */
export interface Source {
  readonly file: string;
  readonly text: string;
}

/** Offsets in UTF-16 units, [start, end). */
export interface Span {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
}

/** Lines and columns count from 1; columns are UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

export const span = (source: Source, start: number, end: number): Span => ({ source, start, end });

/** The smallest span over both; both are of one source. */
export const cover = (a: Span, b: Span): Span => span(a.source, Math.min(a.start, b.start), Math.max(a.end, b.end));

const lineStarts = new WeakMap<Source, number[]>();

function startsOf(source: Source): number[] {
  let starts = lineStarts.get(source);
  if (!starts) {
    starts = [0];
    for (let i = source.text.indexOf('\n'); i >= 0; i = source.text.indexOf('\n', i + 1)) starts.push(i + 1);
    lineStarts.set(source, starts);
  }
  return starts;
}

export function position(source: Source, offset: number): Position {
  const starts = startsOf(source);
  let low = 0,
    high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - starts[low]! + 1, offset };
}

/** The text of a line (from 1), without its line end. */
export function lineText(source: Source, line: number): string {
  const starts = startsOf(source);
  const start = starts[line - 1] ?? source.text.length;
  const end = starts[line] ?? source.text.length + 1;
  return source.text.slice(start, end - 1).replace(/\r$/, '');
}

export const spanText = (s: Span): string => s.source.text.slice(s.start, s.end);
