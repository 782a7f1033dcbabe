import { Unfit } from '../base/unfit.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { namedAxes } from './call.ts';
import type { Cell, Flow, Scope } from './follow-scope.ts';
import type { Bound } from './references.ts';
import type { CallExpr, SignatureDim, ValueExpr } from './expr.ts';
import { showDatum } from './values.ts';
import type { Datum } from './values.ts';

/** Evaluates what a signature says of an axis. */
type Value<T> = (e: ValueExpr, scope: Scope<T>) => Datum;
type Typed = { readonly type: TensorType };

export const isList = <T>(flow: Flow<T>): flow is readonly Flow<T>[] => Array.isArray(flow);

export function itemsOf<T>(flow: Flow<T>): readonly Flow<T>[] {
  if (isList(flow)) return flow;
  throw new Unfit('a list of tensors is needed', 'a list', 'one tensor');
}

export function shapeOf<T extends Typed>(flow: Flow<T>): readonly number[] {
  if (isList(flow)) throw new Unfit('a signature takes tensors', 'a tensor', 'a list');
  return flow.type.shape;
}

/** Checks what enters a call; gives the sizes of the named axes, null where nothing is declared. Throws Unfit. */
export function checkInputs<T extends Typed>(
  e: CallExpr,
  input: Flow<T>,
  scope: Scope<T>,
  value: Value<T>,
): ReadonlyMap<string, number> | null {
  const { signature, name } = e.def;
  if (!signature) return null;
  const flows = signature.inputs.length === 1 ? [input] : itemsOf(input);
  if (flows.length !== signature.inputs.length) throw new Unfit(`${name} takes ${signature.inputs.length} tensors`);
  const shapes = flows.map(shapeOf);
  const axes = namedAxes(e.def, shapes);
  signature.inputs.forEach((dims, i) => checkAxes(e, dims, shapes[i]!, axes, scope, value));
  return axes;
}

/** Throws Unfit where a shape is not the declared one. */
export function checkAxes<T>(
  e: CallExpr,
  dims: readonly SignatureDim[],
  shape: readonly number[],
  axes: ReadonlyMap<string, number>,
  scope: Scope<T>,
  value: Value<T>,
): void {
  const { name } = e.def;
  if (shape.length !== dims.length)
    throw new Unfit(`${name}: another rank than in its signature`, `${dims.length} axes`, `${shape.length}`);
  dims.forEach((d, axis) => {
    let wanted: Datum | undefined;
    if (d.kind === 'name') wanted = axes.get(d.name);
    if (d.kind === 'value') {
      const cells = new Map<Bound, Cell<T>>(
        d.dims.map((x) => [x.binding, { kind: 'value', get: () => axes.get(x.name) ?? 0 }]),
      );
      wanted = value(d.expr, { ...scope, parent: scope, cells });
    }
    if (wanted !== undefined && wanted !== shape[axis])
      throw new Unfit(`${name}: axis ${axis} differs from its signature`, showDatum(wanted), String(shape[axis]));
  });
}
