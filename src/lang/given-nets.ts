import type { CallExpr, NetExpr, NetParameter } from '../space/expr.ts';

/** What parameters of networks stand for where an expression is evaluated. */
export type Nets = ReadonlyMap<NetParameter, GivenNet>;
interface GivenNet {
  readonly expr: NetExpr;
  readonly nets: Nets;
}

/** Makes them so that equal ones are one object: a recursion that passes its networks on meets the same ones. */
export interface NetsMaker {
  readonly none: Nets;
  readonly inside: (call: CallExpr, nets: Nets) => Nets;
}

export function netsMaker(): NetsMaker {
  const none: Nets = new Map();
  const numbers = new Map<object, number>([[none, 0]]);
  const known = new Map<string, Nets>();
  const numberOf = (o: object): number => {
    const number = numbers.get(o) ?? numbers.size;
    numbers.set(o, number);
    return number;
  };
  const settled = (expr: NetExpr, nets: Nets): GivenNet => {
    const passed = expr.kind === 'ref' ? nets.get(expr.binding) : undefined;
    return passed ?? { expr, nets };
  };
  return {
    none,
    inside: (call, nets) => {
      const given = call.args.flatMap((a) => (a.kind === 'net' ? [[a.parameter, settled(a.expr, nets)] as const] : []));
      if (given.length === 0) return nets;
      const inner = new Map([...nets, ...given]);
      const key = [...inner].map(([p, g]) => `${numberOf(p)}:${numberOf(g.expr)}:${numberOf(g.nets)}`).sort();
      const same = known.get(key.join());
      if (!same) known.set(key.join(), inner);
      return same ?? inner;
    },
  };
}
