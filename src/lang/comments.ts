import type { Comment, Program } from '../../grammar/syntax.ts';
import type { Doc } from './doc.ts';
import { blankline, hardline, line, suffix } from './doc.ts';

/** Hands out the comments of a program in text order, each once, as the printer comes past them. */
export class Comments {
  private readonly comments: readonly Comment[];
  private readonly text: string;
  private at = 0;

  /** Without its text, a tree has no comments and no blank lines. */
  constructor(tree: Program, text: string | undefined) {
    this.comments = text === undefined ? [] : tree.comments;
    this.text = text ?? '';
  }

  pending(before: number): boolean {
    const next = this.comments[this.at];
    return next !== undefined && next.start < before;
  }

  private *take(before: number): Generator<Comment> {
    while (this.pending(before)) yield this.comments[this.at++]!;
  }

  /** Those that stand alone on their lines end the line; the others stay where they are. For the inside of expressions. */
  inline(before: number): Doc {
    return [...this.take(before)].map((c) => {
      return this.fillsLine(c) ? [trimmed(c), hardline] : `${trimmed(c)} `;
    });
  }

  /** Between the items of a list: what belongs to the line of the item before, and what stands above the next. */
  between(before: number): { trailing: readonly Doc[]; leading: readonly Doc[] } {
    const { trailing, own } = this.split(before);
    return { trailing, leading: own.map((c) => (this.fillsLine(c) ? [trimmed(c), hardline] : `${trimmed(c)} `)) };
  }

  /** Before a closing bracket: each on a line. */
  last(before: number): { trailing: readonly Doc[]; leading: readonly Doc[] } {
    const { trailing, own } = this.split(before);
    return { trailing, leading: own.map((c) => (this.fillsLine(c) ? [hardline, trimmed(c)] : [line, trimmed(c)])) };
  }

  private split(before: number): { trailing: Doc[]; own: Comment[] } {
    const trailing: Doc[] = [];
    const own: Comment[] = [];
    let closed = false;
    for (const c of this.take(before)) {
      if (own.length === 0 && !closed && this.followsOnLine(c) && this.fillsLine(c)) trailing.push(suffix(trimmed(c)));
      else own.push(c);
      closed = c.text.startsWith('//');
    }
    return { trailing, own };
  }

  /** Between statements: each on a line of its own, or at the end of the line before. `after` is where that ends. */
  above(before: number, after: number, first: boolean): { docs: Doc[]; end: number; first: boolean } {
    const docs: Doc[] = [];
    let end = after;
    let closed = false; // a `//` ends the line that the next would go on
    for (const c of this.take(before)) {
      if (this.followsOnLine(c) && !closed) docs.push(suffix(trimmed(c)));
      else {
        docs.push(this.newline(end, c.start, first), trimmed(c));
        first = false;
      }
      end = c.end;
      closed = c.text.startsWith('//');
    }
    return { docs, end, first };
  }

  /** The break between two things that end and start there; an empty line in the text is kept, but not a second. */
  newline(end: number, start: number, first: boolean): Doc {
    if (first) return hardline;
    return /\n[ \t\r]*\n/.test(this.text.slice(end, start)) ? blankline : hardline;
  }

  private followsOnLine(c: Comment): boolean {
    const start = this.text.lastIndexOf('\n', c.start - 1) + 1;
    return c.start > 0 && /[^\s\ufeff]/.test(this.text.slice(start, c.start));
  }

  /** Whether nothing follows on the line. */
  private fillsLine(c: Comment): boolean {
    return c.text.startsWith('//') || this.endsLine(c);
  }

  private endsLine(c: Comment): boolean {
    return /^[ \t\r]*(\n|$)/.test(this.text.slice(c.end, c.end + 200));
  }
}

const trimmed = (c: Comment): string => c.text.replace(/\r\n?/g, '\n').trimEnd();
