import type { MadeBy } from '../ir/weight.ts';

/**
 * How the layers inside of `via` get their weights: the innermost expression makes them; `whole`: what else they learn is part of one vector (`subspace`).
 */
export interface Force {
  readonly weight: MadeBy | null;
  readonly whole: boolean;
}

export const PLAIN: Force = { weight: null, whole: false };

/** Equal for equal ways. */
export const forceText = ({ weight, whole }: Force): string => `${whole ? '*' : ''}${weight?.text ?? ''}`;

/** Inside of `A via made`, which itself stands under `outer`. */
export const inside = (outer: Force, made: MadeBy): Force =>
  made.def.whole ? { weight: null, whole: true } : { weight: made, whole: outer.whole };

/** Ways, numbered from 0: nothing said. */
export interface Forces {
  readonly get: (id: number) => Force;
  readonly inside: (outer: number, made: MadeBy) => number;
}

export function makeForces(): Forces {
  const all: Force[] = [PLAIN];
  const ids = new Map<string, number>([[forceText(PLAIN), 0]]);
  const get = (id: number): Force => all[id]!;
  return {
    get,
    inside: (outer, made) => {
      const force = inside(get(outer), made);
      const key = forceText(force);
      let id = ids.get(key);
      if (id === undefined) {
        ids.set(key, (id = all.length));
        all.push(force);
      }
      return id;
    },
  };
}
