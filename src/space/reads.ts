/**
 * What an evaluation assumed of things that are decided once: a number for each slot that it read. Two evaluations go together where they assume the
 * same. A network that is decided once is read by lanes: what it makes of each input that it meets. Interned.
 */
export interface Reads {
  readonly id: number;
  readonly slots: readonly number[];
  readonly values: readonly number[];
}

/** What a once-decided network makes of inputs, sorted by input. */
export interface Lanes {
  readonly id: number;
  readonly inputs: readonly number[];
  /** Outcomes (interned pairs of an output and a cost), one an input. */
  readonly outcomes: readonly number[];
}

export interface ReadsTable {
  readonly none: Reads;
  readonly noLanes: Lanes;
  /** A slot of a value or a tensor (`plain`), or of a network. */
  newSlot(kind: 'plain' | 'lanes'): number;
  one(slot: number, value: number): Reads;
  /** Null where the two disagree. */
  merge(a: Reads, b: Reads): Reads | null;
  get(reads: Reads, slot: number): number | undefined;
  without(reads: Reads, slots: ReadonlySet<number>): Reads;
  only(reads: Reads, slots: ReadonlySet<number>): Reads;
  lanes(id: number): Lanes;
  withLane(lanes: Lanes, input: number, outcome: number): Lanes;
}

export function makeReads(): ReadsTable {
  const byKey = new Map<string, Reads>();
  const kinds: ('plain' | 'lanes')[] = [];
  const allLanes: Lanes[] = [];
  const lanesByKey = new Map<string, Lanes>();
  const merged = new Map<number, Map<number, Reads | null>>();
  let nextId = 0;

  const intern = (slots: readonly number[], values: readonly number[]): Reads => {
    let key = '';
    for (let i = 0; i < slots.length; i++) key += `${slots[i]}=${values[i]},`;
    let reads = byKey.get(key);
    if (!reads) byKey.set(key, (reads = { id: nextId++, slots, values }));
    return reads;
  };
  const internLanes = (inputs: readonly number[], outcomes: readonly number[]): Lanes => {
    const key = `${inputs.join(',')}:${outcomes.join(',')}`;
    let lanes = lanesByKey.get(key);
    if (!lanes) {
      lanes = { id: allLanes.length, inputs, outcomes };
      allLanes.push(lanes);
      lanesByKey.set(key, lanes);
    }
    return lanes;
  };
  const withLane = (lanes: Lanes, input: number, outcome: number): Lanes => {
    let at = lanes.inputs.findIndex((x) => x >= input);
    if (at < 0) at = lanes.inputs.length;
    const insert = (list: readonly number[], v: number): number[] => [...list.slice(0, at), v, ...list.slice(at)];
    return internLanes(insert(lanes.inputs, input), insert(lanes.outcomes, outcome));
  };
  const mergeLanes = (a: Lanes, b: Lanes): Lanes | null => {
    let out = a;
    for (let i = 0; i < b.inputs.length; i++) {
      const at = out.inputs.indexOf(b.inputs[i]!);
      if (at < 0) out = withLane(out, b.inputs[i]!, b.outcomes[i]!);
      else if (out.outcomes[at] !== b.outcomes[i]) return null;
    }
    return out;
  };
  const mergeNew = (a: Reads, b: Reads): Reads | null => {
    const slots: number[] = [];
    const values: number[] = [];
    let i = 0,
      j = 0;
    while (i < a.slots.length || j < b.slots.length) {
      const s = a.slots[i] ?? Infinity;
      const t = b.slots[j] ?? Infinity;
      slots.push(Math.min(s, t));
      if (s < t) values.push(a.values[i++]!);
      else if (t < s) values.push(b.values[j++]!);
      else {
        const [v, w] = [a.values[i++]!, b.values[j++]!];
        if (v === w) values.push(v);
        else if (kinds[s] === 'plain') return null;
        else {
          const both = mergeLanes(allLanes[v]!, allLanes[w]!);
          if (!both) return null;
          values.push(both.id);
        }
      }
    }
    return intern(slots, values);
  };
  const filter = (reads: Reads, keep: (slot: number) => boolean): Reads => {
    if (reads.slots.every(keep)) return reads;
    const at = reads.slots.map((_, i) => i).filter((i) => keep(reads.slots[i]!));
    return intern(
      at.map((i) => reads.slots[i]!),
      at.map((i) => reads.values[i]!),
    );
  };
  const none = intern([], []);
  return {
    none,
    noLanes: internLanes([], []),
    newSlot: (kind) => kinds.push(kind) - 1,
    one: (slot, value) => intern([slot], [value]),
    merge: (a, b) => {
      if (a === b || b === none) return a;
      if (a === none) return b;
      let row = merged.get(a.id);
      if (!row) merged.set(a.id, (row = new Map<number, Reads | null>()));
      let found = row.get(b.id);
      if (found === undefined) row.set(b.id, (found = mergeNew(a, b)));
      return found;
    },
    get: (reads, slot) => {
      const at = reads.slots.indexOf(slot);
      return at < 0 ? undefined : reads.values[at];
    },
    without: (reads, slots) => filter(reads, (s) => !slots.has(s)),
    only: (reads, slots) => filter(reads, (s) => slots.has(s)),
    lanes: (id) => allLanes[id]!,
    withLane,
  };
}
