import { LAYERS } from '../layers/index.ts';
import { ffn, se } from '../layers/blocks.ts';
import { WEIGHTS } from '../weights/index.ts';
import type { Builtin, Entity, Kind, Scope } from './model.ts';
import { newScope } from './scope.ts';
import { SETTINGS } from './setting-defs.ts';

const BUILTINS: readonly Builtin[] = ['perm', 'fan', 'pick', 'loose', 'project'];

/** Parts of the language that do not exist yet, so that messages can say so. */
const LATER: Readonly<Record<string, Kind>> = {
  spectral: 'net',
  dynconv: 'net',
  hyper: 'weight',
  mask: 'weight',
  quant: 'weight',
};

/** Names of networks that the language defines without a text. */
export const BUILTIN_NAMES: readonly string[] = [se.name, ffn.name, ...LAYERS.keys(), ...BUILTINS];

/** The scope of what the language defines without a text. */
export const builtinScope = (): Scope => (made ??= makeScope());
let made: Scope | undefined;

function makeScope(): Scope {
  const scope = newScope(null, true);
  const add = (entity: Entity): void => void scope.names.set(entity.name, entity);
  const common = { at: null, used: true } as const;
  for (const [name, of] of Object.entries(LATER)) add({ kind: 'later', name, of, ...common });
  for (const weight of WEIGHTS.values()) add({ kind: 'weight', name: weight.name, weight, ...common });
  for (const [name, setting] of SETTINGS) add({ kind: 'setting', name, setting, ...common });
  for (const layer of [se, ffn, ...LAYERS.values()]) add({ kind: 'layer', name: layer.name, layer, ...common });
  for (const builtin of BUILTINS) add({ kind: 'builtin', name: builtin, builtin, ...common });
  return scope;
}
