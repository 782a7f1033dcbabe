import { philox as words } from '../base/philox.ts';
import { WHOLE_MAX } from './args.ts';
import { readNamed } from './call.ts';
import { badType, badValue, describe } from './error.ts';

/** Random words, a pure function of counter and key. */
export interface PhiloxArgs {
  /** Four whole numbers below 2^32. */
  readonly counter: readonly number[] | Uint32Array;
  /** Two whole numbers below 2^32. */
  readonly key: readonly number[] | Uint32Array;
}

/** One block of Philox4x32-10 (Salmon et al. 2011). At once: there is nothing to wait for. */
export function philox(args: PhiloxArgs): Uint32Array {
  const named = readNamed(args, ['counter', 'key']);
  const [a, b, c, d] = readWords(named['counter'], 'counter', 4);
  const [low, high] = readWords(named['key'], 'key', 2);
  return words([a!, b!, c!, d!], [low!, high!]);
}

export const philoxSync = philox;

function readWords(value: unknown, argument: string, count: number): readonly number[] {
  const expected = `${count} whole numbers from 0 to ${WHOLE_MAX}`;
  if (!Array.isArray(value) && !(value instanceof Uint32Array)) throw badType(argument, expected, describe(value));
  const list: readonly unknown[] = [...(value as readonly unknown[])];
  const fits = list.every((n) => Number.isInteger(n) && (n as number) >= 0 && (n as number) <= WHOLE_MAX);
  if (list.length !== count || !fits)
    throw badValue(argument, expected, `[${list.slice(0, 8).map(describe).join(', ')}]`);
  return list as readonly number[];
}
