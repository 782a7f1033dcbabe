import type { Def, NetExpr, NetLet, SharedLet, TensorExpr } from '../space/expr.ts';

/** Whether what stands here is a list of tensors in some member, as far as the text alone tells. */
export function tensorIsList(e: TensorExpr): boolean {
  switch (e.kind) {
    case 'list':
    case 'pick':
    case 'loose':
      return true;
    case 'wire':
      return e.binding.kind === 'wire' && (known(e.binding, (wire) => tensorIsList(wire.expr)) ?? false);
    case 'apply':
      return givesList(e.net) ?? tensorIsList(e.input);
    case 'choice':
      return e.alternatives.some((a) => tensorIsList(a.expr));
    case 'if':
      return tensorIsList(e.then) || tensorIsList(e.else);
    case 'let':
      return tensorIsList(e.body);
    case 'layerOf':
      return false;
    case 'callOf':
      return defGivesList(e.call.def) ?? false;
  }
}

/** Null: what flows in, or not known. */
function givesList(e: NetExpr): boolean | null {
  switch (e.kind) {
    case 'layer':
      return e.layer.name === 'id' ? null : false;
    case 'project':
      return false;
    case 'branches':
    case 'fan':
    case 'each':
      return true;
    case 'seq':
      for (const item of [...e.items].reverse()) {
        const found = givesList(item);
        if (found !== null) return found;
      }
      return null;
    case 'choice':
      return either(e.alternatives.map((a) => givesList(a.expr)));
    case 'if':
      return either([givesList(e.then), givesList(e.else)]);
    case 'let':
    case 'via':
      return givesList(e.body);
    case 'once':
    case 'shared':
      return known<NetLet | SharedLet>(e.binding, (binding) => givesList(binding.expr));
    case 'call':
      return defGivesList(e.def);
    case 'repeat':
    case 'perm':
    case 'ref':
      return null;
  }
}

const either = (found: readonly (boolean | null)[]): boolean | null =>
  found.find((f) => f === true) ?? (found.includes(null) ? null : false);

function defGivesList(def: Def): boolean | null {
  return known(def, ({ body }) => (body.kind === 'net' ? givesList(body.net) : tensorIsList(body.result)));
}

// Definitions are asked once; what leads back to itself tells nothing.
const answers = new WeakMap<object, boolean | null>();

function known<T extends object>(definition: T, ask: (definition: T) => boolean | null): boolean | null {
  const before = answers.get(definition);
  if (before !== undefined) return before;
  answers.set(definition, null);
  const answer = ask(definition);
  answers.set(definition, answer);
  return answer;
}
