import type { IRecognitionException, IToken } from 'chevrotain';
import { EOF, tokenMatcher } from './chevrotain.ts';
import { exactInteger, numberLiteral } from './literals.ts';
import { describe, hintFor, labelOf, lexicalProblem, nearest, placeOf, ProblemError, readings } from './problems.ts';
import type { Every, Expr, Spanned, Statement, SyntaxProblem } from './syntax.ts';
import * as T from './tokens.ts';

/** What a run of statements stands in. */
export type Place = 'file' | 'space' | 'cell' | 'settings';
/** What stands in braces. */
export type Block = Exclude<Place, 'file'>;

const MAX_PROBLEMS = 50;

const mayStandIn: Readonly<Record<Exclude<Place, 'settings'>, readonly Statement['kind'][]>> = {
  file: ['space', 'derive', 'model', 'let', 'def', 'shared', 'cell', 'check', 'use', 'train', 'search'],
  space: ['input', 'output', 'let', 'def', 'shared', 'cell', 'wire', 'require', 'prefer', 'check'],
  cell: ['let', 'def', 'shared', 'cell', 'wire', 'return'],
};
const homeOf: Readonly<Partial<Record<Statement['kind'], string>>> = {
  space: 'at the top of a file',
  derive: 'at the top of a file',
  model: 'at the top of a file',
  use: 'at the top of a file',
  train: 'at the top of a file',
  search: 'at the top of a file',
  input: 'in a `space`',
  output: 'in a `space`',
  require: 'in a `space`',
  prefer: 'in a `space`',
  wire: 'in a `space` or a `cell`',
  return: 'in a `cell`',
  check: 'in a `space` or at the top of a file',
};

const starters = new Set([
  ...[T.Space, T.Def, T.Let, T.Shared, T.Input, T.Output, T.Return],
  ...[T.Require, T.Prefer, T.Check, T.Use],
]);
const openers = new Set([T.LParen, T.LSquare, T.LCurly]);
const closers = new Set([T.RParen, T.RSquare, T.RCurly]);
const literals = new Set([T.NumberToken, T.Text, T.True, T.False]);
const postfixes = new Set([T.Question, T.LCurly, T.LParen, T.LSquare, T.Dot]);
/** How a block starts; `settings` are those of `train` and `search`. */
const blockHeads: Readonly<Record<string, Block>> = {
  space: 'space',
  cell: 'cell',
  train: 'settings',
  search: 'settings',
};
/** Statements with a name and `=` right after their keyword. */
const namedHeads = new Set([T.Space, T.Def, T.Let, T.Shared, T.Output, T.Model]);
const statementWords = [...starters].map((t) => t.name.toLowerCase()).concat('cell', 'train', 'search', 'model');

const isName = (token: IToken): boolean => tokenMatcher(token, T.Name);
/** Looks around in the tokens for the parser: where statements start, what may go on, and how an error is told. */
export class Recovery {
  readonly problems: SyntaxProblem[] = [];
  /** What was given up: from the start of a statement to where the next may start. */
  readonly lost: Spanned[] = [];
  /** The bracket that the parser could not close, for the problem that it is about to throw. */
  open: IToken | undefined;
  /** What is being read inside an expression, by its key in `readings`. */
  reading: string | undefined;
  private tokens: readonly IToken[] = [];
  private text = '';
  private unclosed = 0;

  private readonly ahead: (k: number) => IToken;
  private readonly skip: () => IToken;

  constructor(ahead: (k: number) => IToken, skip: () => IToken) {
    this.ahead = ahead;
    this.skip = skip;
  }

  begin(tokens: readonly IToken[], text: string): void {
    this.tokens = tokens;
    this.text = text;
    this.problems.length = 0;
    this.lost.length = 0;
    this.open = undefined;
    this.reading = undefined;
    this.unclosed = 0;
  }

  /** Sets what is being read; gives what was read before, to be set again after it. */
  begins(reading: string): string | undefined {
    const outer = this.reading;
    this.reading = reading;
    return outer;
  }

  add(problem: SyntaxProblem): void {
    this.problems.push(problem);
    if (this.problems.length >= MAX_PROBLEMS) throw new ProblemError(problem, true);
  }

  // ---- what comes next -----------------------------------------------------------------------------------------

  private type(k: number): IToken['tokenType'] {
    return this.ahead(k).tokenType;
  }

  /** Whether a statement starts at the k-th token from here. */
  private startsStatement(k: number): boolean {
    const type = this.type(k);
    if (starters.has(type)) return true;
    if (!isName(this.ahead(k))) return false;
    const next = this.type(k + 1);
    if (next === T.Is) return true;
    if (type === T.Train || type === T.Search) return next === T.LCurly;
    if (type === T.Model) return isName(this.ahead(k + 1)) && this.type(k + 2) === T.Is;
    return type === T.Cell && isName(this.ahead(k + 1)) && [T.LParen, T.LCurly].includes(this.type(k + 2));
  }

  /** Whether a block has more to read. `space` inside a block means that its brace is missing. */
  goesOn(place: Place): boolean {
    if (this.type(1) === EOF) return false;
    if (place === 'file') return true;
    if (this.type(1) === T.RCurly) return false;
    return place === 'settings' ? !starters.has(this.type(1)) : this.type(1) !== T.Space;
  }

  /** Whether `name` and `mark` follow, which make the next item of a list. */
  isNamed(mark: IToken['tokenType']): boolean {
    return isName(this.ahead(1)) && this.type(2) === mark;
  }

  /** Whether an expression follows the comma of a list of conditions, and no statement. */
  expressionFollows(): boolean {
    return this.type(1) !== T.RCurly && this.type(1) !== EOF && !this.startsStatement(1);
  }

  /** Whether the operator here goes on with the expression: not the `in` of a `let`, not the wire `step = …`. */
  operatorFollows(noIn: boolean): boolean {
    const type = this.type(1);
    if (type === T.In) return !noIn;
    if (type === T.Step || type === T.Log || type === T.Pow2) return this.type(2) !== T.Is;
    return true;
  }

  /** Whether `as` names a use. */
  labelFollows(): boolean {
    return isName(this.ahead(2));
  }

  // ---- rules that the grammar alone does not say ---------------------------------------------------------------

  /** Throws where neither a statement nor a setting starts. */
  expectStart(place: Place): void {
    const token = this.ahead(1);
    const lexical = lexicalProblem(token);
    if (lexical) throw new ProblemError(lexical);
    if (place === 'settings' ? isName(token) : this.startsStatement(1)) return;
    if (place === 'file' && token.tokenType === T.RCurly && this.unclosed > 0) throw new Silent();
    throw new ProblemError({ ...this.junk(token, place), ...placeOf(token, this.text.length) });
  }

  private junk(token: IToken, place: Place): Omit<SyntaxProblem, 'start' | 'end'> {
    const found = describe(token);
    if (closers.has(token.tokenType))
      return { code: 'E161', message: `this \`${token.image}\` closes nothing`, expected: 'a statement', found };
    const hint = this.junkHint(token, place);
    const first = this.type(0) === EOF || this.type(0) === T.LCurly || this.startsLine(this.ahead(0), token);
    const what = place === 'settings' ? 'setting' : 'statement';
    return {
      code: 'E150',
      message: first
        ? `no ${what} starts with ${found}`
        : `${found} neither goes on with what stands before it nor starts a ${what}`,
      expected: first ? `a ${what}` : `an operator or the next ${what}`,
      found,
      ...(hint !== undefined && { hint }),
    };
  }

  private junkHint(token: IToken, place: Place): string | undefined {
    const type = token.tokenType;
    if (type === T.In) return 'the first `in` ends the value of a `let`; write a test in parentheses: (w in 1..4)';
    if (place === 'settings' && this.type(-1) === T.Comma) return 'no comma stands between two settings';
    if (place === 'settings') return 'a setting is a name and its value, for example: batch 128';
    const near = isName(token) ? nearest(token.image, [...statementWords, 'with', 'where']) : undefined;
    if (near !== undefined) return `did you mean \`${near}\`?`;
    if (!isName(token)) return undefined;
    if (place === 'file')
      return 'at the top of a file stand space, let, def, shared, cell, model, check, use, train, search';
    if (place === 'cell') return 'what a cell gives follows `return`; a wire is defined by `name = …`';
    return 'what a space gives follows `output name =`; a wire is defined by `name = …`';
  }

  /** Whether a statement may stand here; notes a problem where not. */
  mayStand(statement: Statement, place: Exclude<Place, 'settings'>): boolean {
    if (mayStandIn[place].includes(statement.kind)) return true;
    const where = place === 'file' ? 'at the top of a file' : `in a \`${place}\``;
    const what = statement.kind === 'derive' ? 'space' : statement.kind;
    const here = mayStandIn[place].filter((kind) => kind !== 'derive');
    const end = Math.min(statement.end, statement.start + Math.max(1, what.length));
    this.add({
      code: 'E158',
      message: `${what === 'wire' ? 'a wire' : `\`${what}\``} does not stand ${where}`,
      expected: `one of ${here.join(', ')}`,
      found: what === 'wire' ? 'a wire' : `\`${what}\``,
      start: statement.start,
      end: statement.kind === 'wire' ? statement.name.end : end,
      ...(homeOf[statement.kind] !== undefined && { hint: `it stands ${homeOf[statement.kind]}` }),
    });
    return false;
  }

  /** Whether the brace of a block was forgotten, which is noted; the block is read as if it were there. */
  braceIsMissing(place: Block, expected: string): boolean {
    const inside = place !== 'settings' && this.startsStatement(1);
    if (!inside) return false;
    const token = this.ahead(1);
    this.add({
      code: 'E161',
      message: `the \`{\` of this ${place} is missing`,
      expected,
      found: describe(token),
      ...placeOf(token, this.text.length),
    });
    return true;
  }

  /** The literal before has no postfix after it. */
  noPostfix(literal: Expr): void {
    const token = this.ahead(1);
    if (!postfixes.has(token.tokenType)) return;
    const text = this.text.slice(literal.start, literal.end);
    const product = literal.kind === 'number' && token.tokenType === T.LParen;
    throw new ProblemError({
      code: 'E160',
      message: `a ${literal.kind === 'truth' ? 'truth value' : literal.kind} takes no \`${token.image}\``,
      expected: 'an operator',
      found: describe(token),
      ...placeOf(token, this.text.length),
      hint: product
        ? `a product is written ${text} * (…)`
        : 'only names, lists and what stands in parentheses take one',
    });
  }

  notEmpty(items: readonly unknown[], { start, end }: Spanned): void {
    if (items.length > 0) return;
    throw new ProblemError({
      code: 'E150',
      message: 'an index is empty',
      expected: 'a number or `*`',
      found: '`[]`',
      start,
      end,
      hint: 'for example: body[0] or f32[B, 784]',
    });
  }

  /** `[*]` stands in paths, not in types. */
  withoutStars(items: readonly (Expr | Every)[]): readonly Expr[] {
    return items.map((item) => {
      if (item.kind !== 'every') return item;
      throw new ProblemError({
        code: 'E150',
        message: 'a tensor has a size for every axis',
        expected: 'a size',
        found: '`*`',
        start: item.start,
        end: item.end,
        hint: 'the batch is written B: f32[B, 28, 28, 1]',
      });
    });
  }

  wholeNumber(token: IToken): number {
    const value = exactInteger(numberLiteral(token.image, token.startOffset));
    if (value !== undefined && value <= 0xffff_ffffn) return Number(value);
    throw new ProblemError({
      code: 'E150',
      message: 'uses and copies are numbered from 0',
      expected: 'a whole number or `*`',
      found: describe(token),
      ...placeOf(token, this.text.length),
    });
  }

  // ---- after an error ------------------------------------------------------------------------------------------

  /**
   * Notes the problem and goes to where the next statement or setting may start. Where the head of a block is broken
   * but its brace is there, stops at the brace and gives the kind of block, so that what is inside is still read.
   */
  afterError(error: unknown, from: IToken, place: Place): Block | undefined {
    if (error instanceof ProblemError) {
      if (error.fatal) throw error;
      this.add(error.problem);
    } else if (!(error instanceof Silent)) {
      this.add(this.recognise(error));
    }
    this.open = undefined;
    this.reading = undefined;
    const block = this.resume(from, place);
    const last = this.ahead(0);
    this.lost.push({ start: from.startOffset, end: Math.max(from.startOffset, last.startOffset + last.image.length) });
    return block;
  }

  /** The problem that an error of the parser tells. */
  recognise(error: unknown): SyntaxProblem {
    if (!isRecognition(error)) throw error;
    const { token, previousToken: previous } = error as IRecognitionException & { previousToken: IToken };
    const place = placeOf(token, this.text.length);
    const lexical = lexicalProblem(token);
    if (lexical) return lexical;
    const known = error.context.ruleStack.filter((name) => readings[name] !== undefined);
    // A rule whose first token is missing was not begun: what is being read is the rule around it.
    if (known.at(-1) === 'parameters' && error.message === labelOf(T.LParen)) known.pop();
    const rule = this.reading ?? known.at(-1) ?? 'program';
    const reading = readings[rule]!;
    const found = describe(token);
    const expected = error.message;
    if (error.name === 'NotAllInputParsedException')
      return { code: 'E150', message: `${found} does not go on with what stands before it`, expected, found, ...place };
    if (this.open && (token.tokenType === EOF || closers.has(token.tokenType) || this.isStart(token))) {
      if (this.open.tokenType === T.LCurly) this.unclosed++;
      return {
        code: 'E161',
        message: `this \`${this.open.image}\` is not closed before ${found}`,
        expected,
        found,
        ...placeOf(this.open, this.text.length),
      };
    }
    const special = hintFor({ rule, expected, token, previous, next: this.ahead(2) });
    return {
      code: 'E150',
      message: `in ${reading.what}, ${expected} should stand here`,
      expected,
      found,
      ...place,
      hint: special ?? `for example: ${reading.example}`,
    };
  }

  private isStart(token: IToken): boolean {
    return this.ahead(1) === token && this.startsStatement(1);
  }

  private resume(from: IToken, place: Place): Block | undefined {
    const junk = this.ahead(1) === from;
    const word = junk ? nearest(from.image, statementWords) : from.image;
    const head = place === 'settings' || word === undefined ? undefined : blockHeads[word];
    let depth = this.depthSince(from);
    if (head !== undefined && depth === 0 && this.reachBrace(from)) return head;
    // Bindings hold `name =` in braces that are no statements, and so may what could not be read.
    const inBraces = junk || from.tokenType === T.Space || from.tokenType === T.Model;
    let named = !(junk || namedHeads.has(from.tokenType)) || this.sawIs(from);
    for (let first = junk; ; first = false) {
      const token = this.ahead(1);
      const type = token.tokenType;
      if (type === EOF) return undefined;
      if (!first && this.mayResume(place, depth, inBraces, named)) return undefined;
      if (depth === 0 && type === T.RCurly && place !== 'file') return undefined;
      if (type === T.RCurly && place === 'file') this.unclosed = Math.max(0, this.unclosed - 1);
      if (type === T.Is) named = true;
      if (openers.has(type)) depth++;
      else if (closers.has(type)) depth = Math.max(0, depth - 1);
      this.skip();
    }
  }

  private mayResume(place: Place, depth: number, inBraces: boolean, named: boolean): boolean {
    const token = this.ahead(1);
    const before = this.ahead(0);
    if (place === 'settings')
      return (depth === 0 && isName(token) && this.startsLine(before, token)) || starters.has(token.tokenType);
    // Two names side by side at the start of a line are a misspelt keyword and its name.
    if (isName(token) && isName(this.ahead(2)) && depth === 0 && this.startsLine(before, token)) return true;
    if (!this.startsStatement(1)) return false;
    if (token.tokenType === T.Let) return this.startsLine(before, token) || endsOperand(before);
    if (starters.has(token.tokenType)) return true;
    return this.type(2) === T.Is ? named && !(inBraces && depth > 0) : depth === 0 || endsOperand(before);
  }

  private sawIs(from: IToken): boolean {
    return this.tokens.slice(this.indexOf(from), this.indexOf(this.ahead(1))).some((t) => t.tokenType === T.Is);
  }

  private startsLine(before: IToken, token: IToken): boolean {
    return /[\r\n]/.test(this.text.slice(before.startOffset + before.image.length, token.startOffset));
  }

  /** Skips to the brace of a block whose head is broken; false, and nothing skipped, where there is none. */
  private reachBrace(from: IToken): boolean {
    const begun = this.indexOf(from);
    const here = this.indexOf(this.ahead(1));
    if (this.tokens.slice(begun, here).some((t) => t.tokenType === T.LCurly || t.tokenType === T.Is)) return false;
    for (let k = this.ahead(1) === from ? 2 : 1; k < 100; k++) {
      const type = this.type(k);
      if (type === T.LCurly) {
        for (let i = 1; i < k; i++) this.skip();
        return true;
      }
      if (type === EOF || type === T.RCurly || this.startsStatement(k)) return false;
    }
    return false;
  }

  private depthSince(from: IToken): number {
    const here = this.indexOf(this.ahead(1));
    let depth = 0;
    for (let i = this.indexOf(from); i < here; i++) {
      const type = this.tokens[i]!.tokenType;
      if (openers.has(type)) depth++;
      else if (closers.has(type)) depth = Math.max(0, depth - 1);
    }
    return depth;
  }

  private indexOf(token: IToken): number {
    if (token.tokenType === EOF) return this.tokens.length;
    let low = 0;
    let high = this.tokens.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tokens[middle]!.startOffset < token.startOffset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Thrown where an error was told already. */
class Silent extends Error {}

function isRecognition(error: unknown): error is IRecognitionException {
  return error instanceof Error && 'context' in error && 'token' in error;
}

function endsOperand(token: IToken): boolean {
  const type = token.tokenType;
  return isName(token) || literals.has(type) || closers.has(type) || type === T.Question;
}
