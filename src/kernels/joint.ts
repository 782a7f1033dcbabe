import { pullBack } from '../autodiff/gradients.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Output, Value } from '../ir/graph.ts';
import { graphBuilder } from '../ir/graph-builder.ts';
import { add } from '../ops/elementwise.ts';
import { fill } from '../ops/random.ts';
import { optimize } from '../rewrite/rules/index.ts';
import type { KernelDef } from './def.ts';
import { Planned } from './plans.ts';
import type { Sizes } from './sizes.ts';
import { split } from './split.ts';
import type { Halves } from './split.ts';

/** What a plan follows from: the types of a kernel's tensors by their names in a run, its other arguments, and what gradients are wanted of. */
export interface Request {
  readonly types: ReadonlyMap<string, TensorType>;
  /** By the kernel's argument: values for `build` in place of tensors come from `value`. */
  readonly args: (value: (name: string) => Value) => Readonly<Record<string, unknown>>;
  readonly sizes: Sizes;
  readonly wrt: readonly string[];
  /** Lists of tensors of which some may be among `wrt`, and how long they are. */
  readonly lists: ReadonlyMap<string, number>;
}

/** The plans of one kernel at one request: forward, and backward once somebody asks. */
export class Joint {
  readonly forward: Planned;
  /** Null where no gradient is wanted or can flow. */
  readonly halves: Halves | null;
  readonly wrt: readonly string[];
  readonly lists: ReadonlyMap<string, number>;
  /** What flows back, by name: `dy`. */
  readonly flows: ReadonlyMap<string, TensorType>;
  readonly weight: number;
  private planned: Planned | null = null;

  constructor(def: KernelDef, request: Request) {
    const b = graphBuilder({ mode: request.wrt.length > 0 ? 'train' : 'infer', seed: 0 });
    const inputs = new Map([...request.types].map(([name, type]) => [name, b.input(name, type)] as const));
    const made = def.build(
      b,
      request.args((name) => inputs.get(name)!),
      request.sizes,
    );
    const results = Object.keys(def.outputs).map((name) => ({ name, value: made[name]! }));
    const flowing = results.flatMap(({ name, value }) => {
      const flow = def.outputs[name];
      return typeof flow === 'string' ? [{ flow, value }] : [];
    });
    const backward = request.wrt.length > 0 && flowing.length > 0;
    this.wrt = backward ? request.wrt : [];
    this.lists = request.lists;
    this.flows = new Map(backward ? flowing.map(({ flow, value }) => [flow, value.type]) : []);
    const outputs = results.map(({ name, value }): Output => ({ name: `out.${name}`, value, perStep: false }));
    if (!backward) {
      this.halves = null;
      this.forward = new Planned(optimize(b.finish(outputs)));
    } else {
      const wrt = this.wrt.map((name) => inputs.get(name)!);
      const found = pullBack(
        b,
        flowing.map(({ value }) => value),
        flowing.map(({ flow, value }) => b.input(flow, value.type)),
        wrt,
        { add, fill },
      );
      const gradients = found.map((g, i) => ({
        name: `out.${gradientName(this.wrt[i]!)}`,
        value: g ?? b.one(fill, [], { dims: wrt[i]!.type.shape, value: 0 }),
      }));
      this.halves = split(optimize(b.finish([...outputs, ...gradients])), outputs.length);
      this.forward = new Planned(this.halves.forward);
    }
    this.weight = OVERHEAD + 2 * this.forward.bytes;
  }

  get backward(): Planned {
    if (!this.halves) throw new Error('bug: nothing flows back');
    return (this.planned ??= new Planned(this.halves.backward));
  }
}

/** Bytes that a graph and its plans take beside the packed plan, about. */
const OVERHEAD = 16384;

/** `x` -> `dx`, `factors[1]` -> `dfactors[1]`. */
export const gradientName = (name: string): string => `d${name}`;
