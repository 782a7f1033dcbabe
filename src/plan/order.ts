import { byteSize } from '../base/tensor-type.ts';
import type { Node, Value } from '../ir/graph.ts';
import { ValueMap } from '../ir/value.ts';
import { ownerOf } from './destinations.ts';
import type { Work } from './destinations.ts';

/** Bytes that updates may keep waiting before they run: they stay in the caches. */
const HELD = 1 << 18;

/**
 * An order in which every node follows what it uses and what it must not overtake. Nodes keep the order of their making, but one that frees at
 * least as much memory as it takes goes first. Those that nothing follows, such as optimizers' steps, wait for others of their kind, so that they run
 * as one segment.
 */
export function orderNodes(work: Work): readonly Node[] {
  const waits = new Map<Node, number>();
  const followers = new Map<Node, Node[]>();
  for (const node of work.nodes) {
    const needed = new Set<Node>(work.before.get(node) ?? []);
    for (const input of node.inputs) {
      const source = input && ownerOf(input).source;
      if (source?.kind === 'node') needed.add(source);
    }
    waits.set(node, needed.size);
    for (const n of needed) followers.set(n, [...(followers.get(n) ?? []), node]);
  }
  const memory = memoryAccount(work);
  const ready = work.nodes.filter((n) => waits.get(n) === 0).sort(byId);
  const order: Node[] = [];
  const run = (node: Node): void => {
    order.push(node);
    memory.done(node);
    for (const follower of followers.get(node) ?? []) {
      const left = waits.get(follower)! - 1;
      waits.set(follower, left);
      if (left === 0) insertById(ready, follower);
    }
  };
  const isLast = (node: Node): boolean => node.op.rowLocal !== undefined && !followers.has(node);
  let waiting: Node[] = [],
    held = 0;
  while (ready.length > 0 || waiting.length > 0) {
    if (ready.length === 0 || held > HELD) {
      waiting.forEach(run);
      [waiting, held] = [[], 0];
      continue;
    }
    const saving = ready.findIndex((n) => memory.growth(n) <= 0);
    const [node] = ready.splice(Math.max(saving, 0), 1);
    if (isLast(node!)) {
      waiting.push(node!);
      held -= memory.growth(node!);
    } else run(node!);
  }
  if (order.length !== work.nodes.length) throw new Error('bug: the steps of a plan wait for each other');
  return order;
}

const byId = (a: Node, b: Node): number => a.id - b.id;

function insertById(list: Node[], node: Node): void {
  let low = 0,
    high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]!.id < node.id) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, node);
}

interface MemoryAccount {
  /** Bytes of the arena that a node would take, less those that would be free after it. */
  growth(node: Node): number;
  done(node: Node): void;
}

function memoryAccount(work: Work): MemoryAccount {
  const left = new ValueMap<number>();
  for (const [value, readers] of work.readers.entries()) left.set(value, readers.size);
  const takes = new Map<Node, number>();
  const takenBy = (node: Node): number => {
    let sum = takes.get(node);
    if (sum === undefined) {
      sum = 0;
      node.types.forEach((type, index) => {
        if (!work.destinations.has({ source: node, index, type })) sum! += byteSize(type);
      });
      takes.set(node, sum);
    }
    return sum;
  };
  const ownersRead = (node: Node): readonly Value[] => {
    const seen = new ValueMap<true>();
    for (const input of node.inputs) if (input) seen.set(ownerOf(input), true);
    return [...seen.entries()].map(([value]) => value);
  };
  const inArena = (value: Value): boolean => value.source.kind === 'node' && !work.destinations.has(value);
  return {
    growth(node) {
      let growth = takenBy(node);
      for (const owner of ownersRead(node)) if (inArena(owner) && left.get(owner) === 1) growth -= byteSize(owner.type);
      return growth;
    },
    done(node) {
      for (const owner of ownersRead(node)) left.set(owner, left.get(owner)! - 1);
    },
  };
}
