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
  const page = new Page();
  const stack: Command[] = [{ doc, indent: 0, flat: false }];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { doc: d, indent: by, flat } = top;
    if (typeof d === 'string') page.write(d, by);
    else if (isList(d)) for (let i = d.length - 1; i >= 0; i--) stack.push({ doc: d[i]!, indent: by, flat });
    else if (d.kind === 'indent') stack.push({ doc: d.doc, indent: by + d.by, flat });
    else if (d.kind === 'suffix') page.comment(d.text, by);
    else if (d.kind === 'group')
      stack.push({ doc: d.doc, indent: by, flat: flat || fits(d, width - page.column, stack) });
    else if (d.hard || !flat) page.newline(by, d.blank);
    else page.write(d.flat, by);
  }
  return page.text(width);
}

interface Row {
  code: string;
  comment: string;
}

/** Lines as they are written, each with the comment at its end. */
class Page {
  private readonly rows: Row[] = [{ code: '', comment: '' }];

  private get row(): Row {
    return this.rows.at(-1)!;
  }

  get column(): number {
    return this.row.code.length - this.row.code.lastIndexOf('\n') - 1;
  }

  write(text: string, indent: number): void {
    if (text !== '' && this.isClosed()) this.newline(indent, false);
    this.row.code += text;
  }

  comment(text: string, indent: number): void {
    if (this.isClosed()) this.newline(indent, false);
    this.row.comment += this.row.comment === '' ? text : ` ${text}`;
  }

  newline(indent: number, blank: boolean): void {
    if (blank) this.rows.push({ code: '', comment: '' });
    this.rows.push({ code: ' '.repeat(indent), comment: '' });
  }

  // Nothing goes on after a comment to the end of the line.
  private isClosed(): boolean {
    return /(^|\*\/ )\/\//.test(this.row.comment);
  }

  /** Comments at the ends of neighbouring lines stand under each other, where that fits. */
  text(width: number): string {
    const out: string[] = [];
    for (let i = 0; i < this.rows.length;) {
      const { code } = this.rows[i]!;
      let end = i + 1;
      if (hasTail(this.rows[i]!))
        while (end < this.rows.length && hasTail(this.rows[end]!) && indentOf(this.rows[end]!.code) === indentOf(code))
          end++;
      const run = this.rows.slice(i, end);
      const column = Math.max(...run.map((row) => row.code.length));
      const aligned = run.every((row) => column + 1 + row.comment.length <= width);
      for (const row of run) out.push(lineOf(row, aligned ? column : 0));
      i = end;
    }
    return out.join('\n').replace(/[ \t]+$/gm, '');
  }
}

const hasTail = ({ code, comment }: Row): boolean => comment !== '' && code.trim() !== '' && !code.includes('\n');
const indentOf = (code: string): number => code.search(/\S|$/);
const lineOf = ({ code, comment }: Row, column: number): string => {
  if (comment === '') return code;
  return code.trim() === '' ? code + comment : `${code.padEnd(column)} ${comment}`;
};

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
