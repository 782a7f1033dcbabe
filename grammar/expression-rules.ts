import type { IParserErrorMessageProvider, IToken, TokenType } from 'chevrotain';
import { EmbeddedActionsParser } from './chevrotain.ts';
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

const dtype = /^(?:[fiu]\d+|bf16|bool)$/;

export const endOf = (token: IToken): number => token.startOffset + token.image.length;
export const nameOf = (token: IToken): Tree.Name => ({
  kind: 'name',
  name: token.image,
  start: token.startOffset,
  end: endOf(token),
});

// The "message" of a Chevrotain error is only what was expected; `Recovery` makes the sentence around it.
const expectations: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => labelOf(expected),
  buildNotAllInputParsedMessage: () => 'the end of the file',
  buildNoViableAltMessage: ({ customUserDescription }) => customUserDescription ?? 'something else',
  buildEarlyExitMessage: ({ customUserDescription }) => customUserDescription ?? 'something else',
};

/**
 * The rules of expressions. An expression is one flat rule, "operand (operator operand)*", and `ExpressionBuilder`
 * applies the precedence: a ladder of a rule a level would need three times the stack.
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

  /** The closing bracket of `open`; gives its end. */
  protected close(open: IToken | undefined, type: TokenType, expected: string): number {
    if (!this.RECORDING_PHASE && this.LA(1).tokenType !== type) this.recovery.open = open;
    return endOf(this.CONSUME(type, { ERR_MSG: expected }));
  }

  /** `item, item, …` in brackets, a trailing comma allowed. */
  protected bracketed<R>(open: TokenType, close: TokenType, item: () => R): { items: R[]; start: number; end: number } {
    const opened = this.CONSUME(open);
    const items: R[] = [];
    if (this.RECORDING_PHASE) this.MANY_SEP({ SEP: T.Comma, DEF: item });
    else
      while (this.LA(1).tokenType !== close) {
        items.push(item());
        if (this.LA(1).tokenType !== T.Comma) break;
        this.CONSUME1(T.Comma);
      }
    const expected = `${items.length > 0 ? 'an operator, ' : ''}\`,\` or ${labelOf(close)}`;
    return { items, start: opened.startOffset, end: this.close(opened, close, expected) };
  }

  protected name(expected?: string): Tree.Name {
    return nameOf(this.CONSUME(T.Name, expected === undefined ? {} : { ERR_MSG: expected }));
  }

  protected get last(): number {
    const token = this.LA(0);
    return endOf(token);
  }

  // ---- expressions ---------------------------------------------------------------------------------------------

  /** `noIn`: in the value of a `let`, where the first `in` outside brackets ends it. */
  readonly expression = this.RULE('expression', (noIn?: boolean): Entry => {
    this.enter();
    const builder = new ExpressionBuilder();
    this.MANY(() => this.prefix(builder, this.CONSUME(T.Prefix)));
    this.operandInto(builder, this.SUBRULE(this.operand, { ARGS: [noIn] }));
    this.MANY1({
      GATE: () => this.recovery.operatorFollows(noIn === true),
      DEF: () =>
        this.OR([
          {
            ALT: () => {
              const operator = this.CONSUME(T.Infix);
              this.ACTION(() => builder.infix(operator));
              this.MANY2(() => this.prefix(builder, this.CONSUME1(T.Prefix)));
              this.operandInto(builder, this.SUBRULE1(this.operand, { ARGS: [noIn] }));
            },
          },
          { ALT: () => this.suffix(builder, this.CONSUME(T.Log)) },
          { ALT: () => this.suffix(builder, this.CONSUME(T.Pow2)) },
        ]),
    });
    this.nesting--;
    return this.ACTION(() => builder.finish());
  });

  private prefix(builder: ExpressionBuilder, token: IToken): void {
    this.ACTION(() => builder.prefix(token));
  }

  private suffix(builder: ExpressionBuilder, token: IToken): void {
    this.ACTION(() => builder.suffix(token));
  }

  private operandInto(builder: ExpressionBuilder, entry: Entry): void {
    this.ACTION(() => builder.operand(entry.node, entry.start, entry.end));
  }

  readonly operand = this.RULE('operand', (noIn?: boolean): Entry =>
    this.OR<Entry>({
      MAX_LOOKAHEAD: 1,
      DEF: [
        { ALT: () => this.SUBRULE(this.postfix) },
        { ALT: () => this.literal(numberLiteral, this.CONSUME(T.NumberToken)) },
        { ALT: () => this.literal(textLiteral, this.CONSUME(T.Text)) },
        { ALT: () => this.literal(truthLiteral, this.CONSUME(T.True)) },
        { ALT: () => this.literal(truthLiteral, this.CONSUME(T.False)) },
        { ALT: () => this.SUBRULE(this.ifExpression, { ARGS: [noIn] }) },
        { ALT: () => this.SUBRULE(this.letExpression, { ARGS: [noIn] }) },
      ],
      ERR_MSG: anExpression,
    }),
  );

  private literal(make: (text: string, start: number) => Expr, token: IToken): Entry {
    return this.ACTION(() => {
      const node = make(token.image, token.startOffset);
      this.recovery.noPostfix(node);
      return { node, start: node.start, end: node.end };
    });
  }

  protected text(token: IToken): Tree.TextLiteral {
    return this.ACTION(() => textLiteral(token.image, token.startOffset));
  }

  readonly ifExpression = this.RULE('ifExpression', (noIn?: boolean): Entry => {
    const start = this.CONSUME(T.If).startOffset;
    const test = this.SUBRULE(this.expression, { ARGS: [noIn] });
    this.CONSUME(T.Then, { ERR_MSG: 'an operator or `then`' });
    const then = this.SUBRULE1(this.expression, { ARGS: [noIn] });
    this.CONSUME(T.Else, { ERR_MSG: 'an operator or `else`' });
    const last = this.SUBRULE2(this.expression, { ARGS: [noIn] });
    const end = last.end;
    return { node: { kind: 'if', test: test.node, then: then.node, otherwise: last.node, start, end }, start, end };
  });

  readonly letExpression = this.RULE('letExpression', (noIn?: boolean): Entry => {
    const start = this.CONSUME(T.Let).startOffset;
    const name = this.name();
    this.CONSUME(T.Is);
    const value = this.SUBRULE(this.expression, { ARGS: [true] });
    this.CONSUME(T.In, { ERR_MSG: 'an operator or `in`' });
    const body = this.SUBRULE1(this.expression, { ARGS: [noIn] });
    const end = body.end;
    return { node: { kind: 'letin', name, value: value.node, body: body.node, start, end }, start, end };
  });

  /** A name, a list or a parenthesised expression, with what follows it at once. */
  readonly postfix = this.RULE('postfix', (): Entry => {
    const first = this.OR({
      DEF: [
        {
          ALT: () => {
            const node = nameOf(this.CONSUME(T.Name));
            return { node, start: node.start, end: node.end };
          },
        },
        { ALT: () => this.SUBRULE(this.parens) },
        {
          ALT: () => {
            const node = this.SUBRULE(this.list);
            return { node, start: node.start, end: node.end };
          },
        },
      ],
    });
    const start = first.start;
    let node: Expr = first.node;
    let end = first.end;
    this.MANY({
      GATE: () => this.LA(1).tokenType !== T.As || this.recovery.labelFollows(),
      DEF: () => {
        node = this.OR1<Expr>([
          { ALT: () => (this.CONSUME(T.Question), { kind: 'optional', value: node, start, end: this.last }) },
          { ALT: () => ({ kind: 'repeat', value: node, ...this.SUBRULE(this.repeat), start, end: this.last }) },
          { ALT: () => ({ kind: 'call', callee: node, args: this.SUBRULE(this.args), start, end: this.last }) },
          {
            ALT: () => {
              const items = this.SUBRULE(this.index);
              return this.ACTION(() => this.indexed(node, items, start));
            },
          },
          {
            ALT: () => {
              this.CONSUME(T.Dot);
              return { kind: 'member', value: node, member: this.SUBRULE(this.word), start, end: this.last };
            },
          },
          {
            ALT: () => {
              this.CONSUME(T.As);
              return { kind: 'labelled', value: node, label: nameOf(this.CONSUME1(T.Name)), start, end: this.last };
            },
          },
        ]);
        end = this.last;
      },
    });
    return { node, start, end };
  });

  private indexed(value: Expr, items: readonly (Expr | Tree.Every)[], start: number): Expr {
    const at = { start, end: this.last };
    this.recovery.notEmpty(items, at);
    if (value.kind !== 'name' || !dtype.test(value.name)) return { kind: 'index', value, items, ...at };
    return { kind: 'tensor', dtype: value, dims: this.recovery.withoutStars(items), ...at };
  }

  readonly parens = this.RULE('parens', (): Entry => {
    const open = this.CONSUME(T.LParen);
    const inner = this.SUBRULE(this.expression);
    const end = this.close(open, T.RParen, 'an operator or `)`');
    return this.ACTION(() => ({ node: { ...inner.node, parens: true }, start: open.startOffset, end }));
  });

  readonly list = this.RULE('list', (): Tree.ListExpr => {
    const { items, start, end } = this.bracketed(T.LSquare, T.RSquare, () => this.SUBRULE(this.expression).node);
    return { kind: 'list', items, start, end };
  });

  readonly repeat = this.RULE('repeat', (): Pick<Tree.RepeatExpr, 'times' | 'tied'> => {
    const open = this.CONSUME(T.LCurly);
    const tied = this.OPTION(() => this.CONSUME(T.Tied)) !== undefined;
    const times = this.SUBRULE(this.expression).node;
    this.close(open, T.RCurly, 'an operator or `}`');
    return { times, tied };
  });

  readonly args = this.RULE('args', (): Tree.Argument[] => {
    return this.bracketed(T.LParen, T.RParen, () => this.SUBRULE(this.argument)).items;
  });

  readonly argument = this.RULE('argument', (): Tree.Argument => {
    const start = this.LA(1).startOffset;
    const name = this.OPTION({
      GATE: () => this.LA(2).tokenType === T.Colon,
      DEF: () => {
        const named = this.SUBRULE(this.word);
        this.CONSUME(T.Colon);
        return named;
      },
    });
    const value = this.SUBRULE(this.expression);
    return { ...(name && { name }), value: value.node, start, end: value.end };
  });

  readonly index = this.RULE('index', (): (Expr | Tree.Every)[] => {
    return this.bracketed(T.LSquare, T.RSquare, () => this.SUBRULE(this.indexItem)).items;
  });

  readonly indexItem = this.RULE('indexItem', (): Expr | Tree.Every =>
    this.OR<Expr | Tree.Every>({
      DEF: [
        {
          ALT: () => {
            const star = this.CONSUME(T.Star);
            return { kind: 'every', start: star.startOffset, end: endOf(star) };
          },
        },
        { ALT: () => this.SUBRULE(this.expression).node },
      ],
      ERR_MSG: 'an expression or `*`',
    }),
  );

  /** A part of a path or a member may be any word. */
  readonly word = this.RULE('word', (): Tree.Name =>
    this.OR({
      DEF: [{ ALT: () => nameOf(this.CONSUME(T.Name)) }, { ALT: () => nameOf(this.CONSUME(T.Keyword)) }],
      ERR_MSG: 'a name',
    }),
  );
}

const truthLiteral = (text: string, start: number): Tree.TruthLiteral => ({
  kind: 'truth',
  value: text === 'true',
  start,
  end: start + text.length,
});
