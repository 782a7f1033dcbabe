import type { DType } from '../base/tensor-type.ts';
import type { ExternalArray, Info, PlanHandle, RunOptions, RunResult, StoredType, StoreHandle } from './door.ts';
import { door } from './load.ts';

/** What the addon is and what it may use. */
export const info = (): Info => (known ??= door().info());
let known: Info | null = null;

/** Native memory, 64-byte aligned: asynchronous runs use arrays over it without a copy, except for indices. Not zeroed, it may hold what was there before. */
export const allocate = (bytes: number, zeroed = true): ArrayBuffer => door().allocate(bytes, zeroed);

/** Detaches allocated memory and gives it back at once, or when runs in progress are done with it; other buffers are left alone. */
export function release(buffer: ArrayBuffer): void {
  void door().close(buffer);
}

/** TENON_THREADS if set, else the cores that this process may use. */
export function defaultThreads(): number {
  const text = process.env['TENON_THREADS'];
  if (text === undefined || text === '') return info().threads;
  if (!/^[1-9]\d*$/.test(text) || Number(text) > MAX_THREADS)
    throw new RangeError(`TENON_THREADS: expected a whole number from 1 to ${MAX_THREADS}, found '${text}'`);
  return Number(text);
}

const MAX_THREADS = 256;

/** Throws where the addon was built from other op records than these; `hash` is that of src/plan's table, as text. */
export function checkOpTable(hash: string): void {
  const found = info().opTableHash;
  if (found !== hash)
    throw new Error(
      `the addon was built for another op table: expected ${hash}, found ${found}; run \`npm run build:native\``,
    );
}

export interface StoredArray extends StoredType {
  readonly data: ArrayBuffer;
}

/**
 * Named tensors that outlive plans, in native memory. One run at a time; others queue, and reads and writes wait for the runs
 * that came before (blocking this thread). `close` frees the memory once they are done.
 */
export class Store {
  readonly handle: StoreHandle = door().openStore();

  /** Makes or overwrites a tensor; null: zeros. The data are copied. */
  write(name: string, dtype: DType, dims: readonly number[], data: ExternalArray | null): void {
    door().storeWrite(this.handle, name, dtype, dims, data);
  }

  /** A copy. Throws a RangeError for an unknown name. */
  read(name: string): StoredArray {
    return door().storeRead(this.handle, name);
  }

  /** Names and types, by name. */
  list(): readonly (StoredType & { readonly name: string })[] {
    return door().storeList(this.handle);
  }

  close(): Promise<void> {
    return door().close(this.handle);
  }
}

export const openStore = (): Store => new Store();

/** A validated plan, ready to run any number of times, also at once. */
export class PreparedPlan {
  readonly handle: PlanHandle;
  private readonly report = new Float64Array(REPORTED);

  constructor(bytes: Uint8Array, isa?: string) {
    this.handle = door().prepare(bytes, isa);
  }

  get arenaBytes(): number {
    return this.handle.arenaBytes;
  }

  get scratchBytes(): number {
    return this.handle.scratchBytes;
  }

  get steps(): number {
    return this.handle.steps;
  }

  /**
   * Runs off this thread. Arrays are copied in, and written ones back at the end, but for those over allocated memory, which must not
   * be touched meanwhile.
   */
  async run(store: Store | null, externals: readonly ExternalArray[], options: RunOptions = {}): Promise<RunResult> {
    const report = this.reportFor(options) ?? new Float64Array(REPORTED);
    const { steps = 1, threads = defaultThreads(), control } = options;
    await door().run(this.handle, store && store.handle, externals, steps, threads, control ?? null, report);
    return resultOf(report);
  }

  /** Runs here and now, on the arrays themselves. */
  runSync(store: Store | null, externals: readonly ExternalArray[], options: RunOptions = {}): RunResult {
    const report = this.reportFor(options) ?? this.report;
    const { steps = 1, threads = defaultThreads(), control } = options;
    door().runSync(this.handle, store && store.handle, externals, steps, threads, control ?? null, report);
    return resultOf(report);
  }

  /** Runs in progress go on. */
  close(): void {
    void door().close(this.handle);
  }

  private reportFor({ profile }: RunOptions): Float64Array | null {
    return profile ? new Float64Array(REPORTED + this.steps) : null;
  }
}

/** Numbers of a report ahead of the nanoseconds. */
const REPORTED = 2;

function resultOf(report: Float64Array): RunResult {
  const [steps, seconds] = report as unknown as [number, number];
  return report.length > REPORTED ? { steps, seconds, nanoseconds: report.subarray(REPORTED) } : { steps, seconds };
}

/** Checks the bytes; throws with the step and field at fault. `isa`: another instruction set than the best. */
export const prepare = (bytes: Uint8Array, isa?: string): PreparedPlan => new PreparedPlan(bytes, isa);
