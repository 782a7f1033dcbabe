import fc from 'fast-check';
import type { Alternative, Argument, Expr, Name, Program, Statement } from '../../grammar/syntax.ts';
import { parseExpression } from '../../grammar/parser.ts';

const at = { start: 0, end: 0 };
const names = ['a', 'relu', 'cell', 'train', 'step', 'log', 'weight', 'x2', '_b', 'with', 'phase', 'count', 'as'];
const words = ['f', 'conv', 'dense'];

const name = fc.constantFrom(...names, ...words).map((n): Name => ({ kind: 'name', name: n, ...at }));
const number = fc.constantFrom('0', '3', '0.5', '1e-3', '60_466', '500k', '512MB', '3ms', '2h').map((text) => {
  const parsed = parseExpression(text);
  if (!('value' in parsed)) throw new Error(text);
  return { ...parsed.value, ...at };
});
const text = fc.string({ unit: 'grapheme', maxLength: 8 }).map((value): Expr => ({ kind: 'text', value, ...at }));
const truth = fc.boolean().map((value): Expr => ({ kind: 'truth', value, ...at }));

const binaryOperators = ['or', 'and', '==', '!=', '<', '<=', '>', '>=', 'in', '+', '-', '*', '/', '%', '^'] as const;
type Weighted = readonly [Expr, Expr | undefined];

/** Any expression that a program can say, without places. */
export const { expression } = fc.letrec<{ expression: Expr; leaf: Expr; node: Expr }>((tie) => {
  const sub = tie('expression');
  const some = (min: number): fc.Arbitrary<Expr[]> => fc.array(sub, { minLength: min, maxLength: 4 });
  const maybe = fc.option(sub, { nil: undefined });
  const alternative = ([value, weight]: Weighted): Alternative => ({ value, ...(weight && { weight }), ...at });
  const choice = (pairs: readonly Weighted[]): Expr => ({
    kind: 'choice',
    alternatives: pairs.map(alternative),
    ...at,
  });
  const argument = ([value, label]: readonly [Expr, Name | undefined]): Argument => ({
    ...(label && { name: label }),
    value,
    ...at,
  });
  const args = fc.array(fc.tuple(sub, fc.option(name, { nil: undefined })).map(argument), { maxLength: 3 });
  return {
    expression: fc.oneof({ depthSize: 'small', withCrossShrink: true }, tie('leaf'), tie('node')),
    leaf: fc.oneof(name, number, text, truth),
    node: fc.oneof(
      some(0).map((items): Expr => ({ kind: 'list', items, ...at })),
      some(1).map((dims): Expr => ({ kind: 'tensor', dtype: { kind: 'name', name: 'f32', ...at }, dims, ...at })),
      fc.array(fc.tuple(sub, maybe), { minLength: 2, maxLength: 4 }).map(choice),
      fc.tuple(sub, sub).map((pair) => choice([pair])),
      some(2).map((items): Expr => ({ kind: 'order', items, ...at })),
      some(2).map((steps): Expr => ({ kind: 'chain', steps, ...at })),
      fc.tuple(sub, sub).map(([value, weight]): Expr => ({ kind: 'via', value, weight, ...at })),
      fc
        .tuple(fc.constantFrom(...binaryOperators), sub, sub)
        .map(([operator, left, right]): Expr => ({ kind: 'binary', operator, left, right, ...at })),
      fc
        .tuple(fc.constantFrom('-' as const, 'not' as const), sub)
        .map(([operator, value]): Expr => ({ kind: 'unary', operator, value, ...at })),
      fc.tuple(sub, sub).map(([value, prior]): Expr => ({ kind: 'prior', value, prior, ...at })),
      fc.tuple(sub, sub, maybe, fc.boolean(), fc.boolean()).map(([from, to, step, log, pow2]): Expr => ({
        kind: 'range',
        from,
        to,
        ...(step && { step }),
        log,
        pow2,
        ...at,
      })),
      sub.map((value): Expr => ({ kind: 'optional', value, ...at })),
      fc
        .tuple(sub, sub, fc.boolean())
        .map(([value, times, tied]): Expr => ({ kind: 'repeat', value, times, tied, ...at })),
      fc.tuple(sub, args).map(([callee, list]): Expr => ({ kind: 'call', callee, args: list, ...at })),
      fc
        .tuple(
          sub,
          fc.array(fc.oneof(sub, fc.constant({ kind: 'every' as const, ...at })), { minLength: 1, maxLength: 3 }),
        )
        .filter(([value]) => !(value.kind === 'name' && value.name === 'f32'))
        .map(([value, items]): Expr => ({ kind: 'index', value, items, ...at })),
      fc.tuple(sub, name).map(([value, member]): Expr => ({ kind: 'member', value, member, ...at })),
      fc.tuple(sub, name).map(([value, label]): Expr => ({ kind: 'labelled', value, label, ...at })),
      sub.map((value): Expr => ({ kind: 'each', value, ...at })),
      fc.tuple(sub, sub, sub).map(([test, then, otherwise]): Expr => ({ kind: 'if', test, then, otherwise, ...at })),
      fc.tuple(name, sub, sub).map(([n, value, body]): Expr => ({ kind: 'letin', name: n, value, body, ...at })),
    ),
  };
});

const wire = fc.tuple(name, expression).map(([n, value]): Statement => ({ kind: 'wire', name: n, value, ...at }));
const letOf = fc.tuple(name, expression).map(([n, value]): Statement => ({ kind: 'let', name: n, value, ...at }));
const require = fc
  .array(expression, { minLength: 1, maxLength: 3 })
  .map((conditions): Statement => ({ kind: 'require', conditions, ...at }));
const prefer = fc
  .tuple(expression, fc.option(expression, { nil: undefined }))
  .map(([condition, weight]): Statement => ({
    kind: 'prefer',
    wishes: [{ condition, ...(weight && { weight }) }],
    ...at,
  }));
const output = fc
  .array(fc.record({ name, value: expression }), { minLength: 1, maxLength: 2 })
  .map((outputs): Statement => ({ kind: 'output', outputs, ...at }));
const body = fc.array(fc.oneof(wire, letOf, require, prefer, output), { maxLength: 4 });

/** A program of one space and one `train`, of any expressions. */
export const program = fc.tuple(body, expression, fc.boolean()).map(([statements, value, fidelity]): Program => ({
  kind: 'program',
  comments: [],
  statements: [
    { kind: 'space', name: { kind: 'name', name: 'S', ...at }, body: statements, ...at },
    {
      kind: 'train',
      settings: [
        {
          kind: 'setting',
          key: { kind: 'name', name: 'epochs', ...at },
          items: [{ value, fidelity, trials: false, ...at }],
          ...at,
        },
      ],
      ...at,
    },
  ],
  ...at,
}));
