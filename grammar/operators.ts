import type { IToken } from 'chevrotain';
import { ProblemError } from './problems.ts';
import type { Alternative, BinaryOperator, Expr, RangeExpr } from './syntax.ts';
import { comparisonOperators } from './syntax.ts';

/** How tight an operator binds; one table for parser and printer. Postfix and operands are tighter still. */
export const levels = {
  choice: 1,
  weight: 2,
  order: 3,
  chain: 4,
  via: 5,
  or: 6,
  and: 7,
  not: 8,
  comparison: 9,
  prior: 10,
  range: 11,
  sum: 12,
  product: 13,
  negation: 14,
  power: 15,
  postfix: 16,
  operand: 17,
} as const;

const infixLevels: Readonly<Record<string, number>> = {
  '|': levels.choice,
  '@': levels.weight,
  '<>': levels.order,
  '->': levels.chain,
  via: levels.via,
  or: levels.or,
  and: levels.and,
  ...Object.fromEntries(comparisonOperators.map((o) => [o, levels.comparison])),
  '~': levels.prior,
  '..': levels.range,
  step: levels.range,
  '+': levels.sum,
  '-': levels.sum,
  '*': levels.product,
  '/': levels.product,
  '%': levels.product,
  '^': levels.power,
};

export const binaryLevel = (operator: BinaryOperator): number => infixLevels[operator]!;

/** A finished part of an expression. `start` and `end` take in its parentheses; `made` is the operator that made it here. */
interface Operand {
  readonly node: Expr;
  readonly start: number;
  readonly end: number;
  readonly made?: string;
  /** Of `A @ w`, until the choice around it takes it. */
  readonly weight?: Expr;
}

interface Operator {
  readonly text: string;
  readonly level: number;
  readonly prefix: boolean;
  readonly token: IToken;
}

/**
 * Builds one expression from its operands and operators, in text order, by two stacks (Dijkstra's shunting yard): no
 * recursion, so an expression may be as long as it likes.
 */
export class ExpressionBuilder {
  private readonly operands: Operand[] = [];
  private readonly operators: Operator[] = [];

  operand(node: Expr, start: number, end: number): void {
    this.operands.push({ node, start, end });
  }

  prefix(token: IToken): void {
    const text = token.image;
    const level = text === 'not' ? levels.not : levels.negation;
    const before = this.operators.at(-1);
    if (text === 'not' && before && before.level > level)
      throw new ProblemError({
        code: 'E159',
        message: `\`not\` binds looser than the \`${before.text}\` before it`,
        expected: 'parentheses around the `not`',
        found: '`not` without parentheses',
        ...spanOf(token),
        hint: 'for example: (not a) == b',
      });
    this.operators.push({ text, level, prefix: true, token });
  }

  infix(token: IToken): void {
    const text = token.image;
    const level = infixLevels[text];
    if (level === undefined) throw new Error(`bug: no operator: ${text}`);
    this.reduce(text === '^' ? level + 1 : level);
    this.operators.push({ text, level, prefix: false, token });
  }

  /** `log` or `pow2` after a range. */
  suffix(token: IToken): void {
    this.reduce(levels.range);
    const range = this.popRange(token);
    const text = token.image === 'log' ? 'log' : 'pow2';
    if (range[text]) throw repeated(token);
    this.pushRange({ ...range, [text]: true, end: token.startOffset + token.image.length });
  }

  finish(): { node: Expr; start: number; end: number } {
    this.reduce(0);
    const last = this.operands.pop();
    if (!last || this.operands.length > 0) throw new Error('bug: operands left over');
    if (last.weight === undefined) return last;
    const at = { start: last.start, end: last.end };
    return { node: { kind: 'choice', alternatives: [alternative(last)], ...at }, ...at };
  }

  // Applies every operator that binds at least as tight as `level`.
  private reduce(level: number): void {
    for (let top = this.operators.at(-1); top && top.level >= level; top = this.operators.at(-1)) {
      this.operators.pop();
      if (top.prefix) this.applyPrefix(top);
      else this.applyInfix(top);
    }
  }

  private applyPrefix(op: Operator): void {
    const { node: value, end } = this.operands.pop()!;
    const start = op.token.startOffset;
    const node: Expr =
      op.text === 'each'
        ? { kind: 'each', value, start, end }
        : { kind: 'unary', operator: op.text === 'not' ? 'not' : '-', value, start, end };
    this.operands.push({ node, start, end });
  }

  private applyInfix(op: Operator): void {
    const right = this.operands.pop()!;
    const left = this.operands.pop()!;
    const at = { start: left.start, end: right.end };
    if (op.text === 'step') {
      this.operands.push(left);
      const range = this.popRange(op.token);
      if (range.step) throw repeated(op.token);
      this.pushRange({ ...range, step: right.node, end: right.end });
    } else if (op.text === '@') {
      if (left.made === '@') throw repeated(op.token);
      this.operands.push({ node: left.node, weight: right.node, made: '@', ...at });
    } else {
      this.operands.push({ node: combine(op, left, right), made: madeBy(op), ...at });
    }
  }

  private popRange(token: IToken): RangeExpr {
    const top = this.operands.pop()!;
    if (top.node.kind === 'range' && top.made === '..') return top.node;
    throw new ProblemError({
      code: 'E150',
      message: `\`${token.image}\` follows a range`,
      expected: 'a range before it',
      found: 'no range',
      ...spanOf(token),
      hint: `for example: ${token.image === 'step' ? '16..128 step 16' : token.image === 'log' ? '1e-4..1e-1 log' : '16..256 pow2'}`,
    });
  }

  private pushRange(node: RangeExpr): void {
    this.operands.push({ node, start: node.start, end: node.end, made: '..' });
  }
}

const madeBy = (op: Operator): string => (op.level === levels.comparison ? 'comparison' : op.text);

function combine(op: Operator, left: Operand, right: Operand): Expr {
  const at = { start: left.start, end: right.end };
  const chained = left.made === madeBy(op);
  const own = chained ? left.node : undefined;
  switch (op.text) {
    case '|': {
      const alternatives = own?.kind === 'choice' ? own.alternatives : undefined;
      return { kind: 'choice', alternatives: grow(alternatives, () => alternative(left), alternative(right)), ...at };
    }
    case '<>':
      return {
        kind: 'order',
        items: grow(own?.kind === 'order' ? own.items : undefined, () => left.node, right.node),
        ...at,
      };
    case '->':
      return {
        kind: 'chain',
        steps: grow(own?.kind === 'chain' ? own.steps : undefined, () => left.node, right.node),
        ...at,
      };
    case 'via':
      return { kind: 'via', value: left.node, weight: right.node, ...at };
    case '~':
      if (chained) throw needsParentheses(op.token, 'a value has one prior', '1..9 ~ 3');
      return { kind: 'prior', value: left.node, prior: right.node, ...at };
    case '..':
      if (chained) throw needsParentheses(op.token, 'a range has two ends', '1..8');
      return { kind: 'range', from: left.node, to: right.node, log: false, pow2: false, ...at };
    default:
      if (chained && op.level === levels.comparison)
        throw needsParentheses(op.token, 'comparisons do not chain', 'a <= b and b <= c');
      return { kind: 'binary', operator: op.text as BinaryOperator, left: left.node, right: right.node, ...at };
  }
}

// The list of the node on the left belongs to this builder alone, so it may grow in place: long chains stay linear.
function grow<T>(own: readonly T[] | undefined, first: () => T, next: T): readonly T[] {
  if (!own) return [first(), next];
  (own as T[]).push(next);
  return own;
}

const alternative = (from: Operand): Alternative => ({
  value: from.node,
  ...(from.weight && { weight: from.weight }),
  start: from.start,
  end: from.end,
});

const spanOf = (token: IToken): { start: number; end: number } => ({
  start: token.startOffset,
  end: token.startOffset + token.image.length,
});

function needsParentheses(token: IToken, message: string, example: string): ProblemError {
  return new ProblemError({
    code: 'E159',
    message,
    expected: `for example ${example}`,
    found: `a second \`${token.image}\``,
    ...spanOf(token),
    hint: 'put what belongs together in parentheses',
  });
}

function repeated(token: IToken): ProblemError {
  return new ProblemError({
    code: 'E159',
    message: `\`${token.image}\` stands twice`,
    expected: `one \`${token.image}\``,
    found: `a second \`${token.image}\``,
    ...spanOf(token),
  });
}
