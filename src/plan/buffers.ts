import { byteSize, sameType } from '../base/tensor-type.ts';
import type { Node, Value } from '../ir/graph.ts';
import { sameValue, ValueMap } from '../ir/value.ts';
import { ownerOf } from './destinations.ts';
import type { Work } from './destinations.ts';
import { align } from './plan.ts';

/** Bytes of the arena in use from one step to another, both included. Several values may live there in turn. */
export interface Buffer {
  readonly bytes: number;
  readonly start: number;
  end: number;
  offset: number;
}

/** The buffer of every value that lives in the arena, by the value that owns the memory; offsets are not chosen yet. */
export function buffersOf(work: Work, order: readonly Node[]): ValueMap<Buffer> {
  const lastUse = new ValueMap<number>();
  order.forEach((node, step) => {
    for (const input of node.inputs) if (input) lastUse.set(ownerOf(input), step);
  });
  const buffers = new ValueMap<Buffer>();
  order.forEach((node, step) => {
    const taken = new Set<Buffer>();
    node.types.forEach((type, index) => {
      const value: Value = { source: node, index, type };
      if (work.destinations.has(value)) return;
      const end = lastUse.get(value) ?? step;
      const input = inPlaceInput(node, index, step, lastUse);
      const old = input && buffers.get(input);
      const buffer = old && !taken.has(old) ? old : { bytes: byteSize(type), start: step, end, offset: 0 };
      buffer.end = Math.max(buffer.end, end);
      taken.add(buffer);
      buffers.set(value, buffer);
    });
  });
  return buffers;
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

/** Chooses offsets so that no two buffers in use at the same step overlap; returns the size of the arena. */
export function assignOffsets(buffers: readonly Buffer[]): number {
  const bySize = [...buffers].sort((a, b) => b.bytes - a.bytes || a.start - b.start);
  const byTime = [...buffers].sort((a, b) => a.start - b.start || b.bytes - a.bytes);
  const sizes = [bySize, byTime].map((order) => ({ order, bytes: placeInTurn(order) }));
  const best = sizes[0]!.bytes <= sizes[1]!.bytes ? sizes[0]! : sizes[1]!;
  return placeInTurn(best.order);
}

// Each buffer goes into the smallest gap, between those placed before it that live at the same time, that it fits in.
function placeInTurn(order: readonly Buffer[]): number {
  const placed: Buffer[] = []; // by offset
  let total = 0;
  for (const buffer of order) {
    const bytes = align(buffer.bytes);
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
      top = Math.max(top, other.offset + align(other.bytes));
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
