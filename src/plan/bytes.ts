import { DTYPES, MAX_RANK } from '../base/tensor-type.ts';
import { attrWords } from '../ir/attrs.ts';
import type { AttrKind, AttrValue, Attrs, OpDef } from '../ir/op.ts';
import type { OpTable } from './op-table.ts';
import type { PlanData, PlanStep, PlanView } from './plan.ts';

/** The packed form of a plan, little-endian: header, names, views, steps. cpp/exec decodes it. */
export const PLAN_MAGIC = 0x4c504e54; // 'TNPL'
export const PLAN_VERSION = 1;
export const HEADER_BYTES = 64;
export const VIEW_BYTES = 88;
/** Of a step's head: its views and attributes follow. */
export const STEP_BYTES = 16;
export const NONE = 0xffffffff;
export const PLACES = ['arena', 'store', 'external'] as const;
const PER_STEP = 1;
const WRITTEN = 2;
const JOINS = 1;

export function encodePlan(plan: PlanData, table: OpTable): Uint8Array {
  const names = nameTable(plan);
  const nameBytes = pad(
    names.all.reduce((n, name) => n + 4 + pad(name.length, 4), 0),
    8,
  );
  const stepBytes = plan.steps.reduce((n, step) => n + sizeOfStep(step), 0);
  const total = HEADER_BYTES + nameBytes + plan.views.length * VIEW_BYTES + stepBytes;
  const w = writer(total);
  w.u32(PLAN_MAGIC, PLAN_VERSION);
  w.u64(table.hash);
  w.u32(names.all.length, plan.views.length, plan.steps.length, plan.externals.length);
  w.u64(BigInt(plan.arenaBytes), BigInt(total), 0n, 0n);
  for (const name of names.all) {
    w.u32(name.length);
    w.bytes(name);
    w.align(4);
  }
  w.align(8);
  for (const view of plan.views) writeView(w, view, plan, names);
  for (const step of plan.steps) writeStep(w, step, table, names);
  return w.done();
}

interface Names {
  readonly all: readonly Uint8Array[];
  of(name: string): number;
}

function nameTable(plan: PlanData): Names {
  const paths = plan.steps.map((s) => s.path).filter((path) => path !== '');
  const texts = [...new Set([...plan.store.map((s) => s.name), ...paths])];
  const numbers = new Map(texts.map((text, i) => [text, i]));
  const utf8 = new TextEncoder();
  return { all: texts.map((text) => utf8.encode(text)), of: (name) => numbers.get(name) ?? NONE };
}

const pad = (n: number, to: number): number => Math.ceil(n / to) * to;

const wordsOf = (op: OpDef): number => Object.values(op.attrs).reduce((n, kind) => n + attrWords(kind), 0);
const sizeOfStep = (step: PlanStep): number =>
  pad(STEP_BYTES + 4 * (step.inputs.length + step.outputs.length), 8) + 8 * wordsOf(step.op);

function writeView(w: Writer, view: PlanView, plan: PlanData, names: Names): void {
  const flags = (view.perStep ? PER_STEP : 0) | (view.written ? WRITTEN : 0);
  w.u8(PLACES.indexOf(view.place), DTYPES.indexOf(view.type.dtype), view.type.shape.length, flags);
  w.u32(view.place === 'store' ? names.of(plan.store[view.ref]!.name) : view.ref);
  w.u64(BigInt(view.offset));
  for (let i = 0; i < MAX_RANK; i++) w.u64(BigInt(view.type.shape[i] ?? 0));
  w.u64(0n);
}

function writeStep(w: Writer, step: PlanStep, table: OpTable, names: Names): void {
  w.u32(table.idOf.get(step.op)!);
  w.u16(step.inputs.length);
  w.u8(step.outputs.length, step.joins ? JOINS : 0);
  w.u32(wordsOf(step.op), step.path === '' ? NONE : names.of(step.path));
  for (const view of [...step.inputs, ...step.outputs]) w.u32(view ?? NONE);
  w.align(8);
  writeAttrs(w, step.op, step.attrs);
}

function writeAttrs(w: Writer, op: OpDef, attrs: Attrs): void {
  for (const [name, kind] of Object.entries(op.attrs)) writeAttr(w, kind, attrs[name]!);
}

function writeAttr(w: Writer, kind: AttrKind, value: AttrValue): void {
  if (kind === 'f32') w.f64(value as number);
  else if (kind === 'u32') w.u64(BigInt(value as number));
  else if (kind === 'dims') {
    const dims = value as readonly number[];
    w.u64(BigInt(dims.length));
    for (let i = 0; i < MAX_RANK; i++) w.u64(BigInt(dims[i] ?? 0));
  } else if ('oneOf' in kind) w.u64(BigInt(kind.oneOf.indexOf(value as string)));
  else for (const n of value as readonly number[]) w.u64(BigInt(n));
}

interface Writer {
  u8(...values: number[]): void;
  u16(...values: number[]): void;
  u32(...values: number[]): void;
  u64(...values: bigint[]): void;
  f64(value: number): void;
  bytes(values: Uint8Array): void;
  align(to: number): void;
  done(): Uint8Array;
}

function writer(total: number): Writer {
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  let at = 0;
  return {
    u8: (...values) => values.forEach((v) => view.setUint8(at++, v)),
    u16: (...values) => values.forEach((v) => (view.setUint16(at, v, true), (at += 2))),
    u32: (...values) => values.forEach((v) => (view.setUint32(at, v, true), (at += 4))),
    u64: (...values) => values.forEach((v) => (view.setBigUint64(at, v, true), (at += 8))),
    f64(value) {
      view.setFloat64(at, value, true);
      at += 8;
    },
    bytes(values) {
      out.set(values, at);
      at += values.length;
    },
    align(to) {
      at = pad(at, to);
    },
    done() {
      if (at !== total) throw new Error(`bug: a plan of ${total} bytes took ${at}`);
      return out;
    },
  };
}
