/**
 * What layer applications cost, interned. `weights` is 4 bytes for every parameter, its gradient and optimizer slots, and for state; `kept` is 4 bytes for every
 * value kept for backward at the largest batch. Memory is their sum. `shapes` tells weights of different shapes apart where they are shared. `taken` are the numbers
 * that a vector around makes: no parameters, but for that vector. `lent` numbers those that it makes of shared networks, each once however often it is used.
 */
export interface Cost {
  readonly id: number;
  readonly params: number;
  readonly flops: number;
  readonly macs: number;
  readonly weights: number;
  readonly kept: number;
  readonly shapes: number;
  readonly taken: number;
  readonly lent: number;
}

export interface Costs {
  readonly zero: Cost;
  make(cost: Omit<Cost, 'id' | 'shapes' | 'lent'>, shapes: readonly string[]): Cost;
  add(a: Cost, b: Cost): Cost;
  /** The part that is paid once for shared weights, and the part that every use pays; what a vector takes is counted where it stands. */
  once(cost: Cost): Cost;
  perUse(cost: Cost): Cost;
  /** What a use of a shared network pays: a vector around takes its numbers once, whatever uses it. */
  lent(cost: Cost, slot: number): Cost;
  /** Once all uses of a shared network are known. */
  returned(cost: Cost, slot: number): Cost;
  /** Numbers that a vector takes, those of shared networks too. */
  takenIn(cost: Cost): number;
  /** The same shapes at another cost, where no vector is left that takes anything. */
  given(cost: Cost, change: Partial<Pick<Cost, 'params' | 'weights'>>): Cost;
}

/** Numbers that are taken of shared networks, by their slots. */
type Lent = ReadonlyMap<number, number>;

interface Lents {
  readonly get: (id: number) => Lent;
  readonly id: (lent: Lent) => number;
  readonly join: (a: number, b: number) => number;
}

function makeLents(): Lents {
  const all: Lent[] = [];
  const ids = new Map<string, number>();
  const id = (lent: Lent): number => {
    const key = [...lent]
      .sort(([a], [b]) => a - b)
      .map(([slot, taken]) => `${slot}:${taken}`)
      .join();
    let found = ids.get(key);
    if (found === undefined) {
      ids.set(key, (found = all.length));
      all.push(lent);
    }
    return found;
  };
  id(new Map());
  return {
    get: (i) => all[i]!,
    id,
    join: (a, b) => (a === b || b === 0 ? a : a === 0 ? b : id(new Map([...all[a]!, ...all[b]!]))),
  };
}

export function makeCosts(): Costs {
  const byKey = new Map<string, Cost>();
  const shapeIds = new Map<string, number>([['', 0]]);
  const sums = new Map<number, Map<number, Cost>>();
  const lents = makeLents();
  const shapesOf = (key: string): number => {
    let id = shapeIds.get(key);
    if (id === undefined) shapeIds.set(key, (id = shapeIds.size));
    return id;
  };
  const intern = (c: Omit<Cost, 'id'>): Cost => {
    const key = `${c.params},${c.flops},${c.macs},${c.weights},${c.kept},${c.shapes},${c.taken},${c.lent}`;
    let cost = byKey.get(key);
    if (!cost) {
      const { params, flops, macs, weights, kept, shapes, taken, lent } = c;
      cost = { id: byKey.size, params, flops, macs, weights, kept, shapes, taken, lent };
      byKey.set(key, cost);
    }
    return cost;
  };
  const zero = intern({ params: 0, flops: 0, macs: 0, weights: 0, kept: 0, shapes: 0, taken: 0, lent: 0 });
  return {
    zero,
    make: (c, shapes) => intern({ ...c, shapes: shapes.length === 0 ? 0 : shapesOf(shapes.join(';')), lent: 0 }),
    add: (a, b) => {
      if (a === zero) return b;
      if (b === zero) return a;
      let row = sums.get(a.id);
      if (!row) sums.set(a.id, (row = new Map<number, Cost>()));
      let sum = row.get(b.id);
      if (!sum) {
        sum = intern({
          params: a.params + b.params,
          flops: a.flops + b.flops,
          macs: a.macs + b.macs,
          weights: a.weights + b.weights,
          kept: a.kept + b.kept,
          shapes: a.shapes === 0 ? b.shapes : b.shapes === 0 ? a.shapes : shapesOf(`${a.shapes}>${b.shapes}`),
          taken: a.taken + b.taken,
          lent: lents.join(a.lent, b.lent),
        });
        row.set(b.id, sum);
      }
      return sum;
    },
    once: (c) => intern({ ...zero, params: c.params, weights: c.weights }),
    perUse: (c) => intern({ ...c, params: 0, weights: 0, shapes: 0 }),
    lent: (c, slot) => {
      const lent = c.taken === 0 ? c.lent : lents.join(c.lent, lents.id(new Map([[slot, c.taken]])));
      return intern({ ...c, params: 0, weights: 0, shapes: 0, taken: 0, lent });
    },
    returned: (c, slot) => {
      const taken = lents.get(c.lent).get(slot);
      if (taken === undefined) return c;
      const rest = [...lents.get(c.lent)].filter(([s]) => s !== slot);
      return intern({ ...c, taken: c.taken + taken, lent: lents.id(new Map(rest)) });
    },
    takenIn: (c) => [...lents.get(c.lent).values()].reduce((a, b) => a + b, c.taken),
    given: (c, change) => intern({ ...c, ...change, taken: 0, lent: 0 }),
  };
}
