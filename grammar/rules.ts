import type { IOrAlt, IToken } from 'chevrotain';
import { ExpressionRules, nameOf } from './expression-rules.ts';
import type { Block, Place } from './recovery.ts';
import type * as Tree from './syntax.ts';
import * as T from './tokens.ts';

type Expr = Tree.Expr;

/**
 * The grammar, as Chevrotain rules whose actions build the tree. Chevrotain's own recovery is off: an error ends its
 * statement, and `Recovery` finds the next one.
 */
export class SpaceParser extends ExpressionRules {
  constructor() {
    super();
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
        const read = this.guarded(place, () => {
          this.recovery.expectStart(place);
          return this.SUBRULE(this.statement);
        });
        if (read && this.recovery.mayStand(read, place)) found.push(read);
      }
    return found;
  }

  private settings(): Tree.Setting[] {
    const found: Tree.Setting[] = [];
    if (this.RECORDING_PHASE) this.MANY(() => this.SUBRULE(this.setting));
    else
      while (this.recovery.goesOn('settings')) {
        const read = this.guarded('settings', () => {
          this.recovery.expectStart('settings');
          return this.SUBRULE(this.setting);
        });
        if (read) found.push(read);
      }
    return found;
  }

  /** Reads one statement or setting; after an error, goes to where the next may start. */
  private guarded<R>(place: Place, read: () => R): R | undefined {
    const from = this.LA(1);
    const nesting = this.nesting;
    try {
      return read();
    } catch (error) {
      this.nesting = nesting;
      const block = this.recovery.afterError(error, from, place);
      if (block !== undefined) this.guarded(place, () => void this.braces(block));
      return undefined;
    }
  }

  private braces(place: 'space' | 'cell', expected?: string): { inside: Tree.Statement[]; end: number };
  private braces(place: 'settings'): { inside: Tree.Setting[]; end: number };
  private braces(place: Block): { inside: Tree.Statement[] | Tree.Setting[]; end: number };
  private braces(place: Block, expected = '`{`'): { inside: Tree.Statement[] | Tree.Setting[]; end: number } {
    this.enter();
    const missing = !this.RECORDING_PHASE && this.recovery.braceIsMissing(place, expected);
    const open = missing ? undefined : this.CONSUME(T.LCurly, { ERR_MSG: expected });
    const inside = place === 'settings' ? this.settings() : this.statements(place);
    const end = this.close(open, T.RCurly, place === 'settings' ? 'a setting or `}`' : 'a statement or `}`');
    this.nesting--;
    return { inside, end };
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

  // ---- statements ----------------------------------------------------------------------------------------------

  // Made once: a list of closures at every statement would cost more than the reading.
  private kinds: IOrAlt<Tree.Statement>[] | undefined;

  readonly statement = this.RULE('statement', (): Tree.Statement => this.OR((this.kinds ??= this.statementKinds())));

  private statementKinds(): IOrAlt<Tree.Statement>[] {
    const notWire = (): boolean => this.LA(2).tokenType !== T.Is;
    return [
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
      { GATE: notWire, ALT: () => this.SUBRULE(this.cellStatement) },
      { GATE: notWire, ALT: () => this.SUBRULE(this.trainStatement) },
      { GATE: notWire, ALT: () => this.SUBRULE(this.searchStatement) },
      { GATE: notWire, ALT: () => this.SUBRULE(this.modelStatement) },
      { ALT: () => this.SUBRULE(this.wireStatement) },
    ];
  }

  readonly spaceStatement = this.RULE('spaceStatement', (): Tree.SpaceStatement | Tree.DeriveStatement => {
    const start = this.CONSUME(T.Space).startOffset;
    const name = this.name();
    const derived = this.OPTION(() => this.SUBRULE(this.derived));
    if (derived && !this.RECORDING_PHASE) return { kind: 'derive', name, ...derived, start, end: this.last };
    const { inside: body, end } = this.braces('space', '`{` or `=`');
    return { kind: 'space', name, body, start, end };
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
    const dot = this.OPTION(() => this.CONSUME(T.Dot));
    const parts: Tree.PathPart[] = [];
    if (dot) parts.push({ name: '', indices: [], start, end: start });
    parts.push(this.SUBRULE(this.part));
    this.MANY(() => {
      this.CONSUME1(T.Dot);
      parts.push(this.SUBRULE1(this.part));
    });
    return { parts, start, end: this.last };
  });

  readonly word = this.RULE('word', (): Tree.Name =>
    this.OR({
      DEF: [{ ALT: () => nameOf(this.CONSUME(T.Name)) }, { ALT: () => nameOf(this.CONSUME(T.Keyword)) }],
      ERR_MSG: 'a name',
    }),
  );

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
    if (this.RECORDING_PHASE) return { from: [], to: [], start: 0, end: 0 } as never;
    const from = this.list();
    this.CONSUME(T.Arrow);
    const to = this.list();
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
    this.OR<Tree.Setting>({
      MAX_LOOKAHEAD: 1,
      DEF: [
        {
          GATE: () => this.LA(2).tokenType === T.LCurly || this.LA(1).tokenType === T.Phase,
          ALT: () => this.SUBRULE(this.group),
        },
        { ALT: () => this.SUBRULE(this.valueSetting) },
      ],
    }),
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
}

type Imported = NonNullable<Tree.UseStatement['names']>[number];
