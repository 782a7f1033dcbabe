import type { ArgType } from '../ir/layer.ts';

export const real = (min: number, max: number, open: { openMin?: true; openMax?: true } = {}): ArgType => ({
  kind: 'real',
  min,
  max,
  ...open,
});

/** Decided arguments of a recipe, every default filled in. */
export type Numbers = Readonly<Record<string, number | boolean | string>>;

export function numberOf(args: Numbers, name: string): number {
  const v = args[name];
  if (typeof v !== 'number') throw new Error(`bug: ${name} is not a number`);
  return v;
}
