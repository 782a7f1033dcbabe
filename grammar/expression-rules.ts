import type { IParserErrorMessageProvider, IToken, TokenType } from 'chevrotain';
import { EmbeddedActionsParser, tokenMatcher } from './chevrotain.ts';
import { numberLiteral, textLiteral } from './literals.ts';
import { ExpressionBuilder } from './operators.ts';
import { expression as anExpression, labelOf, tooDeep } from './problems.ts';
import { Recovery } from './recovery.ts';
import { MAX_NESTING } from './syntax.ts';
import type * as Tree from './syntax.ts';
import * as T from './tokens.ts';

type Expr = Tree.Expr;

/** An expression and where it stands with its parentheses. */
interface Entry extends Tree.Spanned {
  readonly node: Expr;
}

const dtype = /^(?:f(?:16|32|64)|bf16|[iu](?:8|16|32|64)|bool)$/;

const endOf = (token: IToken): number => token.startOffset + token.image.length;
export const nameOf = (token: IToken): Tree.Name => ({
  kind: 'name',
  name: token.image,
  start: token.startOffset,
  end: endOf(token),
});
const entryOf = (node: Expr): Entry => ({ node, start: node.start, end: node.end });

// The "message" of a Chevrotain error is only what was expected; `Recovery` makes the sentence around it.
const expectations: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => labelOf(expected),
  buildNotAllInputParsedMessage: () => 'the end of the file',
  buildNoViableAltMessage: ({ customUserDescription }) => customUserDescription ?? 'something else',
  buildEarlyExitMessage: ({ customUserDescription }) => customUserDescription ?? 'something else',
};

/**
 * What the rules share, and expressions: one rule, "operand (operator operand)*", read by plain methods. Written with
 * Chevrotain's own loops and alternatives, 200 nested calls would overflow the stack.
 */
export class ExpressionRules extends EmbeddedActionsParser {
  readonly recovery: Recovery;
  protected nesting = 0;

  constructor() {
    super([...T.tokenTypes], {
      recoveryEnabled: false,
      maxLookahead: 2,
      skipValidations: true,
      errorMessageProvider: expectations,
    });
    this.recovery = new Recovery(
      (k) => this.LA(k),
      () => this.SKIP_TOKEN(),
    );
  }

  protected enter(): void {
    if (++this.nesting > MAX_NESTING && !this.RECORDING_PHASE) throw tooDeep(this.LA(1));
  }

  private next(): TokenType {
    return this.LA(1).tokenType;
  }

  /** Takes the next token, of the type that the caller saw or that has to stand here. */
  private take(type: TokenType, expected?: string): IToken {
    return this.CONSUME(type, expected === undefined ? {} : { ERR_MSG: expected });
  }

  /** The closing bracket of `open`; gives its end. */
  protected close(open: IToken | undefined, type: TokenType, expected: string): number {
    if (!this.RECORDING_PHASE && this.next() !== type) this.recovery.open = open;
    return endOf(this.CONSUME(type, { ERR_MSG: expected }));
  }

  /** `item, item, …` in brackets, a trailing comma allowed. */
  protected bracketed<R>(open: TokenType, close: TokenType, item: () => R): { items: R[]; start: number; end: number } {
    const opened = this.CONSUME(open);
    const items: R[] = [];
    if (this.RECORDING_PHASE) this.MANY_SEP({ SEP: T.Comma, DEF: item });
    else
      while (this.next() !== close) {
        items.push(item());
        if (this.next() !== T.Comma) break;
        this.take(T.Comma);
      }
    const expected = `${items.length > 0 ? 'an operator, ' : ''}\`,\` or ${labelOf(close)}`;
    return { items, start: opened.startOffset, end: this.close(opened, close, expected) };
  }

  protected name(expected?: string): Tree.Name {
    return nameOf(this.take(T.Name, expected));
  }

  protected text(token: IToken): Tree.TextLiteral {
    return this.ACTION(() => textLiteral(token.image, token.startOffset));
  }

  protected get last(): number {
    return endOf(this.LA(0));
  }

  // ---- expressions ---------------------------------------------------------------------------------------------

  /** `noIn`: in the value of a `let`, where the first `in` outside brackets ends it. */
  readonly expression = this.RULE('expression', (noIn?: boolean): Entry => {
    if (this.RECORDING_PHASE) return this.recordFirst();
    return this.read(noIn === true);
  });

  // What an expression starts with is all that the rules around it look at.
  private recordFirst(): Entry {
    const first = [T.Name, T.LParen, T.LSquare, T.NumberToken, T.Text, T.True, T.False, T.If, T.Let, T.Prefix];
    this.OR(first.map((type, i) => ({ ALT: () => this.consume(i, type) })));
    return { node: { kind: 'truth', value: true, start: 0, end: 0 }, start: 0, end: 0 };
  }

  private read(noIn: boolean): Entry {
    this.enter();
    const builder = new ExpressionBuilder();
    this.operand(builder, noIn);
    while (tokenMatcher(this.LA(1), T.Infix) || this.next() === T.Log || this.next() === T.Pow2) {
      if (!this.recovery.operatorFollows(noIn)) break;
      if (this.next() === T.Log || this.next() === T.Pow2) builder.suffix(this.take(this.next()));
      else {
        builder.infix(this.take(this.next()));
        this.operand(builder, noIn);
      }
    }
    this.nesting--;
    return builder.finish();
  }

  private operand(builder: ExpressionBuilder, noIn: boolean): void {
    while (tokenMatcher(this.LA(1), T.Prefix)) builder.prefix(this.take(this.next()));
    const { node, start, end } = this.primary(noIn);
    builder.operand(node, start, end);
  }

  private primary(noIn: boolean): Entry {
    switch (this.next()) {
      case T.NumberToken:
        return this.literal(numberLiteral);
      case T.Text:
        return this.literal(textLiteral);
      case T.True:
      case T.False:
        return this.literal(truthLiteral);
      case T.If:
        return this.ifExpression(noIn);
      case T.Let:
        return this.letExpression(noIn);
      case T.LParen:
        return this.postfixes(this.parens());
      case T.LSquare:
        return this.postfixes(entryOf(this.list()));
      default:
        return this.postfixes(entryOf(this.name(anExpression)));
    }
  }

  private literal(make: (text: string, start: number) => Expr): Entry {
    const token = this.take(this.next());
    const node = make(token.image, token.startOffset);
    this.recovery.noPostfix(node);
    return entryOf(node);
  }

  private ifExpression(noIn: boolean): Entry {
    const outer = this.recovery.begins('if');
    const start = this.take(T.If).startOffset;
    const test = this.read(noIn).node;
    this.take(T.Then, 'an operator or `then`');
    const then = this.read(noIn).node;
    this.take(T.Else, 'an operator or `else`');
    const { node: otherwise, end } = this.read(noIn);
    this.recovery.reading = outer;
    return entryOf({ kind: 'if', test, then, otherwise, start, end });
  }

  private letExpression(noIn: boolean): Entry {
    const outer = this.recovery.begins('letin');
    const start = this.take(T.Let).startOffset;
    const name = this.name();
    this.take(T.Is);
    const value = this.read(true).node;
    this.take(T.In, 'an operator or `in`');
    const { node: body, end } = this.read(noIn);
    this.recovery.reading = outer;
    return entryOf({ kind: 'letin', name, value, body, start, end });
  }

  private parens(): Entry {
    const outer = this.recovery.begins('parens');
    const open = this.take(T.LParen);
    const { node } = this.read(false);
    const end = this.close(open, T.RParen, 'an operator or `)`');
    this.recovery.reading = outer;
    return { node: { ...node, parens: true }, start: open.startOffset, end };
  }

  protected list(): Tree.ListExpr {
    const outer = this.recovery.begins('list');
    const { items, start, end } = this.bracketed(T.LSquare, T.RSquare, () => this.read(false).node);
    this.recovery.reading = outer;
    return { kind: 'list', items, start, end };
  }

  /** What follows a name, a list or parentheses at once: `?`, `{…}`, `(…)`, `[…]`, `.name`, `as name`. */
  private postfixes({ node: first, start, end: firstEnd }: Entry): Entry {
    let node = first;
    let end = firstEnd;
    for (;;) {
      const made = this.postfix(node, start);
      if (!made) return { node, start, end };
      node = made;
      end = made.end;
    }
  }

  private postfix(value: Expr, start: number): Expr | undefined {
    switch (this.next()) {
      case T.Question:
        return { kind: 'optional', value, start, end: endOf(this.take(T.Question)) };
      case T.LCurly:
        return this.repeat(value, start);
      case T.LParen:
        return this.call(value, start);
      case T.LSquare:
        return this.index(value, start);
      case T.Dot:
        this.take(T.Dot);
        return { kind: 'member', value, member: this.anyWord(), start, end: this.last };
      case T.As:
        if (!this.recovery.labelFollows()) return undefined;
        this.take(T.As);
        return { kind: 'labelled', value, label: this.name(), start, end: this.last };
      default:
        return undefined;
    }
  }

  private repeat(value: Expr, start: number): Expr {
    const outer = this.recovery.begins('repeat');
    const open = this.take(T.LCurly);
    const tied = this.next() === T.Tied;
    if (tied) this.take(T.Tied);
    const times = this.read(false).node;
    const end = this.close(open, T.RCurly, 'an operator or `}`');
    this.recovery.reading = outer;
    return { kind: 'repeat', value, times, tied, start, end };
  }

  private call(callee: Expr, start: number): Expr {
    const outer = this.recovery.begins('args');
    const { items: args, end } = this.bracketed(T.LParen, T.RParen, () => this.argument());
    this.recovery.reading = outer;
    return { kind: 'call', callee, args, start, end };
  }

  private argument(): Tree.Argument {
    const start = this.LA(1).startOffset;
    if (this.LA(2).tokenType !== T.Colon) {
      const { node: value, end } = this.read(false);
      return { value, start, end };
    }
    const name = this.anyWord();
    this.take(T.Colon);
    const { node: value, end } = this.read(false);
    return { name, value, start, end };
  }

  private index(value: Expr, start: number): Expr {
    const typed = value.kind === 'name' && dtype.test(value.name);
    const outer = this.recovery.begins(typed ? 'dims' : 'index');
    const { items, end } = this.bracketed(T.LSquare, T.RSquare, () => this.indexItem());
    this.recovery.notEmpty(items, { start, end });
    this.recovery.reading = outer;
    if (typed) return { kind: 'tensor', dtype: value, dims: this.recovery.withoutStars(items), start, end };
    return { kind: 'index', value, items, start, end };
  }

  private indexItem(): Expr | Tree.Every {
    if (this.next() !== T.Star) return this.read(false).node;
    const star = this.take(T.Star);
    return { kind: 'every', start: star.startOffset, end: endOf(star) };
  }

  /** A part of a path, a member or an argument may be any word. */
  protected anyWord(): Tree.Name {
    if (!this.RECORDING_PHASE && tokenMatcher(this.LA(1), T.Keyword)) return nameOf(this.take(T.Keyword));
    return this.name();
  }
}

const truthLiteral = (text: string, start: number): Tree.TruthLiteral => ({
  kind: 'truth',
  value: text === 'true',
  start,
  end: start + text.length,
});
