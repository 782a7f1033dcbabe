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

/** A way to decide a network: its decisions (an interned `base`), and what they assume of other slots. */
export interface Way {
  readonly id: number;
  readonly base: number;
  readonly reads: Reads;
}

/** The ways that are left for a once-decided network by what it made of the inputs so far; sorted. */
export interface WaySet {
  readonly id: number;
  readonly ways: readonly Way[];
}

/** How a slot is read: one value; outcomes by input; the set of ways that are left; or the set of values that are left, each a way. */
export type SlotKind = 'plain' | 'lanes' | 'ways' | 'joined';

export interface ReadsTable {
  readonly none: Reads;
  readonly noLanes: Lanes;
  newSlot(kind: SlotKind): number;
  kindOf(slot: number): SlotKind;
  /** Before its first reading. */
  setKind(slot: number, kind: SlotKind): void;
  one(slot: number, value: number): Reads;
  /** Whether values of a slot may be read together. */
  isJoined(slot: number): boolean;
  /** One of some values: of a slot that is not joined, of one. */
  values(slot: number, values: readonly number[]): Reads;
  valuesIn(slot: number, read: number): readonly number[];
  /** Null where the two disagree. */
  merge(a: Reads, b: Reads): Reads | null;
  get(reads: Reads, slot: number): number | undefined;
  without(reads: Reads, slots: ReadonlySet<number>): Reads;
  only(reads: Reads, slots: ReadonlySet<number>): Reads;
  lanes(id: number): Lanes;
  withLane(lanes: Lanes, input: number, outcome: number): Lanes;
  way(base: number, reads: Reads): Way;
  waySet(ways: readonly Way[]): WaySet;
  waySetOf(id: number): WaySet;
  /** Ways in both, with what both assume. */
  common(a: WaySet, b: WaySet): WaySet;
}

export function makeReads(): ReadsTable {
  const byKey = new Map<string, Reads>();
  const kinds: SlotKind[] = [];
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
  const allWays: Way[] = [];
  const waysByKey = new Map<string, Way>();
  const allSets: WaySet[] = [];
  const setsByKey = new Map<string, WaySet>();
  const commons = new Map<string, WaySet>();
  const way = (base: number, reads: Reads): Way => {
    const key = `${base},${reads.id}`;
    let found = waysByKey.get(key);
    if (!found) {
      waysByKey.set(key, (found = { id: allWays.length, base, reads }));
      allWays.push(found);
    }
    return found;
  };
  const waySet = (ways: readonly Way[]): WaySet => {
    const sorted = [...new Set(ways)].sort((a, b) => a.id - b.id);
    const key = sorted.map((w) => w.id).join();
    let found = setsByKey.get(key);
    if (!found) {
      setsByKey.set(key, (found = { id: allSets.length, ways: sorted }));
      allSets.push(found);
    }
    return found;
  };
  const common = (a: WaySet, b: WaySet): WaySet => {
    if (a === b) return a;
    const key = `${a.id},${b.id}`;
    let found = commons.get(key);
    if (!found) {
      const byBase = new Map<number, Way[]>();
      for (const v of b.ways) byBase.set(v.base, [...(byBase.get(v.base) ?? []), v]);
      const both = a.ways.flatMap((w) =>
        (byBase.get(w.base) ?? []).flatMap((v) => {
          const reads = merge(v.reads, w.reads);
          return reads ? [way(w.base, reads)] : [];
        }),
      );
      commons.set(key, (found = waySet(both)));
    }
    return found;
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
        else if (kinds[s] === 'ways' || kinds[s] === 'joined') {
          const both = common(allSets[v]!, allSets[w]!);
          if (both.ways.length === 0) return null;
          values.push(both.id);
        } else {
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
  const merge = (a: Reads, b: Reads): Reads | null => {
    if (a === b || b === none) return a;
    if (a === none) return b;
    let row = merged.get(a.id);
    if (!row) merged.set(a.id, (row = new Map<number, Reads | null>()));
    let found = row.get(b.id);
    if (found === undefined) row.set(b.id, (found = mergeNew(a, b)));
    return found;
  };
  return {
    none,
    noLanes: internLanes([], []),
    newSlot: (kind) => kinds.push(kind) - 1,
    one: (slot, value) => intern([slot], [value]),
    isJoined: (slot) => kinds[slot] === 'joined',
    values: (slot, values) => {
      const isJoined = kinds[slot] === 'joined';
      return intern([slot], [isJoined ? waySet(values.map((v) => way(v, none))).id : values[0]!]);
    },
    valuesIn: (slot, read) => (kinds[slot] === 'joined' ? allSets[read]!.ways.map((w) => w.base) : [read]),
    merge,
    get: (reads, slot) => {
      const at = reads.slots.indexOf(slot);
      return at < 0 ? undefined : reads.values[at];
    },
    without: (reads, slots) => filter(reads, (s) => !slots.has(s)),
    only: (reads, slots) => filter(reads, (s) => slots.has(s)),
    lanes: (id) => allLanes[id]!,
    withLane,
    kindOf: (slot) => kinds[slot]!,
    setKind: (slot, kind) => {
      kinds[slot] = kind;
    },
    way,
    waySet,
    waySetOf: (id) => allSets[id]!,
    common,
  };
}
