import type { DType } from '../base/tensor-type.ts';

/** Stand-ins for native things: only the door can make them and tell them apart. */
declare const handle: unique symbol;
export interface StoreHandle {
  readonly [handle]: 'store';
}
export interface PlanHandle {
  readonly [handle]: 'plan';
  /** Working memory of a run, without scratch. */
  readonly arenaBytes: number;
  /** Scratch of a run on all threads. */
  readonly scratchBytes: number;
  readonly steps: number;
}

/** Memory that a run reads or writes. The element type must be that of the plan's view. */
export type ExternalArray = Float32Array | Int32Array | Uint8Array | Uint8ClampedArray;

export interface Info {
  readonly version: string;
  /** The instruction set in use, and all that this CPU has of those built in. */
  readonly isa: string;
  readonly isas: readonly string[];
  /** Whether the one in use multiplies bf16 by instructions of its own; else products of bf16 take longer than those of f32. */
  readonly bf16: boolean;
  /** Cores that this process may use: affinity and container quota. */
  readonly threads: number;
  /** Sixteen hexadecimal digits. */
  readonly opTableHash: string;
  readonly ops: readonly string[];
}

export interface RunOptions {
  /** Times that the plan runs; row s of a per-step external belongs to step s. Default 1. */
  readonly steps?: number;
  /** Default: `defaultThreads()`. Results do not depend on it. */
  readonly threads?: number;
  /**
   * Two words over a SharedArrayBuffer, or over allocated memory. [0]: 0 go on, 1 stop after the step in progress (the run resolves with
   * fewer steps), other values stop at once (it rejects with TENON_CANCELLED, and what it writes is half-written). [1]: steps done so far.
   */
  readonly control?: Int32Array;
  /** Asks for the time of every step of the plan, summed over the run. */
  readonly profile?: boolean;
}

export interface RunResult {
  /** Whole steps done. */
  readonly steps: number;
  readonly seconds: number;
  /** With `profile`: one for every step of the plan. */
  readonly nanoseconds?: Float64Array;
}

export interface StoredType {
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** Options one by one: looking them up in an object would take as long as a small product. */
export type RunArguments = [
  plan: PlanHandle,
  store: StoreHandle | null,
  externals: readonly ExternalArray[],
  steps?: number,
  threads?: number,
  control?: Int32Array | null,
  report?: Float64Array | null,
];

/** The addon's functions. Faults are errors with `code`, `argument`, `expected`, `found`, and `step`, `op`, `layer` where a plan's step is at fault. */
export interface Door {
  info(): Info;
  /** Native memory, 64-byte aligned; runs use it without a copy. Not zeroed, it may hold what was there before. */
  allocate(bytes: number, zeroed?: boolean): ArrayBuffer;
  openStore(): StoreHandle;
  storeWrite(store: StoreHandle, name: string, dtype: DType, dims: readonly number[], data: ExternalArray | null): void;
  storeRead(store: StoreHandle, name: string): StoredType & { readonly data: ArrayBuffer };
  storeList(store: StoreHandle): readonly (StoredType & { readonly name: string })[];
  prepare(bytes: Uint8Array, isa?: string): PlanHandle;
  /**
   * `report` gets the steps done and the seconds that they took and, if it is long enough, the nanoseconds of every step of the plan.
   * Left out: one step, all cores, no control, no report.
   */
  run(...args: RunArguments): Promise<void>;
  runSync(...args: RunArguments): void;
  /** Of allocated memory: detaches it; the next to be allocated may be the same. Other buffers are left alone. */
  close(handle: StoreHandle | PlanHandle | ArrayBuffer): Promise<void>;
}

export const DOOR_FUNCTIONS = [
  'info',
  'allocate',
  'openStore',
  'storeWrite',
  'storeRead',
  'storeList',
  'prepare',
  'run',
  'runSync',
  'close',
] as const satisfies readonly (keyof Door)[];
