import { byteSize } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Graph } from '../ir/graph.ts';
import { OPS } from '../ops/index.ts';
import { makePlan } from '../plan/make-plan.ts';
import { prepare } from '../native/native.ts';
import type { PreparedPlan, Store } from '../native/native.ts';
import { splitOnce } from '../rewrite/once.ts';
import type { Made } from '../rewrite/once.ts';
import { optimize } from '../rewrite/rules/index.ts';
import type { OptimizeOptions } from '../rewrite/rules/index.ts';
import type { Plan } from '../plan/plan.ts';
import { orOutOfMemory } from './config.ts';

/** Arrays of a run by name: those that a plan reads are given, those that it writes come back. */
export type Arrays = Readonly<Record<string, Float32Array | Int32Array | Uint8Array>>;

/** A graph made ready to run: rewritten, planned, validated. */
export class Runnable {
  readonly plan: Plan;
  private readonly prepared: PreparedPlan;

  /** `options` null: the graph has been rewritten already. */
  constructor(graph: Graph, options: OptimizeOptions | null = {}) {
    this.plan = makePlan(options ? optimize(graph, options) : graph, { ops: OPS });
    this.prepared = prepare(this.plan.bytes);
  }

  /**
   * Runs `steps` times over one store; per-step arrays have a row a step. Gives the steps done, fewer where `control` stopped the run, and what the
   * plan writes. Throws TrainError `memory` where the memory of a run is not there.
   */
  async run(store: Store, given: Arrays, options: RunOptions): Promise<Ran> {
    const externals = this.plan.externals.map((e) => {
      if (!e.written) {
        const array = given[e.name];
        if (!array) throw new Error(`bug: the run was given no ${e.name}`);
        return array;
      }
      return arrayFor(e.type, e.perStep ? options.steps : 1);
    });
    const { steps, nanoseconds } = await this.prepared.run(store, externals, options).catch((e: unknown) => {
      throw orOutOfMemory(e);
    });
    const written = this.plan.externals.flatMap((e, i) => (e.written ? [[e.name, externals[i]!] as const] : []));
    return { steps, arrays: Object.fromEntries(written), ...(nanoseconds ? { nanoseconds } : {}) };
  }

  close(): void {
    this.prepared.close();
  }
}

/**
 * A graph that runs often while weights stay as they are: what follows from them alone lies in the store, made by `refresh`, and is read there. Its bits
 * are those of the graph as a whole.
 */
export class Forward {
  /** Tensors of the store that runs read, made ones among them. */
  readonly reads: readonly string[];
  /** What `refresh` reads. */
  readonly sources: readonly string[];
  readonly made: readonly string[];
  private readonly types: readonly Made[];
  private readonly once: Runnable | null;
  private readonly each: Runnable;

  constructor(graph: Graph, options: OptimizeOptions = {}) {
    const { once, each, made } = splitOnce(optimize(graph, options));
    this.types = made;
    this.made = made.map((m) => m.name);
    this.once = made.length > 0 ? new Runnable(once, null) : null;
    this.each = new Runnable(each, null);
    this.reads = this.each.plan.store.map((s) => s.name);
    this.sources = (this.once?.plan.store ?? []).map((s) => s.name).filter((name) => !this.made.includes(name));
  }

  /** Makes what runs read besides; a run asked for in the same turn sees the same weights. */
  async refresh(store: Store, threads: number): Promise<void> {
    if (!this.once) return;
    try {
      for (const { name, type } of this.types) store.write(name, type.dtype, type.shape, null);
    } catch (e) {
      throw orOutOfMemory(e);
    }
    await this.once.run(store, {}, { steps: 1, threads });
  }

  run(store: Store, given: Arrays, options: RunOptions): Promise<Ran> {
    return this.each.run(store, given, options);
  }

  close(): void {
    this.once?.close();
    this.each.close();
  }
}

/** Gives the memory of tensors of a store back. */
export function forget(store: Store, names: Iterable<string>): void {
  for (const name of names) store.write(name, 'f32', [0], null);
}

export interface Ran {
  readonly steps: number;
  readonly arrays: Arrays;
  /** With `profile`: of every step of the plan, summed over the run. */
  readonly nanoseconds?: Float64Array;
}

export interface RunOptions {
  readonly steps: number;
  readonly threads: number;
  /** [0]: set to stop; [1]: steps done so far. */
  readonly control?: Int32Array;
  readonly profile?: boolean;
}

function arrayFor(type: TensorType, rows: number): Float32Array | Int32Array | Uint8Array {
  const bytes = new ArrayBuffer(byteSize(type) * rows);
  if (type.dtype === 'f32') return new Float32Array(bytes);
  return type.dtype === 'i32' ? new Int32Array(bytes) : new Uint8Array(bytes);
}
