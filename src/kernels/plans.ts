import type { TensorType } from '../base/tensor-type.ts';
import type { Graph } from '../ir/graph.ts';
import { prepare } from '../native/native.ts';
import type { PreparedPlan } from '../native/native.ts';
import type { RunOptions } from '../native/door.ts';
import { OPS } from '../ops/index.ts';
import { makePlan } from '../plan/make-plan.ts';
import { TenonError } from './error.ts';
import type { Data } from './tensor.ts';

export type Arrays = Readonly<Record<string, Data>>;

/** A graph made ready to run over arrays by name. */
export class Planned {
  readonly bytes: number;
  /** Working memory of a run, scratch included. */
  readonly memory: number;
  /** What a run writes. */
  readonly outputs: ReadonlyMap<string, TensorType>;
  private readonly names: readonly string[];
  private readonly prepared: PreparedPlan;

  constructor(graph: Graph) {
    const plan = makePlan(graph, { ops: OPS });
    this.bytes = plan.bytes.length;
    this.names = plan.externals.map((e) => e.name);
    this.outputs = new Map(plan.externals.filter((e) => e.written).map((e) => [e.name, e.type]));
    this.prepared = prepare(plan.bytes);
    this.memory = plan.arenaBytes + this.prepared.scratchBytes;
  }

  /** Whether a run reads or writes an array of this name. */
  reads(name: string): boolean {
    return this.names.includes(name);
  }

  async run(arrays: Arrays, options: RunOptions): Promise<void> {
    try {
      await this.prepared.run(null, this.externals(arrays), options);
    } catch (error) {
      throw this.explained(error);
    }
  }

  runSync(arrays: Arrays, options: RunOptions): void {
    try {
      this.prepared.runSync(null, this.externals(arrays), options);
    } catch (error) {
      throw this.explained(error);
    }
  }

  private externals(arrays: Arrays): readonly Data[] {
    return this.names.map((name) => arrays[name] ?? bug(name));
  }

  // The addon counts what a run is given; the caller knows it by name.
  private explained(error: unknown): unknown {
    if (!(error instanceof Error) || !('code' in error)) return error;
    const { code, argument = '', expected = '', found = '' } = error as Error & Record<string, string>;
    const named = argument.replace(/externals\[(\d+)\]/, (all, i: string) => this.names[Number(i)] ?? all);
    // Where the step and its operand are named, by now said by `argument`.
    const fault = error.message.replace(/^step \d+ \([^)]*\), \w+: /, '');
    return new TenonError(code!, named, expected || 'what the kernel can use', found || fault, '', error);
  }
}

function bug(name: string): never {
  throw new Error(`bug: a kernel was given no '${name}'`);
}

/** Plans by key, the least recently used let go first once they weigh too much; whoever still holds one may run it. */
export class Cache<T extends { readonly weight: number }> {
  private readonly items = new Map<string, T>();
  private readonly limit: number;
  private total = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.items.size;
  }

  get(key: string, make: () => T): T {
    const old = this.items.get(key);
    const item = old ?? make();
    if (old) this.items.delete(key);
    else this.total += item.weight;
    this.items.set(key, item);
    for (const [oldest, { weight }] of this.items) {
      if (this.total <= this.limit || oldest === key) break;
      this.items.delete(oldest);
      this.total -= weight;
    }
    return item;
  }
}
