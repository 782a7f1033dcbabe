import type { IParserErrorMessageProvider, IToken, TokenType } from 'chevrotain';
import { EmbeddedActionsParser } from './chevrotain.ts';
import { numberLiteral, textLiteral } from './literals.ts';
import { ExpressionBuilder } from './operators.ts';
import { expression as anExpression, labelOf, tooDeep } from './problems.ts';
import type { Place } from './recovery.ts';
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

const endOf = (token: IToken): number => token.startOffset + token.image.length;
const nameOf = (token: IToken): Tree.Name => ({
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
 * The grammar, as Chevrotain rules whose actions build the tree. An expression is one flat rule,
 * "operand (operator operand)*", and `ExpressionBuilder` applies the precedence. Chevrotain's own recovery is off: an
 * error ends its statement, and `Recovery` finds the next one.
 */
export class SpaceParser extends EmbeddedActionsParser {
  readonly recovery: Recovery;
  private nesting = 0;

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
    this.performSelfAnalysis();
  }

  begin(tokens: IToken[], text: string): void {
    this.input = tokens;
    this.nesting = 0;
    this.recovery.begin(tokens, text);
  }

  // ---- programs and blocks -------------------------------------------------------------------------------------

  readonly program = this.RULE('program', (): Tree.Statement[] => this.statements('file'));

  private statements(place: Exclude<Place, 'settings'>): Tree.Statement[] {
    const found: Tree.Statement[] = [];
    if (this.RECORDING_PHASE) this.MANY(() => this.SUBRULE(this.statement));
    else
      while (this.recovery.goesOn(place)) {
        const read = this.guarded(place, () => this.SUBRULE(this.statement));
        if (read && this.recovery.mayStand(read, place)) found.push(read);
      }
    return found;
  }

  private settings(): Tree.Setting[] {
    const found: Tree.Setting[] = [];
    if (this.RECORDING_PHASE) this.MANY(() => this.SUBRULE(this.setting));
    else
      while (this.recovery.goesOn('settings')) {
        const read = this.guarded('settings', () => this.SUBRULE(this.setting));
        if (read) found.push(read);
      }
    return found;
  }

  /** Reads one statement or setting; after an error, goes to where the next may start. */
  private guarded<R>(place: Place, read: () => R): R | undefined {
    const from = this.LA(1);
    const nesting = this.nesting;
    try {
      this.recovery.expectStart(place);
      return read();
    } catch (error) {
      this.nesting = nesting;
      const block = this.recovery.afterError(error, from, place);
      if (block !== undefined) this.guarded(place, () => void this.braces(block));
      return undefined;
    }
  }

  private braces(place: 'space' | 'cell'): { inside: Tree.Statement[]; end: number };
  private braces(place: 'settings'): { inside: Tree.Setting[]; end: number };
  private braces(place: Place): { inside: Tree.Statement[] | Tree.Setting[]; end: number };
  private braces(place: Place): { inside: Tree.Statement[] | Tree.Setting[]; end: number } {
    this.enter();
    const open = this.recovery.braceIsMissing(place) ? undefined : this.CONSUME(T.LCurly);
    const inside = place === 'settings' ? this.settings() : this.statements(place);
    const end = this.close(open, T.RCurly, place === 'settings' ? 'a setting or `}`' : 'a statement or `}`');
    this.nesting--;
    return { inside, end };
  }

  private enter(): void {
    if (++this.nesting > MAX_NESTING && !this.RECORDING_PHASE) throw tooDeep(this.LA(1));
  }

  /** The closing bracket of `open`; gives its end. */
  private close(open: IToken | undefined, type: TokenType, expected: string): number {
    if (!this.RECORDING_PHASE && this.LA(1).tokenType !== type) this.recovery.open = open;
    return endOf(this.CONSUME(type, { ERR_MSG: expected }));
  }

  /** `item, item, …` in brackets, a trailing comma allowed. */
  private bracketed<R>(open: TokenType, close: TokenType, item: () => R): { items: R[]; start: number; end: number } {
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

  /** `item, item, …` without brackets; a trailing comma is allowed where `more` sees that no item follows it. */
  private listed<R>(item: () => R, more: () => boolean): R[] {
    const items: R[] = [];
    if (this.RECORDING_PHASE) this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: item });
    else
      do {
        items.push(item());
        if (this.LA(1).tokenType !== T.Comma) break;
        this.CONSUME1(T.Comma);
      } while (more());
    return items;
  }

  private append<R>(to: R[], more: readonly R[]): void {
    this.ACTION(() => void more.forEach((item) => to.push(item)));
  }

  private name(expected?: string): Tree.Name {
    return nameOf(this.CONSUME(T.Name, expected === undefined ? {} : { ERR_MSG: expected }));
  }

  private get last(): number {
    const token = this.LA(0);
    return endOf(token);
  }

  // ---- statements ----------------------------------------------------------------------------------------------

  readonly statement = this.RULE(
    'statement',
    (): Tree.Statement =>
      this.OR<Tree.Statement>([
        { ALT: () => this.SUBRULE(this.spaceStatement) },
        { ALT: () => this.SUBRULE(this.letStatement) },
        { ALT: () => this.SUBRULE(this.defStatement) },
        { ALT: () => this.SUBRULE(this.sharedStatement) },
        { ALT: () => this.SUBRULE(this.inputStatement) },
        { ALT: () => this.SUBRULE(this.outputStatement) },
        { ALT: () => this.SUBRULE(this.returnStatement) },
        { ALT: () => this.SUBRULE(this.requireStatement) },
        { ALT: () => this.SUBRULE(this.preferStatement) },
        { ALT: () => this.SUBRULE(this.checkStatement) },
        { ALT: () => this.SUBRULE(this.useStatement) },
        { GATE: () => this.LA(2).tokenType !== T.Is, ALT: () => this.SUBRULE(this.cellStatement) },
        { GATE: () => this.LA(2).tokenType !== T.Is, ALT: () => this.SUBRULE(this.trainStatement) },
        { GATE: () => this.LA(2).tokenType !== T.Is, ALT: () => this.SUBRULE(this.searchStatement) },
        { GATE: () => this.LA(2).tokenType !== T.Is, ALT: () => this.SUBRULE(this.modelStatement) },
        { ALT: () => this.SUBRULE(this.wireStatement) },
      ]),
  );

  readonly spaceStatement = this.RULE('spaceStatement', (): Tree.SpaceStatement | Tree.DeriveStatement => {
    const start = this.CONSUME(T.Space).startOffset;
    const name = this.name();
    return this.OR<Tree.SpaceStatement | Tree.DeriveStatement>({
      DEF: [
        { ALT: () => ({ kind: 'derive', name, ...this.SUBRULE(this.derived), start, end: this.last }) },
        {
          ALT: () => {
            const { inside: body, end } = this.braces('space');
            return { kind: 'space', name, body, start, end };
          },
        },
      ],
      ERR_MSG: '`{` or `=`',
    });
  });

  readonly derived = this.RULE('derived', (): Pick<Tree.DeriveStatement, 'base' | 'bindings' | 'conditions'> => {
    this.CONSUME(T.Is);
    const base = this.SUBRULE(this.base);
    const bindings: Tree.Binding[] = [];
    const conditions: Expr[] = [];
    this.MANY({
      GATE: () => this.LA(2).tokenType !== T.Is,
      DEF: () =>
        this.OR([
          { ALT: () => this.append(bindings, this.SUBRULE(this.bindings)) },
          {
            ALT: () => {
              this.CONSUME(T.Where);
              this.append(conditions, this.SUBRULE(this.conditions));
            },
          },
        ]),
    });
    return { base, bindings, conditions };
  });

  readonly modelStatement = this.RULE('modelStatement', (): Tree.ModelStatement => {
    const start = this.CONSUME(T.Model).startOffset;
    const name = this.name();
    this.CONSUME(T.Is);
    const base = this.SUBRULE(this.base);
    const bindings = this.OPTION(() => this.SUBRULE(this.bindings)) ?? [];
    return { kind: 'model', name, base, bindings, start, end: this.last };
  });

  /** The space that another comes from: `DeepConv`, `my.DeepConv`. */
  readonly base = this.RULE('base', (): Tree.Name | Tree.MemberExpr => {
    let base: Tree.Name | Tree.MemberExpr = this.name('the name of a space');
    this.MANY(() => {
      this.CONSUME(T.Dot);
      const member = nameOf(this.CONSUME1(T.Name));
      base = { kind: 'member', value: base, member, start: base.start, end: member.end };
    });
    return base;
  });

  readonly bindings = this.RULE('bindings', (): Tree.Binding[] => {
    this.CONSUME(T.With);
    return this.SUBRULE(this.bindingList);
  });

  readonly bindingList = this.RULE('bindingList', (): Tree.Binding[] => {
    return this.bracketed(T.LCurly, T.RCurly, () => this.SUBRULE(this.binding)).items;
  });

  readonly binding = this.RULE('binding', (): Tree.Binding => {
    const path = this.SUBRULE(this.path);
    this.CONSUME(T.Is);
    const value = this.SUBRULE(this.expression);
    return { path, value: value.node, start: path.start, end: value.end };
  });

  readonly path = this.RULE('path', (): Tree.Path => {
    const start = this.LA(1).startOffset;
    this.OPTION(() => this.CONSUME(T.Dot));
    const parts = [this.SUBRULE(this.part)];
    this.MANY(() => {
      this.CONSUME1(T.Dot);
      parts.push(this.SUBRULE1(this.part));
    });
    return { parts, start, end: this.last };
  });

  readonly part = this.RULE('part', (): Tree.PathPart => {
    const name = this.SUBRULE(this.word);
    const indices: (number | '*')[] = [];
    this.MANY(() => {
      const open = this.CONSUME(T.LSquare);
      this.OR({
        DEF: [
          { ALT: () => indices.push(this.wholeNumber(this.CONSUME(T.NumberToken))) },
          { ALT: () => (this.CONSUME(T.Star), indices.push('*')) },
        ],
        ERR_MSG: 'a number or `*`',
      });
      this.close(open, T.RSquare, '`]`');
    });
    return { name: name.name, indices, start: name.start, end: this.last };
  });

  private wholeNumber(token: IToken): number {
    return this.ACTION(() => this.recovery.wholeNumber(token));
  }

  /** A part of a path or a member may be any word. */
  readonly word = this.RULE(
    'word',
    (): Tree.Name =>
      this.OR({
        DEF: [
          { ALT: () => nameOf(this.CONSUME(T.Name)) },
          { ALT: () => nameOf(this.CONSUME(T.Keyword)) },
        ],
        ERR_MSG: 'a name',
      }),
  );

  readonly inputStatement = this.RULE('inputStatement', (): Tree.InputStatement => {
    const start = this.CONSUME(T.Input).startOffset;
    const item = (): Tree.InputStatement['inputs'][number] => {
      const name = this.name();
      this.CONSUME(T.Colon, { ERR_MSG: '`:` and the type' });
      return { name, type: this.SUBRULE(this.expression).node };
    };
    const inputs = this.listed(item, () => this.recovery.isNamed(T.Colon));
    return { kind: 'input', inputs, start, end: this.last };
  });

  readonly outputStatement = this.RULE('outputStatement', (): Tree.OutputStatement => {
    const start = this.CONSUME(T.Output).startOffset;
    const item = (): Tree.OutputStatement['outputs'][number] => {
      const name = this.name();
      this.CONSUME(T.Is);
      return { name, value: this.SUBRULE(this.expression).node };
    };
    const outputs = this.listed(item, () => this.recovery.isNamed(T.Is));
    return { kind: 'output', outputs, start, end: this.last };
  });

  readonly wireStatement = this.RULE('wireStatement', (): Tree.WireStatement => {
    const name = this.name();
    this.CONSUME(T.Is);
    const value = this.SUBRULE(this.expression);
    return { kind: 'wire', name, value: value.node, start: name.start, end: value.end };
  });

  readonly letStatement = this.RULE('letStatement', (): Tree.LetStatement => {
    const start = this.CONSUME(T.Let).startOffset;
    const name = this.name();
    this.CONSUME(T.Is);
    const value = this.SUBRULE(this.expression, { ARGS: [true] });
    return { kind: 'let', name, value: value.node, start, end: value.end };
  });

  readonly defStatement = this.RULE('defStatement', (): Tree.DefStatement => {
    const start = this.CONSUME(T.Def).startOffset;
    const name = this.name();
    const params = this.OPTION(() => this.SUBRULE(this.parameters));
    const signature = this.OPTION1(() => this.SUBRULE(this.signature));
    this.CONSUME(T.Is, { ERR_MSG: params ? '`=` or `:`' : '`=`, `(` or `:`' });
    const value = this.SUBRULE(this.expression);
    const optional = { ...(params && { params }), ...(signature && { signature }) };
    return { kind: 'def', name, ...optional, value: value.node, start, end: value.end };
  });

  readonly parameters = this.RULE('parameters', (): Tree.Parameter[] => {
    return this.bracketed(T.LParen, T.RParen, () => this.SUBRULE(this.parameter)).items;
  });

  readonly parameter = this.RULE('parameter', (): Tree.Parameter => {
    const name = this.name('the name of a parameter');
    const value = this.OPTION(() => {
      this.CONSUME(T.Colon);
      return this.SUBRULE(this.expression).node;
    });
    return { name, ...(value && { value }), start: name.start, end: this.last };
  });

  readonly signature = this.RULE('signature', (): Tree.Signature => {
    this.CONSUME(T.Colon);
    const from = this.SUBRULE(this.list);
    this.CONSUME(T.Arrow);
    const to = this.SUBRULE1(this.list);
    return { from, to, start: from.start, end: to.end };
  });

  readonly sharedStatement = this.RULE('sharedStatement', (): Tree.SharedStatement => {
    const start = this.CONSUME(T.Shared).startOffset;
    const name = this.name();
    this.CONSUME(T.Is);
    const value = this.SUBRULE(this.expression);
    return { kind: 'shared', name, value: value.node, start, end: value.end };
  });

  readonly cellStatement = this.RULE('cellStatement', (): Tree.CellStatement => {
    const start = this.CONSUME(T.Cell).startOffset;
    const name = this.name();
    const params = this.SUBRULE(this.parameters);
    const { inside: body, end } = this.braces('cell');
    return { kind: 'cell', name, params, body, start, end };
  });

  readonly returnStatement = this.RULE('returnStatement', (): Tree.ReturnStatement => {
    const start = this.CONSUME(T.Return).startOffset;
    const value = this.SUBRULE(this.expression);
    return { kind: 'return', value: value.node, start, end: value.end };
  });

  readonly conditions = this.RULE('conditions', (): Expr[] =>
    this.listed(
      () => this.SUBRULE(this.expression).node,
      () => this.recovery.expressionFollows(),
    ),
  );

  readonly requireStatement = this.RULE('requireStatement', (): Tree.RequireStatement => {
    const start = this.CONSUME(T.Require).startOffset;
    const conditions = this.SUBRULE(this.conditions);
    return { kind: 'require', conditions, start, end: this.last };
  });

  readonly checkStatement = this.RULE('checkStatement', (): Tree.CheckStatement => {
    const start = this.CONSUME(T.Check).startOffset;
    const conditions = this.SUBRULE(this.conditions);
    return { kind: 'check', conditions, start, end: this.last };
  });

  readonly preferStatement = this.RULE('preferStatement', (): Tree.PreferStatement => {
    const start = this.CONSUME(T.Prefer).startOffset;
    const item = (): Tree.PreferStatement['wishes'][number] => {
      const condition = this.SUBRULE(this.expression).node;
      const weight = this.SUBRULE(this.weight);
      return { condition, ...(weight && { weight }) };
    };
    const wishes = this.listed(item, () => this.recovery.expressionFollows());
    return { kind: 'prefer', wishes, start, end: this.last };
  });

  /** `weight 0.2`, or nothing. */
  readonly weight = this.RULE('weight', (): Expr | undefined =>
    this.OPTION({
      GATE: () => this.LA(2).tokenType !== T.Is,
      DEF: () => {
        this.CONSUME(T.Weight);
        return this.SUBRULE(this.expression).node;
      },
    }),
  );

  readonly useStatement = this.RULE('useStatement', (): Tree.UseStatement => {
    const start = this.CONSUME(T.Use).startOffset;
    const file = this.text(this.CONSUME(T.Text, { ERR_MSG: 'a file in double quotes' }));
    const rest = this.OR<{ names: Imported[] } | { alias: Tree.Name }>({
      DEF: [
        { ALT: () => ({ names: this.bracketed(T.LCurly, T.RCurly, () => this.SUBRULE(this.imported)).items }) },
        { ALT: () => (this.CONSUME(T.As), { alias: this.name() }) },
      ],
      ERR_MSG: '`{` and names, or `as` and a name',
    });
    return { kind: 'use', file, ...rest, start, end: this.last };
  });

  readonly imported = this.RULE('imported', (): Imported => {
    const name = this.name();
    const alias = this.OPTION(() => {
      this.CONSUME(T.As);
      return nameOf(this.CONSUME1(T.Name));
    });
    return { name, ...(alias && { alias }) };
  });

  // ---- settings ------------------------------------------------------------------------------------------------

  readonly trainStatement = this.RULE('trainStatement', (): Tree.TrainStatement => {
    const start = this.CONSUME(T.Train).startOffset;
    const { inside: settings, end } = this.braces('settings');
    return { kind: 'train', settings, start, end };
  });

  readonly searchStatement = this.RULE('searchStatement', (): Tree.SearchStatement => {
    const start = this.CONSUME(T.Search).startOffset;
    const { inside: settings, end } = this.braces('settings');
    return { kind: 'search', settings, start, end };
  });

  readonly setting = this.RULE('setting', (): Tree.Setting =>
    this.OR<Tree.Setting>([
      {
        GATE: () => this.LA(2).tokenType === T.LCurly || this.LA(1).tokenType === T.Phase,
        ALT: () => this.SUBRULE(this.group),
      },
      { ALT: () => this.SUBRULE(this.valueSetting) },
    ]),
  );

  readonly group = this.RULE('group', (): Tree.GroupSetting => {
    const key = this.name();
    const label = this.OPTION(() => nameOf(this.CONSUME1(T.Name)));
    const { inside: settings, end } = this.braces('settings');
    return { kind: 'group', key, ...(label && { label }), settings, start: key.start, end };
  });

  readonly valueSetting = this.RULE('valueSetting', (): Tree.ValueSetting => {
    const key = this.name();
    const items = this.listed(
      () => this.SUBRULE(this.item),
      () => this.LA(1).tokenType !== T.RCurly,
    );
    return { kind: 'setting', key, items, start: key.start, end: this.last };
  });

  readonly item = this.RULE('item', (): Tree.SettingItem => {
    const start = this.LA(1).startOffset;
    const name = this.OPTION({
      GATE: () => this.LA(2).tokenType === T.Colon,
      DEF: () => {
        const named = this.name();
        this.CONSUME(T.Colon);
        return named;
      },
    });
    const fidelity = this.OPTION1(() => this.CONSUME(T.Fidelity)) !== undefined;
    const value = this.SUBRULE(this.expression).node;
    const trials = this.OPTION2(() => this.CONSUME(T.Trials)) !== undefined;
    const weight = this.SUBRULE(this.weight);
    return { ...(name && { name }), fidelity, value, trials, ...(weight && { weight }), start, end: this.last };
  });

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

  private text(token: IToken): Tree.TextLiteral {
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
}

type Imported = NonNullable<Tree.UseStatement['names']>[number];

const truthLiteral = (text: string, start: number): Tree.TruthLiteral => ({
  kind: 'truth',
  value: text === 'true',
  start,
  end: start + text.length,
});
