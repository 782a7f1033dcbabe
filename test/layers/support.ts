import type { ArgType, ArgValue, Args, LayerDef } from '../../src/ir/layer.ts';
import { ffn, project, projectLike, se } from '../../src/layers/blocks.ts';
import { LAYERS } from '../../src/layers/index.ts';

/** The vocabulary, and the blocks of the prelude that are made of it. */
export const ALL: readonly LayerDef[] = [...LAYERS.values(), project, projectLike, ffn, se];

export function layer(name: string): LayerDef {
  const found = ALL.find((l) => l.name === name);
  if (!found) throw new Error(`no layer ${name}`);
  return found;
}

/** The arguments with every default filled in. */
export const filled = (def: LayerDef, args: Args = {}): Args =>
  Object.fromEntries(def.args.map((a) => [a.name, args[a.name] ?? a.default ?? null]));

/** A small legal value of an argument. */
export function smallest(type: ArgType): ArgValue {
  switch (type.kind) {
    case 'whole':
      return Math.max(type.min, 2);
    case 'real':
      return Math.min(type.max, Math.max(type.min, 0.5));
    case 'truth':
      return true;
    case 'name':
      return type.oneOf[0]!;
    case 'wholes':
      return Math.max(type.min, 2);
    case 'axes':
      return [1, 2];
  }
}

/** Arguments that must be given get a small legal value, the rest their defaults. */
export const anyArgs = (def: LayerDef): Args =>
  filled(
    def,
    Object.fromEntries(def.args.flatMap((a) => (a.default === undefined ? [[a.name, smallest(a.type)]] : []))),
  );
