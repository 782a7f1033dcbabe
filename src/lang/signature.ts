import type { Signature as SpaceSignature, SignatureDim, ValueParameter } from '../space/expr.ts';
import type { Expr, ListExpr, Signature } from '../../grammar/syntax.ts';
import { report } from './context.ts';
import { lookup, newScope } from './scope.ts';
import { elaborateValue } from './values.ts';
import type { Context } from './model.ts';

/** `[B, H, W, C] -> [B, (H/p)*(W/p), p*p*C]`: single names on the left are defined by it, what the right says is computed. */
export function elaborateSignature(s: Signature, cx: Context): SpaceSignature | null {
  const dims = new Map<string, ValueParameter>();
  const scope = newScope(cx.scope);
  const at: Context = { ...cx, scope };
  const inputs = inputLists(s.from).map((list) => list.items.map((item, i) => inputDim(item, i, dims, at)));
  const output = s.to.items.map((item, i) => outputDim(item, i, dims, at));
  const all = [...inputs.flat(), ...output];
  return all.every((d) => d !== null) ? { inputs: inputs as SignatureDim[][], output: output as SignatureDim[] } : null;
}

// A list of lists stands for several inputs.
function inputLists(from: ListExpr): readonly ListExpr[] {
  const lists = from.items.filter((item): item is ListExpr => item.kind === 'list');
  return lists.length === from.items.length && lists.length > 0 ? lists : [from];
}

const isBatch = (e: Expr, i: number): boolean => i === 0 && e.kind === 'name' && e.name === 'B';

function inputDim(e: Expr, i: number, dims: Map<string, ValueParameter>, cx: Context): SignatureDim | null {
  if (isBatch(e, i)) return { kind: 'batch' };
  if (e.kind === 'name' && !isValue(e.name, cx)) {
    const binding: ValueParameter = dims.get(e.name) ?? { kind: 'valueParameter', name: e.name };
    dims.set(e.name, binding);
    cx.scope.names.set(e.name, { kind: 'parameter', name: e.name, at: null, used: true, parameter: binding });
    return { kind: 'name', name: e.name };
  }
  return computed(e, dims, cx);
}

function isValue(name: string, cx: Context): boolean {
  const entity = lookup(cx.scope, name);
  return entity?.kind === 'let' || (entity?.kind === 'parameter' && entity.at !== null);
}

function outputDim(e: Expr, i: number, dims: Map<string, ValueParameter>, cx: Context): SignatureDim | null {
  if (isBatch(e, i)) return { kind: 'batch' };
  if (e.kind === 'name' && dims.has(e.name)) return { kind: 'name', name: e.name };
  return computed(e, dims, cx);
}

function computed(e: Expr, dims: Map<string, ValueParameter>, cx: Context): SignatureDim | null {
  if (e.kind === 'choice' || e.kind === 'range') {
    report(cx, 'E206', e, 'nothing may stand open in a signature', {
      expected: 'a name of an axis or a computed size',
      found: e.kind,
    });
    return null;
  }
  const expr = elaborateValue(e, cx, 'a size in a signature');
  return expr && { kind: 'value', expr, dims: [...dims].map(([name, binding]) => ({ name, binding })) };
}
