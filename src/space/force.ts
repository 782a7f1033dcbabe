import type { MadeBy } from '../ir/weight.ts';

/** What layers learn besides weights that an expression makes: parameters, parts of one vector (`subspace`), or such parts, each times a factor. */
type Whole = 'no' | 'vector' | 'scaled';

/** How the layers inside of `via` get their weights: the innermost expression makes them. */
export interface Force {
  readonly weight: MadeBy | null;
  readonly whole: Whole;
}

export const PLAIN: Force = { weight: null, whole: 'no' };

const MARKS: Readonly<Record<Whole, string>> = { no: '', vector: '*', scaled: '**' };

/** Equal for equal ways. */
export const forceText = ({ weight, whole }: Force): string => `${MARKS[whole]}${weight?.text ?? ''}`;

/** Inside of `A via made`, which itself stands under `outer`. */
export const inside = (outer: Force, made: MadeBy): Force =>
  made.def.whole
    ? { weight: null, whole: made.def.whole.scaled(made.args) ? 'scaled' : 'vector' }
    : { weight: made, whole: outer.whole };

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
