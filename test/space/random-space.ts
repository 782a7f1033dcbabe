import fc from 'fast-check';
import type {
  Binding,
  Def,
  NetExpr,
  NetLet,
  SharedLet,
  TensorExpr,
  ValueExpr,
  ValueLet,
  ValueParameter,
  Wire,
} from '../../src/space/expr.ts';
import type { RequireExpr, RequireTerm, Requirement } from '../../src/space/require-expr.ts';
import type { Space } from '../../src/space/space.ts';
import {
  apply,
  branches,
  call,
  callOf,
  cell,
  cond,
  def,
  each,
  either,
  eitherTensor,
  fan,
  ifNet,
  input,
  layer,
  letNet,
  letValue,
  loose,
  maybe,
  measure,
  netParameter,
  netRef,
  once,
  oneOf,
  op,
  perm,
  pick,
  range,
  read,
  ref,
  repeat,
  require,
  seq,
  shared,
  space,
  tensorParameter,
  tensors,
  term,
  uses,
  useShared,
  val,
  valueParameter,
  wire,
  weight,
  within,
} from './support.ts';
import type { Uses, V } from './support.ts';

/** Draws from a stream of numbers that fast-check makes and shrinks. */
interface Dice {
  below(n: number): number;
}
function dice(numbers: readonly number[]): Dice {
  let i = 0;
  return { below: (n) => (i < numbers.length ? numbers[i++]! % n : 0) };
}

interface Known {
  readonly values: (ValueLet | ValueParameter)[];
  readonly onces: NetLet[];
  readonly shareds: SharedLet[];
  /** Whether what is decided here is met once: nothing around is decided for several inputs at a time. */
  readonly alone: boolean;
}

const widths = [4, 6, 8];

function value(d: Dice, known: Known, label: string): ValueExpr {
  switch (d.below(7)) {
    case 0:
    case 1:
      return val(widths[d.below(3)]!);
    case 2:
      return oneOf(label, widths[d.below(3)]!, widths[d.below(3)]!);
    case 3:
      return range(label, 4, 8, { step: 2 });
    case 4:
    case 5:
      return known.values.length > 0 ? ref(known.values[d.below(known.values.length)]!) : val(4);
    default:
      return known.values.length > 0
        ? cond(op('>', ref(known.values[d.below(known.values.length)]!), 5), oneOf(label, 4, 8), 6)
        : val(6);
  }
}

function net(d: Dice, u: Uses, known: Known, depth: number): NetExpr {
  const dense = (): NetExpr => layer(u, 'dense', { out: value(d, known, 'out') });
  if (depth <= 0) return d.below(3) === 0 ? layer(u, 'relu') : dense();
  const inner = (): NetExpr => net(d, u, known, depth - 1);
  const scope = (name: string, at = known): NetExpr =>
    call(
      u,
      def(name, (c) => net(d, c, at, depth - 1)),
    );
  switch (d.below(19)) {
    case 0:
    case 1:
      return seq(inner(), inner());
    case 2:
      return either(u.site('choice'), inner(), inner());
    case 3:
      return seq(branches(inner(), inner()), layer(u, d.below(2) === 0 ? 'add' : 'concat'));
    case 4:
      return repeat(scope('rep'), oneOf('repeat', 0, 1, 2));
    case 5:
      return repeat(scope('tie', { ...known, alone: false }), oneOf('repeat', 1, 3), true);
    case 6:
      return maybe(scope('opt'));
    case 7:
      return perm(u.site('order'), inner(), layer(u, 'relu'));
    case 8:
      return seq(fan(scope('fan'), oneOf('fan', 1, 2)), layer(u, 'concat'));
    case 9: {
      if (known.onces.length === 0) return dense();
      return once(u, known.onces[d.below(known.onces.length)]!);
    }
    case 10: {
      if (known.shareds.length === 0) return dense();
      return useShared(u, known.shareds[d.below(known.shareds.length)]!);
    }
    case 11: {
      const h = letValue(`h${d.below(1000)}`, oneOf('x', 4, 8));
      const own: ValueLet = { ...h, expr: oneOf(h.name, 4, 8) };
      return call(
        u,
        def('let', (c) => within([own], net(d, c, { ...known, values: [...known.values, own] }, depth - 1))),
      );
    }
    case 12: {
      const p = valueParameter('p');
      const made = def('withp', (c) => net(d, c, { ...known, values: [...known.values, p] }, depth - 1), [p]);
      return call(u, made, [{ kind: 'value', parameter: p, expr: value(d, known, 'p') }]);
    }
    case 13: {
      const f = netParameter('f');
      const made = def('withf', (c) => seq(netRef(c, f), branches(netRef(c, f), layer(c, 'id')), layer(c, 'concat')), [
        f,
      ]);
      return call(u, made, [{ kind: 'net', parameter: f, expr: net(d, uses(), known, depth - 1) }]);
    }
    case 14:
      return known.values.length > 0 ? ifNet(op('==', ref(known.values[0]!), 4), inner(), inner()) : inner();
    case 15:
    case 16:
      return under(d, u, known, (at) => net(d, u, at, depth - 1));
    case 17: {
      if (!known.alone) return dense();
      const own = shared('own', net(d, uses(), known, depth - 1));
      const inside = { ...known, shareds: [own] };
      return call(
        u,
        def('owner', (c) => net(d, c, inside, depth), [], [own]),
      );
    }
    default:
      return call(u, wireCell(d, known, depth - 1));
  }
}

// How the weights of a network are made; what is shared outside is part of a vector only where that is the one of all uses.
function under(
  d: Dice,
  u: Uses,
  known: Known,
  inner: (known: Known) => NetExpr,
  isOnly = known.shareds.length === 0,
): NetExpr {
  const choice = (label: string, ...items: readonly V[]): ValueExpr => ({
    ...(oneOf(label, ...items) as Choice),
    site: u.site(label),
  });
  const kinds: (() => ValueExpr)[] = [
    () => weight('kron', { n: choice('kron.n', 1, 2) }),
    () => weight('lowrank', { r: 2 }),
    () => weight('full', {}),
    () => weight('subspace', { d: choice('subspace.d', 3, 40), scales: choice('subspace.scales', false, true) }),
  ];
  const isVector = isOnly || d.below(3) === 0;
  const some = isVector ? kinds : kinds.slice(0, 3);
  const [a, b] = [some[d.below(some.length)]!(), some[d.below(some.length)]!()];
  const way = d.below(2) === 0 ? a : choice('weight', a, b);
  const body = inner(isVector && !isOnly ? { ...known, shareds: [] } : known);
  if (body.kind === 'layer') return body.layer.weighted ? { ...body, via: way } : body;
  return { kind: 'via', weight: way, body, name: u.name('group'), span: body.span };
}
type Choice = Extract<ValueExpr, { kind: 'choice' }>;

function wireCell(d: Dice, known: Known, depth: number): Def {
  const s = tensorParameter('s');
  return cell('graph', [s], (u) => {
    const wires: Wire[] = [];
    const source = (): TensorExpr => read(wires.length > 0 && d.below(3) > 0 ? wires[d.below(wires.length)]! : s);
    for (let i = 0; i < 1 + d.below(3); i++) {
      const from = d.below(3) === 0 ? eitherTensor(u.site('choice'), source(), source()) : source();
      const body = d.below(4) === 0 ? beside(d, u, known, source(), depth - 1) : net(d, u, known, depth - 1);
      wires.push(wire(`w${i}`, apply(from, body)));
    }
    const joined = (list: TensorExpr): TensorExpr => apply(list, layer(u, 'concat'));
    const results: (() => TensorExpr)[] = [
      () => read(wires.at(-1)!),
      () => joined(loose(...wires)),
      () => joined(tensors(source(), source())),
      () =>
        joined(
          apply(
            pick(u.site('pick'), oneOf('pickn', 1, 2), source(), source(), read(s)),
            each(
              call(
                u,
                def('arm', (c) => net(d, c, known, depth - 1)),
              ),
            ),
          ),
        ),
    ];
    return { bindings: wires, result: results[d.below(results.length)]!() };
  });
}

// A group whose network reads a tensor of the text around it.
function beside(d: Dice, u: Uses, known: Known, other: TensorExpr, depth: number): NetExpr {
  const [t, s] = [tensorParameter('t'), tensorParameter('s')];
  const pair = (at: Known): Def =>
    cell('pair', [t, s], (c) => {
      const both = tensors(apply(read(t), net(d, c, at, depth)), apply(read(s), net(d, c, at, 0)));
      return { bindings: [], result: apply(both, layer(c, 'concat')) };
    });
  return under(d, u, known, (at) => call(u, pair(at), [{ kind: 'tensor', parameter: t, expr: other }]));
}

function requirements(d: Dice, known: Known): readonly Requirement[] {
  switch (d.below(7)) {
    case 5:
      return [require(measure('memory'), '<=', term(4000 + 3000 * d.below(20)))];
    case 6:
      return [require(measure('macs'), '>=', term(16 * d.below(10))), require(measure('params'), '!=', term(40))];
    case 0:
      return [require(measure('params'), '<=', term(60 + 20 * d.below(10)))];
    case 1:
      return [require(measure('depth'), '<=', term(1 + d.below(3)))];
    case 2: {
      const first = known.values[0];
      return first ? [require(term(ref(first)), '>=', term(6)), require(measure('flops'), '>', term(100))] : [];
    }
    default:
      return [];
  }
}

function build(numbers: readonly number[]): Space {
  const d = dice(numbers);
  const x = input('x', 4 + 2 * d.below(2));
  const known: Known = { values: [], onces: [], shareds: [], alone: true };
  const bindings: Binding[] = [];
  for (let i = 0; i < d.below(3); i++) {
    const made = letValue(`v${i}`, value(d, known, `v${i}`));
    bindings.push(made);
    known.values.push(made);
  }
  const depth = 1 + d.below(2);
  if (d.below(2) === 0) {
    const made = letNet('f', net(d, uses(), { ...known, alone: false }, depth));
    bindings.push(made);
    known.onces.push(made);
  }
  if (d.below(3) === 0) {
    const made = shared('g', net(d, uses(), known, depth));
    bindings.push(made);
    known.shareds.push(made);
  }
  const u = uses();
  const body = (at: Known): NetExpr => net(d, u, at, 3);
  const isVector = known.shareds.length > 0 && d.below(2) === 0;
  const rest = isVector ? { ...known, shareds: [] } : known;
  const outputs: TensorExpr[] = [apply(read(x), isVector ? under(d, u, known, body, true) : body(known))];
  if (d.below(4) === 0) outputs.push(callOf(call(u, def2(d, rest, x))));
  return space('Random', { inputs: [x], outputs, bindings, requirements: requirements(d, known) });
}

// A cell without parameters that reads the input of the space.
const def2 = (d: Dice, known: Known, x: ReturnType<typeof input>): Def =>
  cell('second', [], (u) => ({ bindings: [], result: apply(read(x), net(d, u, known, 1)) }));

const numbers = fc.array(fc.nat(5039), { minLength: 30, maxLength: 300 });

/** Small random spaces over the core of the language. */
export const randomSpaces: fc.Arbitrary<Space> = numbers.map(build);

// What requirements say of lets: mostly one in each term.
function comparison(d: Dice, lets: readonly ValueLet[]): RequireExpr {
  const some = (): ValueExpr => ref(lets[d.below(lets.length)]!);
  const value = (): RequireTerm => {
    const v = some();
    return term([v, v, op('%', v, 4), op('*', v, 2), op('+', v, some()), val(4 + d.below(6))][d.below(6)]!);
  };
  const compare = (): RequireExpr =>
    require(value(), (['<', '<=', '!=', '==', '>='] as const)[d.below(5)]!, value()).expr;
  switch (d.below(6)) {
    case 0:
      return { kind: d.below(2) === 0 ? 'and' : 'or', left: compare(), right: compare() };
    case 1:
      return { kind: 'not', operand: compare() };
    case 2:
      return { kind: 'within', term: value(), low: value(), high: value() };
    default:
      return compare();
  }
}

/** Random spaces whose requirements compare lets; some uses of theirs are widths. */
export const comparedSpaces: fc.Arbitrary<Space> = fc.tuple(numbers, numbers).map(([first, second]) => {
  const s = build(first);
  const d = dice(second);
  const lets = s.bindings.filter((b) => b.kind === 'valueLet');
  const more = [0, 1, 2].map((i) =>
    letValue(`w${i}`, d.below(3) === 0 ? oneOf(`w${i}`, 4, 5, 8) : range(`w${i}`, 3, 4 + d.below(4))),
  );
  const all = [...lets, ...more];
  const widths = def('widths', (c) =>
    seq(
      ...Array.from({ length: 1 + d.below(4) }, () =>
        d.below(4) === 0 ? layer(c, 'layernorm') : layer(c, 'dense', { out: ref(all[d.below(all.length)]!) }),
      ),
    ),
  );
  const [output, ...others] = s.outputs;
  const outputs = [{ ...output!, expr: apply(output!.expr, call(uses(), widths)) }, ...others];
  const requirements = Array.from({ length: 1 + d.below(3) }, () => ({
    ...require(term(1), '==', term(1)),
    expr: comparison(d, all),
  }));
  return { ...s, bindings: [...s.bindings, ...more], outputs, requirements };
});
