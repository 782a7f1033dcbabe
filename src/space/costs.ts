/**
 * What layer applications cost, interned. `weights` is 4 bytes for every parameter, its gradient and optimizer slots, and for state; `kept` is 4 bytes for every
 * value kept for backward at the largest batch. Memory is their sum. `shapes` tells weights of different shapes apart where they are shared. `taken` are the numbers
 * that a vector around makes: no parameters, but for that vector.
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
}

export interface Costs {
  readonly zero: Cost;
  make(cost: Omit<Cost, 'id' | 'shapes'>, shapes: readonly string[]): Cost;
  /** The same shapes, at another cost. */
  with(cost: Cost, change: Partial<Omit<Cost, 'id' | 'shapes'>>): Cost;
  add(a: Cost, b: Cost): Cost;
  /** The part that is paid once for shared weights, and the part that every use pays. */
  once(cost: Cost): Cost;
  perUse(cost: Cost): Cost;
  get(id: number): Cost;
}

export function makeCosts(): Costs {
  const all: Cost[] = [];
  const byKey = new Map<string, Cost>();
  const shapeIds = new Map<string, number>([['', 0]]);
  const sums = new Map<number, Map<number, Cost>>();
  const shapesOf = (key: string): number => {
    let id = shapeIds.get(key);
    if (id === undefined) shapeIds.set(key, (id = shapeIds.size));
    return id;
  };
  const intern = (
    params: number,
    flops: number,
    macs: number,
    weights: number,
    kept: number,
    shapes: number,
    taken: number,
  ): Cost => {
    const key = `${params},${flops},${macs},${weights},${kept},${shapes},${taken}`;
    let cost = byKey.get(key);
    if (!cost) {
      cost = { id: all.length, params, flops, macs, weights, kept, shapes, taken };
      all.push(cost);
      byKey.set(key, cost);
    }
    return cost;
  };
  const zero = intern(0, 0, 0, 0, 0, 0, 0);
  return {
    zero,
    make: (c, shapes) =>
      intern(
        c.params,
        c.flops,
        c.macs,
        c.weights,
        c.kept,
        shapes.length === 0 ? 0 : shapesOf(shapes.join(';')),
        c.taken,
      ),
    with: (cost, change) => {
      const c = { ...cost, ...change };
      return intern(c.params, c.flops, c.macs, c.weights, c.kept, c.shapes, c.taken);
    },
    add: (a, b) => {
      if (a === zero) return b;
      if (b === zero) return a;
      let row = sums.get(a.id);
      if (!row) sums.set(a.id, (row = new Map<number, Cost>()));
      let sum = row.get(b.id);
      if (!sum) {
        const shapes = a.shapes === 0 ? b.shapes : b.shapes === 0 ? a.shapes : shapesOf(`${a.shapes}>${b.shapes}`);
        sum = intern(
          a.params + b.params,
          a.flops + b.flops,
          a.macs + b.macs,
          a.weights + b.weights,
          a.kept + b.kept,
          shapes,
          a.taken + b.taken,
        );
        row.set(b.id, sum);
      }
      return sum;
    },
    once: (c) => intern(c.params, 0, 0, c.weights, 0, 0, c.taken),
    perUse: (c) => intern(0, c.flops, c.macs, 0, c.kept, 0, 0),
    get: (id) => all[id]!,
  };
}
