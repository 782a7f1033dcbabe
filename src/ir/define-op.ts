import type { OpDef } from './op.ts';
import { parseArgumentName, parsePattern } from './pattern.ts';

/** An op from its record. A record that contradicts itself is a bug, found when its file is loaded. */
export function defineOp(def: Omit<OpDef, 'kind'>): OpDef {
  const bug = (what: string): never => {
    throw new Error(`bug: op '${def.name}' ${what}`);
  };
  if (!/^[a-z][a-z0-9_]*$/.test(def.name)) bug('has a name that is not in snake case');
  const args = Object.keys(def.inputs).map(parseArgumentName);
  if (args.some((a, i) => a.variadic && i < args.length - 1)) bug('has a variadic input that is not its last');
  for (const text of [...Object.values(def.inputs), ...Object.values(def.outputs)]) parsePattern(text);
  const outputs = Object.keys(def.outputs).length;
  if (outputs === 0) bug('has no outputs');
  if (def.rowLocal && args.some((a) => a.variadic)) bug('is row-local and has a variadic input');
  const inPlace = def.inPlace ?? [];
  if (inPlace.length > outputs) bug('says inPlace of more outputs than it has');
  if (inPlace.some((i) => i !== null && (i < 0 || i >= args.length))) bug('says inPlace of an input it does not have');
  if (def.grad === undefined && def.decompose === undefined && !def.stopsGradient)
    bug('has neither grad nor decompose, and does not say stopsGradient');
  if (def.reference === undefined && def.decompose === undefined) bug('has neither reference nor decompose');
  return { kind: 'op', ...def };
}
