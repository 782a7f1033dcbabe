import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { add, affine } from '../../ops/elementwise.ts';
import { matmul } from '../../ops/matmul.ts';
import { reshape } from '../../ops/shape.ts';
import type { Start } from '../../ir/builder.ts';

/** `[…, C]` as `[rows, C]`. */
export function toRows(b: Builder, x: Value): Value {
  const shape = x.type.shape;
  if (shape.length === 2) return x;
  const width = shape.at(-1)!;
  const rows = shape.slice(0, -1).reduce((n, d) => n * d, 1);
  return b.one(reshape, [x], { dims: [rows, width] });
}

/** `[rows, C]` back under the leading axes of `like`. */
export function fromRows(b: Builder, y: Value, like: Value): Value {
  const lead = like.type.shape.slice(0, -1);
  return lead.length === 1 ? y : b.one(reshape, [y], { dims: [...lead, y.type.shape[1]!] });
}

/** y = x Wᵀ + bias over the rows of x `[rows, in]`; W `[out, in]` at `<path>weight`, bias `[out]` at `<path>bias`. */
export function affineRows(b: Builder, x: Value, out: number, bias: boolean, start: Start, path = ''): Value {
  const width = x.type.shape[1]!;
  const w = b.weight(`${path}weight`, { shape: [out, width], fanIn: width, fanOut: out, start });
  const y = b.one(matmul, [x, w], { transA: 0, transB: 1 });
  return bias ? b.one(add, [y, b.param(`${path}bias`, [out], { kind: 'constant', value: 0 })]) : y;
}

export const scaled = (b: Builder, x: Value, scale: number): Value => b.one(affine, [x], { scale, shift: 0 });
