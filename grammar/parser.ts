import type { IToken } from 'chevrotain';
import { ProblemError } from './problems.ts';
import { SpaceParser } from './rules.ts';
import type { Binding, Comment, Expr, Program, Spanned, Statement, SyntaxProblem } from './syntax.ts';
import { MAX_BYTES, MAX_HEIGHT } from './syntax.ts';
import { tokenize } from './tokens.ts';
import { nodeBelow } from './walk.ts';

export interface Parsed {
  readonly tree: Program;
  readonly errors: readonly SyntaxProblem[];
  /** What could not be read, and may have defined what now seems to be missing. */
  readonly lost: readonly Spanned[];
}

/**
 * Text -> tree. Total: never throws, whatever the text. Where there are errors the tree holds the statements that
 * could be read. Offsets are those of `text`, also where it starts with a byte-order mark.
 */
export function parse(text: string): Parsed {
  const { value, comments, errors, lost } = run(text, (parser) => parser.program());
  const { statements, errors: heights, lost: high } = withinHeight(value ?? []);
  const tree: Program = { kind: 'program', statements, comments, start: 0, end: text.length };
  return { tree, errors: [...errors, ...heights].sort((a, b) => a.start - b.start), lost: [...lost, ...high] };
}

export type ParsedPart<R> = { readonly value: R } | { readonly errors: readonly SyntaxProblem[] };

/** One expression and nothing else. */
export function parseExpression(text: string): ParsedPart<Expr> {
  return part(text, (parser) => (parser.expression() as ReturnType<SpaceParser['expression']> | undefined)?.node);
}

/** `body[*].k = 5, act = relu`, with or without braces: what stands after `with`. */
export function parseBindings(text: string): ParsedPart<readonly Binding[]> {
  const braced = /^\s*\{/.test(text);
  return part(braced ? text : `{${text}}`, (parser) => parser.bindingList(), braced ? 0 : 1);
}

function part<R>(text: string, read: (parser: SpaceParser) => R | undefined, shift = 0): ParsedPart<R> {
  const { value, errors } = run(text, read);
  if (value !== undefined && errors.length === 0) return { value };
  return {
    errors: errors.map((e) => ({ ...e, start: Math.max(0, e.start - shift), end: Math.max(0, e.end - shift) })),
  };
}

interface Run<R> {
  readonly value: R | undefined;
  readonly comments: readonly Comment[];
  readonly errors: readonly SyntaxProblem[];
  readonly lost: readonly Spanned[];
}

// Built at the first use: its self-analysis takes some milliseconds that `--help` need not pay.
let parser: SpaceParser | undefined;

function run<R>(text: string, read: (parser: SpaceParser) => R | undefined): Run<R> {
  const size = tooLarge(text);
  if (size) return { value: undefined, comments: [], errors: [size], lost: [] };
  const { tokens, comments } = tokenize(text.startsWith('\ufeff') ? ` ${text.slice(1)}` : text);
  parser ??= new SpaceParser();
  parser.begin(tokens, text);
  const value = readSafely(parser, read);
  const errors = [...parser.recovery.problems, ...controls(text)];
  const lost = [...parser.recovery.lost];
  parser.begin([], '');
  return { value, comments: comments.map(toComment), errors, lost };
}

function readSafely<R>(from: SpaceParser, read: (parser: SpaceParser) => R | undefined): R | undefined {
  const { problems } = from.recovery;
  try {
    const value = read(from);
    const [first] = from.errors;
    // A rule that is called from outside keeps its error instead of throwing it.
    if (first && problems.length === 0) problems.push(from.recovery.recognise(first));
    return value;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (!problems.includes(error.problem)) problems.push(error.problem);
    return undefined;
  }
}

const toComment = (token: IToken): Comment => ({
  text: token.image,
  start: token.startOffset,
  end: token.startOffset + token.image.length,
});

function tooLarge(text: string): SyntaxProblem | undefined {
  const bytes = text.length > MAX_BYTES / 3 ? new TextEncoder().encode(text).length : text.length;
  if (bytes <= MAX_BYTES) return undefined;
  return {
    code: 'E157',
    message: 'this file is too large',
    expected: 'at most 4 MiB',
    found: `${(bytes / 2 ** 20).toFixed(1)} MiB`,
    hint: 'split it and bring the parts together with `use`',
    start: 0,
    end: 0,
  };
}

// They make an editor show other text than the one that is read ("Trojan Source", Boucher and Anderson 2021).
const bidirectional = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function controls(text: string): SyntaxProblem[] {
  const found = [...text.matchAll(bidirectional)].slice(0, 20);
  return found.map(({ 0: character, index: start }) => ({
    code: 'E155',
    message: 'this invisible character changes the order in which text is shown',
    expected: 'no bidirectional control characters, also in texts and comments',
    found: `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
    hint: 'delete it, or write it as \\u{…} in a text',
    start,
    end: start + 1,
  }));
}

// Operators of one level make trees as deep as they are many.
function withinHeight(statements: readonly Statement[]): {
  statements: Statement[];
  errors: SyntaxProblem[];
  lost: Spanned[];
} {
  const errors: SyntaxProblem[] = [];
  const lost: Spanned[] = [];
  const kept = statements.filter((statement) => {
    const deep = nodeBelow(statement, MAX_HEIGHT);
    if (deep) {
      errors.push(tooHigh(deep));
      lost.push(statement);
    }
    return !deep;
  });
  return { statements: kept, errors, lost };
}

const tooHigh = ({ start, end }: Spanned): SyntaxProblem => ({
  code: 'E156',
  message: `an expression has more than ${MAX_HEIGHT} operators inside each other here`,
  expected: `at most ${MAX_HEIGHT}`,
  found: 'one more',
  hint: 'name a part with `def` or `let` and use the name',
  start,
  end,
});
