import { byteSize, sameType } from '../base/tensor-type.ts';
import type { Node, Value } from '../ir/graph.ts';
import { sameValue, ValueMap } from '../ir/value.ts';
import { ownerOf } from './destinations.ts';
import type { Work } from './destinations.ts';
import { align } from './plan.ts';
import { rowsOf } from './rows.ts';

/** Bytes of the arena in use from one segment to another, both included. Several values may live there in turn. */
export interface Buffer {
  readonly bytes: number;
  readonly start: number;
  end: number;
  offset: number;
}

/**
 * The buffer of every value that lives in the arena, by the value that owns the memory; offsets are not chosen yet. `segments` numbers the segment
 * of each node: what one step of a segment frees another cannot take, for they run side by side.
 */
export function buffersOf(work: Work, order: readonly Node[], segments: readonly number[]): ValueMap<Buffer> {
  const lastUse = new ValueMap<number>();
  order.forEach((node, step) => {
    for (const input of node.inputs) if (input) lastUse.set(ownerOf(input), step);
  });
  const buffers = new ValueMap<Buffer>();
  const holds = new Map<Buffer, Value>();
  const behind = chainsBehind(order, segments);
  order.forEach((node, step) => {
    const taken = new Set<Buffer>();
    const free = (value: Value | null): Buffer | undefined => {
      const buffer = value ? buffers.get(value) : undefined;
      return buffer && !taken.has(buffer) && sameValue(holds.get(buffer)!, value) ? buffer : undefined;
    };
    node.types.forEach((type, index) => {
      const value: Value = { source: node, index, type };
      if (work.destinations.has(value)) return;
      const end = segments[lastUse.get(value) ?? step]!;
      const buffer =
        free(inPlaceInput(node, index, step, lastUse)) ??
        deadRows(behind.get(node)!, byteSize(type), step, lastUse)
          .map(free)
          .find((b) => b) ??
        ({ bytes: byteSize(type), start: segments[step]!, end, offset: 0 } satisfies Buffer);
      buffer.end = Math.max(buffer.end, end);
      taken.add(buffer);
      holds.set(buffer, value);
      buffers.set(value, buffer);
    });
  });
  return buffers;
}

// For each node those of its segment that its inputs follow from, the node left out.
function chainsBehind(order: readonly Node[], segments: readonly number[]): ReadonlyMap<Node, ReadonlySet<Node>> {
  const behind = new Map<Node, ReadonlySet<Node>>();
  const segmentOf = new Map(order.map((node, step) => [node, segments[step]!]));
  for (const node of order) {
    const sources = node.inputs.map((v) => v && ownerOf(v).source).filter((s) => s?.kind === 'node');
    const made = sources.filter((s) => segmentOf.get(s) === segmentOf.get(node));
    behind.set(node, new Set(made.flatMap((s) => [...behind.get(s)!, s])));
  }
  return behind;
}

// Of the values that nodes of the chain were the last to read, row by row, those of so many bytes: the rows of a later one may stand in their memory.
function deadRows(chain: ReadonlySet<Node>, bytes: number, step: number, lastUse: ValueMap<number>): readonly Value[] {
  return [...chain].flatMap((node) => {
    const rows = rowsOf(
      node.op,
      node.inputs.map((v) => v && v.type),
      node.types,
    );
    const read = node.inputs.filter((v, i) => v && rows?.inputs[i] && byteSize(v.type) === bytes);
    return read.map((v) => ownerOf(v!)).filter((owner) => lastUse.get(owner)! < step);
  });
}

// The owner of the input in whose memory an output may stand: it dies here and is read nowhere else in this step.
function inPlaceInput(node: Node, index: number, step: number, lastUse: ValueMap<number>): Value | null {
  const place = node.op.inPlace?.[index];
  const input = place == null ? null : node.inputs[place];
  if (!input || !sameType(input.type, node.types[index]!)) return null;
  const owner = ownerOf(input);
  if (lastUse.get(owner) !== step) return null;
  return node.inputs.some((v, i) => v && i !== place && sameValue(ownerOf(v), owner)) ? null : owner;
}

/** Chooses offsets so that no two buffers in use in the same segment overlap; returns the size of the arena. */
export function assignOffsets(buffers: readonly Buffer[]): number {
  const bySize = [...buffers].sort((a, b) => b.bytes - a.bytes || a.start - b.start);
  const byTime = [...buffers].sort((a, b) => a.start - b.start || b.bytes - a.bytes);
  const sizes = [bySize, byTime].map((order) => ({ order, bytes: placeInTurn(order) }));
  const best = sizes[0]!.bytes <= sizes[1]!.bytes ? sizes[0]! : sizes[1]!;
  return placeInTurn(best.order);
}

const PAGE = 4096,
  APART = 832, // neither a power of two nor near half a page
  LARGE = 64 << 10;

/**
 * What a buffer takes. Large ones are often whole pages; those behind them begin elsewhere in theirs, because a processor holds a load back while
 * a store is under way whose address ends alike, and lines that lie alike crowd the same sets of a cache.
 */
function room(bytes: number): number {
  const whole = align(bytes);
  return whole < LARGE ? whole : whole + ((((APART - whole) % PAGE) + PAGE) % PAGE);
}

// Each buffer goes into the smallest gap, between those placed before it that live at the same time, that it fits in.
function placeInTurn(order: readonly Buffer[]): number {
  const placed: Buffer[] = []; // by offset
  let total = 0;
  for (const buffer of order) {
    const bytes = room(buffer.bytes);
    let best = -1,
      bestGap = Infinity,
      top = 0;
    for (const other of placed) {
      if (other.end < buffer.start || other.start > buffer.end) continue;
      const gap = other.offset - top;
      if (gap >= bytes && gap < bestGap) {
        best = top;
        bestGap = gap;
      }
      top = Math.max(top, other.offset + room(other.bytes));
    }
    buffer.offset = best >= 0 ? best : top;
    total = Math.max(total, buffer.offset + bytes);
    if (bytes > 0) insertByOffset(placed, buffer);
  }
  return total;
}

function insertByOffset(placed: Buffer[], buffer: Buffer): void {
  let low = 0,
    high = placed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placed[middle]!.offset < buffer.offset) low = middle + 1;
    else high = middle;
  }
  placed.splice(low, 0, buffer);
}
