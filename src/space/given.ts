import { Unfit } from '../base/unfit.ts';
import { describe, fits } from '../ir/arg-type.ts';
import type { AnyValue } from '../ir/arg-type.ts';
import type { ArgDef, ArgValue, Args } from '../ir/layer.ts';
import type { WeightExpr } from './expr.ts';
import { madeOf, makeWeight } from './values.ts';
import type { Datum } from './values.ts';

/** Arguments as a layer or a weight takes them: what is not given has its default. Throws Unfit where one is missing. */
export function argsOf(
  callee: { readonly name: string; readonly args: readonly ArgDef[] },
  given: ReadonlyMap<string, Datum>,
): Args {
  const args: Record<string, ArgValue> = {};
  for (const def of callee.args) {
    const value = given.get(def.name);
    if (value !== undefined) {
      if (!fits(def.type, value as AnyValue))
        throw new Unfit(
          `${def.name} of ${callee.name} cannot be this`,
          describe(def.type),
          typeof value === 'number' ? `${value}` : JSON.stringify(value),
        );
      args[def.name] = value as ArgValue;
    } else if (def.default !== undefined) args[def.name] = def.default;
    else throw new Unfit(`${callee.name} needs ${def.name}`, `${def.name}: …`, 'nothing');
  }
  return args;
}

/** A weight expression, from the values of its arguments and then of its parts. */
export function weightOf(e: WeightExpr, found: readonly (Datum | null)[]): Datum {
  const given = new Map(e.args.map((a, i) => [a.name, found[i]!]));
  const parts = e.parts.map((_, i) => madeOf(found[e.args.length + i]!));
  return makeWeight(e.weight, argsOf(e.weight, given), parts);
}
