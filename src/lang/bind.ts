import type { Parameter } from '../../grammar/syntax.ts';

export interface Binding {
  /** For each argument the index of its parameter; `none` for an unknown name or one argument too many. */
  readonly positions: readonly (number | 'none')[];
  /** Tensors that flow in: the first parameters without an argument, of a cell used as a network. */
  readonly flowing: readonly number[];
}

/**
 * Which parameter each argument of a call of a def or cell is for. Positional arguments fill parameters in order; those
 * of a cell that is given fewer than it needs begin after the tensors that flow in.
 */
export function bindArguments(
  params: readonly Parameter[],
  args: readonly { readonly name: string | null }[],
  cell: boolean,
): Binding {
  const named = new Set(args.flatMap((a) => (a.name === null ? [] : [a.name])));
  const free = params.map((_, i) => i).filter((i) => !named.has(params[i]!.name.name));
  const needed = free.filter((i) => !params[i]!.value);
  const positional = args.filter((a) => a.name === null).length;
  const flowing = cell ? needed.slice(0, Math.max(0, needed.length - positional)) : [];
  const open = free.filter((i) => !flowing.includes(i));
  let next = 0;
  const positions = args.map((a): number | 'none' => {
    if (a.name === null) return open[next++] ?? 'none';
    const i = params.findIndex((p) => p.name.name === a.name);
    return i < 0 ? 'none' : i;
  });
  return { positions, flowing };
}
