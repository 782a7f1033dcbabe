import { quote } from '../../grammar/literals.ts';
import { binaryLevel, levels } from '../../grammar/operators.ts';
import type * as Tree from '../../grammar/syntax.ts';
import { Comments } from './comments.ts';
import type { Doc } from './doc.ts';
import { blankline, group, hardline, indent, join, line, render, softline } from './doc.ts';

type Expr = Tree.Expr;

export const WIDTH = 100;
// Where an expression goes on; the body of a block is at 2.
const CONTINUED = 4;

/**
 * A program as text, parsed back to an equal tree. With the text that the tree was parsed from, its comments and
 * single empty lines are kept; without, an empty line stands around every block.
 */
export function printProgram(tree: Tree.Program, text?: string): string {
  const printer = new Printer(new Comments(tree, text), text === undefined);
  const printed = render(printer.program(tree), WIDTH).replace(/^\n+/, '');
  return printed === '' ? '' : `${printed}\n`;
}

export const printExpression = (node: Expr): string => printPart((p) => p.expression(node));
export const printStatement = (node: Tree.Statement): string => printPart((p) => p.statement(node));
export const printPath = ({ parts }: Pick<Tree.Path, 'parts'>): string => {
  const words = parts.map((part) => part.name + part.indices.map((i) => `[${i}]`).join(''));
  return words.join('.');
};

function printPart(print: (printer: Printer) => Doc): string {
  const empty: Tree.Program = { kind: 'program', statements: [], comments: [], start: 0, end: 0 };
  return render(print(new Printer(new Comments(empty, undefined), true)), WIDTH);
}

/** How tight an expression binds as it stands; 0 for those that reach as far to the right as they can. */
function levelOf(node: Expr): number {
  if (node.kind === 'binary') return binaryLevel(node.operator);
  if (node.kind === 'unary') return node.operator === 'not' ? levels.not : levels.negation;
  return kindLevels[node.kind];
}

const kindLevels: Readonly<Record<Exclude<Expr['kind'], 'binary' | 'unary'>, number>> = {
  if: 0,
  letin: 0,
  choice: levels.choice,
  order: levels.order,
  chain: levels.chain,
  via: levels.via,
  prior: levels.prior,
  range: levels.range,
  each: levels.negation,
  optional: levels.postfix,
  repeat: levels.postfix,
  call: levels.postfix,
  index: levels.postfix,
  member: levels.postfix,
  labelled: levels.postfix,
  name: levels.operand,
  number: levels.operand,
  text: levels.operand,
  truth: levels.operand,
  list: levels.operand,
  tensor: levels.operand,
};

const isLiteral = (node: Expr): boolean => node.kind === 'number' || node.kind === 'text' || node.kind === 'truth';
const isLeaf = (node: Expr): boolean => isLiteral(node) || node.kind === 'name';
const isBlock = (s: Tree.Statement): boolean => ['space', 'cell', 'train', 'search'].includes(s.kind);

/** The part that an expression starts with, as far as it stands without parentheses. */
function leftmost(node: Expr): Expr | undefined {
  if (node.parens) return undefined;
  const first = firstPart(node);
  if (!first || (node.kind === 'repeat' && first.kind === 'name')) return node;
  return leftmost(first);
}

function firstPart(node: Expr): Expr | undefined {
  if (node.kind === 'choice') return node.alternatives[0]?.value;
  if (node.kind === 'order') return node.items[0];
  if (node.kind === 'chain') return node.steps[0];
  if (node.kind === 'binary') return node.left;
  if (node.kind === 'range') return node.from;
  if (node.kind === 'call') return node.callee;
  if (node.kind === 'unary' || node.kind === 'each' || node.kind === 'letin') return undefined;
  return 'value' in node && typeof node.value === 'object' ? node.value : undefined;
}

class Printer {
  private readonly comments: Comments;
  private readonly spaced: boolean;
  /** In the value of a `let`, outside brackets: an `in` here would end it. */
  private noIn = false;

  constructor(comments: Comments, spaced: boolean) {
    this.comments = comments;
    this.spaced = spaced;
  }

  // ---- statements ----------------------------------------------------------------------------------------------

  program(tree: Tree.Program): Doc {
    return this.body(tree.statements, tree.end + 1, (s) => this.statement(s), isBlock);
  }

  /** Statements or settings, each on a new line, with the comments around them up to `end`. */
  private body<N extends Tree.Spanned>(
    nodes: readonly N[],
    end: number,
    print: (node: N) => Doc,
    apart: (node: N) => boolean = () => false,
  ): Doc {
    const docs: Doc[] = [];
    let last = 0;
    let first = true;
    nodes.forEach((node, i) => {
      const above = this.comments.above(node.start, last, first);
      const wide = this.spaced && i > 0 && (apart(node) || apart(nodes[i - 1]!));
      docs.push(...above.docs, wide ? blankline : this.comments.newline(above.end, node.start, above.first));
      docs.push(print(node));
      last = node.end;
      first = false;
    });
    docs.push(...this.comments.above(end, last, first).docs);
    return docs;
  }

  private block<N extends Tree.Spanned>(head: Doc, nodes: readonly N[], end: number, print: (node: N) => Doc): Doc {
    const body = this.body(nodes, end - 1, print);
    return [head, ' {', indent(body), (body as readonly Doc[]).length > 0 ? hardline : '', '}'];
  }

  statement(node: Tree.Statement): Doc {
    const inner = (s: Tree.Statement): Doc => this.statement(s);
    switch (node.kind) {
      case 'space':
        return this.block(`space ${node.name.name}`, node.body, node.end, inner);
      case 'cell':
        return this.block(this.head('cell', node), node.body, node.end, inner);
      case 'train':
      case 'search':
        return this.block(node.kind, node.settings, node.end, (s) => this.setting(s));
      case 'derive': {
        const derived = [`space ${node.name.name} = `, this.expression(node.base), this.bindings(node)];
        const conditions = this.conditions(node.conditions);
        return group([derived, node.conditions.length > 0 ? continued([line, 'where ', conditions]) : '']);
      }
      case 'model':
        return group([`model ${node.name.name} = `, this.expression(node.base), this.bindings(node)]);
      case 'input':
        return this.listed(
          'input',
          this.items(node.inputs, (i) => [`${i.name.name}: `, this.expression(i.type)]),
        );
      case 'output':
        return this.listed(
          'output',
          this.items(node.outputs, (o) => [`${o.name.name} = `, this.expression(o.value)]),
        );
      case 'require':
      case 'check':
        return this.listed(node.kind, this.conditions(node.conditions));
      case 'prefer':
        return this.listed(
          'prefer',
          this.items(node.wishes, (w, i) => [this.condition(w.condition, i), this.weight(w)]),
        );
      case 'wire':
        return this.defined(node.name.name, node.value);
      case 'shared':
        return this.defined(`shared ${node.name.name}`, node.value);
      case 'let':
        return this.withoutIn(true, () => this.defined(`let ${node.name.name}`, node.value));
      case 'def':
        return this.defined(this.head('def', node), node.value);
      case 'return':
        return group(['return ', continued(this.expression(node.value))]);
      case 'use':
        return this.use(node);
    }
  }

  private defined(head: Doc, value: Expr): Doc {
    const printed = this.expression(value);
    return group([head, ' = ', hugs(value) ? printed : continued(printed)]);
  }

  private listed(key: string, items: Doc): Doc {
    return group([`${key} `, continued(items)]);
  }

  private head(key: string, node: Tree.CellStatement | Tree.DefStatement): Doc {
    const params = node.params && this.enclosed('(', ')', node.params, undefined, (p) => this.parameter(p));
    const { from, to } = (node.kind === 'def' && node.signature) || {};
    const signature = from && to ? [': ', this.expression(from), ' -> ', this.expression(to)] : '';
    return [`${key} ${node.name.name}`, params ?? '', signature];
  }

  private parameter({ name, value }: Tree.Parameter): Doc {
    return value ? [`${name.name}: `, this.expression(value)] : name.name;
  }

  private bindings({ bindings }: Tree.DeriveStatement | Tree.ModelStatement): Doc {
    if (bindings.length === 0) return '';
    const print = (b: Tree.Binding): Doc => [printPath(b.path), ' = ', this.expression(b.value)];
    return [' with ', this.enclosed('{', '}', bindings, undefined, print, line)];
  }

  private use({ file, names, alias }: Tree.UseStatement): Doc {
    const head = `use ${quote(file.value)}`;
    if (!names) return `${head} as ${alias?.name ?? ''}`;
    const items = names.map((n) => ({ ...n, start: n.name.start, end: (n.alias ?? n.name).end }));
    const print = (n: (typeof items)[number]): Doc => (n.alias ? `${n.name.name} as ${n.alias.name}` : n.name.name);
    return [head, ' ', this.enclosed('{', '}', items, undefined, print, line)];
  }

  private setting(node: Tree.Setting): Doc {
    if (node.kind === 'group') {
      const head = node.label ? `${node.key.name} ${node.label.name}` : node.key.name;
      return this.block(head, node.settings, node.end, (s) => this.setting(s));
    }
    return this.listed(
      node.key.name,
      this.items(node.items, (item) => this.settingItem(item)),
    );
  }

  private settingItem(item: Tree.SettingItem): Doc {
    const name = item.name ? `${item.name.name}: ` : '';
    const fidelity = item.fidelity ? 'fidelity ' : '';
    const first = leftmost(item.value);
    // A value of this name would read as the modifier.
    const odd = first?.kind === 'name' && first.name === 'fidelity';
    const value = odd ? this.enclosedExpression(item.value) : this.expression(item.value);
    return [name, fidelity, value, item.trials ? ' trials' : '', this.weight(item)];
  }

  private conditions(nodes: readonly Expr[]): Doc {
    return this.items(nodes, (node, i) => this.condition(node, i));
  }

  // After a comma, `let` and `train {` would start a statement.
  private condition(node: Expr, index: number): Doc {
    const first = leftmost(node);
    const block = first?.kind === 'repeat' && first.value.kind === 'name' && /^(train|search)$/.test(first.value.name);
    return index > 0 && (block || first?.kind === 'letin') ? this.enclosedExpression(node) : this.expression(node);
  }

  private weight({ weight }: { readonly weight?: Expr }): Doc {
    return weight ? [' weight ', this.expression(weight)] : '';
  }

  // ---- expressions ---------------------------------------------------------------------------------------------

  /** `node` where operators of `level` and tighter may stand without parentheses. */
  expression(node: Expr, level = 0): Doc {
    const comments = this.comments.pending(node.start) ? this.comments.inline(node.start) : '';
    const needed = levelOf(node) < level || (this.noIn && node.kind === 'binary' && node.operator === 'in');
    if (!needed && !(node.parens && !isLeaf(node))) return [comments, this.bare(node)];
    return [comments, this.enclosedExpression(node)];
  }

  private enclosedExpression(node: Expr): Doc {
    return ['(', this.withoutIn(false, () => group(indent(this.bare(node)))), ')'];
  }

  private withoutIn<R>(noIn: boolean, print: () => R): R {
    const before = this.noIn;
    this.noIn = noIn;
    const result = print();
    this.noIn = before;
    return result;
  }

  private bare(node: Expr): Doc {
    switch (node.kind) {
      case 'name':
        return node.name;
      case 'number':
        return node.text;
      case 'text':
        return quote(node.value);
      case 'truth':
        return String(node.value);
      case 'list':
        return this.enclosed('[', ']', node.items, node.end, (item) => this.expression(item));
      case 'tensor':
        return [node.dtype.name, this.enclosed('[', ']', node.dims, node.end, (d) => this.expression(d))];
      case 'choice':
        return this.choice(node);
      case 'order':
        return this.operators('<>', node.items, levels.chain);
      case 'chain':
        return this.operators('->', node.steps, levels.via);
      case 'via':
        return this.infix(node.value, levels.via, 'via', node.weight, levels.or);
      case 'binary':
        return this.binary(node);
      case 'unary':
        return node.operator === 'not'
          ? ['not ', this.expression(node.value, levels.not)]
          : ['-', this.expression(node.value, levels.negation)];
      case 'each':
        return ['each ', this.expression(node.value, levels.negation)];
      case 'prior':
        return this.infix(node.value, levels.range, '~', node.prior, levels.range);
      case 'range':
        return this.range(node);
      case 'if':
        return group([
          ['if ', this.expression(node.test), line, 'then ', this.expression(node.then)],
          [line, 'else ', this.expression(node.otherwise)],
        ]);
      case 'letin': {
        const value = this.withoutIn(true, () => this.expression(node.value));
        return group([`let ${node.name.name} = `, value, ' in', line, this.expression(node.body)]);
      }
      case 'optional':
      case 'repeat':
      case 'call':
      case 'index':
      case 'member':
      case 'labelled':
        return this.postfix(node);
    }
  }

  private postfix(
    node: Tree.OptionalExpr | Tree.RepeatExpr | Tree.CallExpr | Tree.IndexExpr | Tree.MemberExpr | Tree.LabelledExpr,
  ): Doc {
    const base = node.kind === 'call' ? node.callee : node.value;
    // A literal takes no postfix, so a tree that has one needs parentheses there.
    const first = isLiteral(base) ? ['(', this.bare(base), ')'] : this.expression(base, levels.postfix);
    switch (node.kind) {
      case 'optional':
        return [first, '?'];
      case 'member':
        return [first, `.${node.member.name}`];
      case 'labelled':
        return [first, ` as ${node.label.name}`];
      case 'repeat': {
        const times = this.withoutIn(false, () => this.expression(node.times));
        return [first, '{', node.tied ? 'tied ' : '', times, '}'];
      }
      case 'call':
        return [first, this.enclosed('(', ')', node.args, node.end, (a) => this.argument(a))];
      case 'index': {
        const print = (item: Expr | Tree.Every): Doc => (item.kind === 'every' ? '*' : this.expression(item));
        return [first, this.enclosed('[', ']', node.items, node.end, print)];
      }
    }
  }

  private argument({ name, value }: Tree.Argument): Doc {
    return name ? [`${name.name}: `, this.expression(value)] : this.expression(value);
  }

  private choice({ alternatives }: Tree.ChoiceExpr): Doc {
    const short = alternatives.every(({ value }) => isLeaf(value));
    const docs = alternatives.map((a, i) => {
      const { trailing, leading } = this.comments.between(a.start);
      const value = [this.expression(a.value, levels.order), this.atWeight(a.weight)];
      if (i === 0) return [leading, value, trailing];
      const next: Doc = [line, leading, '| ', value];
      return [trailing, short ? group(next) : next];
    });
    return short ? docs : group(docs);
  }

  private atWeight(weight: Expr | undefined): Doc {
    if (!weight) return '';
    return [isLeaf(weight) ? ' @' : ' @ ', this.expression(weight, levels.order)];
  }

  /** `a op b op c`: as many on a line as fit. */
  private operators(operator: string, operands: readonly Expr[], level: number): Doc {
    return operands.map((node, i) => {
      if (i === 0) return this.expression(node, level);
      const { trailing, leading } = this.comments.between(node.start);
      return [trailing, group([line, leading, `${operator} `, this.expression(node, level)])];
    });
  }

  private infix(left: Expr, leftLevel: number, operator: string, right: Expr, rightLevel: number): Doc {
    const first = this.expression(left, leftLevel);
    return [first, group([line, `${operator} `, this.expression(right, rightLevel)])];
  }

  private binary(node: Tree.BinaryExpr): Doc {
    const level = binaryLevel(node.operator);
    if (node.operator === '^') {
      const base = this.expression(node.left, levels.postfix);
      const negative = node.right.kind === 'unary' && node.right.operator === '-';
      return [base, '^', this.expression(node.right, negative ? levels.negation : levels.power)];
    }
    const chained = level === levels.comparison ? level + 1 : level;
    const left = this.expression(node.left, chained);
    const { trailing, leading } = this.comments.between(node.right.start);
    return [left, trailing, group([line, leading, `${node.operator} `, this.expression(node.right, level + 1)])];
  }

  private range(node: Tree.RangeExpr): Doc {
    const wide = node.from.kind === 'binary' || node.to.kind === 'binary';
    const ends = [this.expression(node.from, levels.sum), wide ? ' .. ' : '..', this.expression(node.to, levels.sum)];
    const step = node.step ? [' step ', this.expression(node.step, levels.sum)] : '';
    return [ends, step, node.log ? ' log' : '', node.pow2 ? ' pow2' : ''];
  }

  // ---- lists ---------------------------------------------------------------------------------------------------

  /** `a, b, c` without brackets. */
  private items<N>(nodes: readonly N[], print: (node: N, index: number) => Doc): Doc {
    return join(
      nodes.map((node, i) => print(node, i)),
      [',', line],
    );
  }

  /** `(a, b, c)`: on one line, or an item a line. `end` is after the closing bracket, where comments may wait. */
  private enclosed<N extends Tree.Spanned>(
    open: string,
    close: string,
    nodes: readonly N[],
    end: number | undefined,
    print: (node: N) => Doc,
    edge: Doc = softline,
  ): Doc {
    const short = nodes.every((node) => 'kind' in node && isLeaf(node as Tree.Spanned as Expr));
    return this.withoutIn(false, () => {
      const docs: Doc[] = nodes.map((node, i) => {
        const { trailing, leading } = this.comments.between(node.start);
        const item = print(node);
        if (i === 0) return [trailing, edge, leading, item];
        return short ? [',', trailing, group([line, leading, item])] : [',', trailing, line, leading, item];
      });
      const rest = end === undefined ? undefined : this.comments.last(end - 1);
      const last: Doc[] = rest ? [...rest.trailing, ...rest.leading] : [];
      if (nodes.length === 0 && last.length === 0) return `${open}${close}`;
      return group([open, indent([docs, last]), edge, close]);
    });
  }
}

/** Whether its own brackets hold what breaks, so that the closing one stands under the start of the statement. */
const hugs = (node: Expr): boolean => node.kind === 'list' || node.kind === 'call' || node.parens === true;

const continued = (doc: Doc): Doc => indent(doc, CONTINUED);
