import type { ArgDef, ArgValue, Args } from '../../ir/layer.ts';
import type { Start } from '../../ir/builder.ts';

/** Readers of decided arguments. The checker has tested kinds and domains, so a mismatch here is a bug. */
export function whole(args: Args, name: string): number {
  const v = args[name];
  if (typeof v !== 'number') throw new Error(`bug: argument ${name} is not a number`);
  return v;
}

export function truth(args: Args, name: string): boolean {
  const v = args[name];
  if (typeof v !== 'boolean') throw new Error(`bug: argument ${name} is not a truth value`);
  return v;
}

export function text(args: Args, name: string): string {
  const v = args[name];
  if (typeof v !== 'string') throw new Error(`bug: argument ${name} is not a name`);
  return v;
}

export const given = (args: Args, name: string): ArgValue => args[name] ?? null;

export const biasArg: ArgDef = {
  name: 'bias',
  doc: 'whether a learned bias is added',
  type: { kind: 'truth' },
  default: true,
};

export const STARTS = ['he', 'lecun', 'xavier'] as const;

export const initArg = (start: (typeof STARTS)[number]): ArgDef => ({
  name: 'init',
  doc: 'law of the starting weights: he N(0, 2/fan_in), lecun N(0, 1/fan_in), xavier N(0, 2/(fan_in + fan_out))',
  type: { kind: 'name', oneOf: STARTS },
  default: start,
});

export const startOf = (args: Args): Start => text(args, 'init') as Start;
