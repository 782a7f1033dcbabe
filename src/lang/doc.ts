/**
 * Documents for pretty printing, in the manner of Wadler and Oppen: text with places where a line may break, in groups
 * that stay on one line where they fit.
 */
export type Doc = string | readonly Doc[] | Group | Indent | Line | Suffix;

interface Group {
  readonly kind: 'group';
  readonly doc: Doc;
  /** Holds a break that must be. */
  readonly broken: boolean;
}
interface Indent {
  readonly kind: 'indent';
  readonly by: number;
  readonly doc: Doc;
  readonly broken: boolean;
}
/** `flat` is what stands in its place on one line; a hard line always breaks. */
interface Line {
  readonly kind: 'line';
  readonly flat: string;
  readonly hard: boolean;
  readonly blank: boolean;
}
/** Text for the end of the line, wherever that is. */
interface Suffix {
  readonly kind: 'suffix';
  readonly text: string;
}

/** A space, or a new line. */
export const line: Doc = { kind: 'line', flat: ' ', hard: false, blank: false };
/** Nothing, or a new line. */
export const softline: Doc = { kind: 'line', flat: '', hard: false, blank: false };
export const hardline: Doc = { kind: 'line', flat: '', hard: true, blank: false };
/** A new line with an empty one before it. */
export const blankline: Doc = { kind: 'line', flat: '', hard: true, blank: true };

const breaks = (doc: Doc): boolean => {
  if (typeof doc === 'string') return doc.includes('\n');
  if (isList(doc)) return doc.some(breaks);
  return doc.kind === 'line' ? doc.hard : doc.kind === 'suffix' || doc.broken;
};
const isList = (doc: Doc): doc is readonly Doc[] => Array.isArray(doc);

export const group = (doc: Doc): Doc => ({ kind: 'group', doc, broken: breaks(doc) });
export const indent = (doc: Doc, by = 2): Doc => ({ kind: 'indent', by, doc, broken: breaks(doc) });
/** A comment at the end of the line; every group around it breaks. */
export const suffix = (text: string): Doc => ({ kind: 'suffix', text });

export function join(docs: readonly Doc[], separator: Doc): Doc {
  return docs.map((doc, i) => (i === 0 ? doc : [separator, doc]));
}

interface Command {
  readonly doc: Doc;
  readonly indent: number;
  readonly flat: boolean;
}

/** Lays a document out; without recursion, in time linear in its size. */
export function render(doc: Doc, width: number): string {
  const out: string[] = [];
  const stack: Command[] = [{ doc, indent: 0, flat: false }];
  let column = 0;
  let suffixes: string[] = [];
  const write = (text: string): void => {
    out.push(text);
    const at = text.lastIndexOf('\n');
    column = at < 0 ? column + text.length : text.length - at - 1;
  };
  let fresh = true; // nothing stands on the line yet
  const flush = (): void => {
    for (const text of suffixes) {
      out.push(fresh ? text : ` ${text}`);
      fresh = false;
    }
    suffixes = [];
  };
  const newline = (by: number, blank: boolean): void => {
    flush();
    out.push(blank ? '\n\n' : '\n', ' '.repeat(by));
    column = by;
    fresh = true;
  };
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { doc: d, indent: by, flat } = top;
    if (typeof d === 'string') {
      if (suffixes.length > 0 && endsLine(suffixes)) newline(by, false);
      write(d);
      fresh &&= d === '';
    } else if (isList(d)) for (let i = d.length - 1; i >= 0; i--) stack.push({ doc: d[i]!, indent: by, flat });
    else if (d.kind === 'indent') stack.push({ doc: d.doc, indent: by + d.by, flat });
    else if (d.kind === 'suffix') {
      if (endsLine(suffixes)) newline(by, false);
      suffixes.push(d.text);
    } else if (d.kind === 'group') stack.push({ doc: d.doc, indent: by, flat: flat || fits(d, width - column, stack) });
    else if (d.hard || !flat) newline(by, d.blank);
    else write(d.flat);
  }
  flush();
  return out.join('').replace(/[ \t]+$/gm, '');
}

const endsLine = (suffixes: readonly string[]): boolean => suffixes.some((text) => text.startsWith('//'));

/** Whether a group fits on the line, with what follows it up to the next place for a break. */
function fits(from: Group, space: number, rest: readonly Command[]): boolean {
  if (from.broken) return false;
  let left = space;
  const stack: { doc: Doc; flat: boolean }[] = [{ doc: from.doc, flat: true }];
  let outer = rest.length;
  while (left >= 0) {
    const top = stack.pop();
    if (!top) {
      if (outer === 0) return true;
      const next = rest[--outer]!;
      stack.push({ doc: next.doc, flat: next.flat });
      continue;
    }
    const { doc, flat } = top;
    if (typeof doc === 'string') {
      const end = doc.indexOf('\n');
      left -= end < 0 ? doc.length : end;
      if (end >= 0) return left >= 0;
    } else if (isList(doc)) for (let i = doc.length - 1; i >= 0; i--) stack.push({ doc: doc[i]!, flat });
    else if (doc.kind === 'line') {
      if (!flat) return true;
      left -= doc.flat.length;
    } else if (doc.kind !== 'suffix') stack.push({ doc: doc.doc, flat });
  }
  return false;
}
