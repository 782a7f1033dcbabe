import { sameType, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { keyOf } from '../base/philox.ts';
import { checkAttrs } from './attrs.ts';
import type { Builder, Mode } from './builder.ts';
import type { Graph, Init, Leaf, Node, Output, Value } from './graph.ts';
import { checkSize, inferTypes } from './infer.ts';
import { startOf } from './start.ts';
import { joinPath } from './path.ts';
import { storeLeaves } from './store-leaves.ts';
import { leafValue, nodesBehind, nodeValue, rootsOf } from './value.ts';

export interface GraphOptions {
  readonly mode: Mode;
  /** Seed of the run: keys of dropout and the like follow from it. */
  readonly seed: number | bigint;
}

/** A Builder that makes a graph. Beyond layers, it takes what a training step adds: data, slots, outputs. */
export interface GraphBuilder extends Builder {
  /** A resident tensor of the store, such as a data set. */
  data(name: string, type: TensorType): Value;
  /** A tensor of an optimizer, by its full path. */
  slot(name: string, shape: readonly number[], init: Init): Value;
  /** Params so far, in the order in which they were first asked for. */
  params(): readonly Value[];
  /** Auxiliary losses so far, each f32[1]. */
  losses(): readonly Value[];
  /** Makes all that stands so far anew, updates and losses too; gives what `values` became. Call it outside of any scope. */
  changed(values: readonly Value[], change: (graph: Graph) => Graph): readonly Value[];
  /** The graph of these outputs and all updates and losses so far; nodes that none of them needs are left out. */
  finish(outputs: readonly (Pick<Output, 'name' | 'value'> & Partial<Output>)[]): Graph;
}

export function graphBuilder(options: GraphOptions): GraphBuilder {
  const store = storeLeaves();
  const inputs = new Map<string, Value>();
  const data = new Map<string, Value>();
  const uses = new Map<string, number>();
  // The value that each leaf of the store will have: an update of an updated state follows on the first.
  const updated = new Map<Leaf, Value>();
  const losses: Value[] = [];
  let scope = '',
    nextId = 0;

  const named = (values: Map<string, Value>, leaf: Leaf): Value => {
    const old = values.get(leaf.name);
    if (old && !sameType(old.type, leaf.type))
      throw new Error(`bug: ${leaf.kind} '${leaf.name}' is ${showType(old.type)} and ${showType(leaf.type)}`);
    if (old) return old;
    checkSize(leaf.name, leaf.type);
    const value = leafValue(leaf);
    values.set(leaf.name, value);
    return value;
  };

  const leafOf = (state: Value): Leaf => {
    const { kind } = state.source;
    if (kind === 'param' || kind === 'state' || kind === 'slot') return state.source;
    for (const [leaf, value] of updated) if (value === state) return leaf;
    throw new Error('bug: only a leaf of the store can be updated');
  };

  const builder: GraphBuilder = {
    mode: options.mode,
    apply(op, args, attrs = {}) {
      const checked = checkAttrs(op, attrs);
      const types = inferTypes(
        op,
        args.map((a) => a && a.type),
        checked,
      );
      const node: Node = { kind: 'node', id: nextId++, op, inputs: args, attrs: checked, types, path: scope };
      return types.map((_, i) => nodeValue(node, i));
    },
    one: (op, args, attrs) => builder.apply(op, args, attrs)[0]!,
    param: (path, shape, init) => store.get('param', joinPath(scope, path), shape, init),
    weight: (path, spec) => builder.param(path, spec.shape, startOf(spec)),
    fixed: (path, shape, init) => store.fixed(joinPath(scope, path), shape, init),
    state(path, shape, init) {
      const value = store.get('state', joinPath(scope, path), shape, init);
      return updated.get(value.source as Leaf) ?? value;
    },
    slot: (name, shape, init) => store.get('slot', name, shape, init),
    data: (name, type) => named(data, { kind: 'data', name, type }),
    input: (name, type, perStep = false) => named(inputs, { kind: 'input', name, type, perStep }),
    step: () => builder.input('step', { dtype: 'i32', shape: [1] }, options.mode === 'train'),
    update(state, next) {
      const leaf = leafOf(state);
      if (!sameType(leaf.type, next.type))
        throw new Error(`bug: '${leaf.name}' is ${showType(leaf.type)} and cannot become ${showType(next.type)}`);
      updated.set(leaf, next);
    },
    auxiliaryLoss(loss) {
      if (!sameType(loss.type, { dtype: 'f32', shape: [1] }))
        throw new Error(`bug: an auxiliary loss is f32[1], not ${showType(loss.type)}`);
      losses.push(loss);
    },
    key(purpose) {
      const place = `${scope}\u0000${purpose}`;
      const use = uses.get(place) ?? 0;
      uses.set(place, use + 1);
      return keyOf(options.seed, purpose, scope, use);
    },
    scope(path, body) {
      const outer = scope;
      scope = joinPath(scope, path);
      try {
        return body();
      } finally {
        scope = outer;
      }
    },
    params: () =>
      store
        .all()
        .flatMap((leaf) => (leaf.kind === 'param' ? [store.get('param', leaf.name, leaf.type.shape, leaf.init)] : [])),
    losses: () => losses,
    changed(values, change) {
      const graph = change(builder.finish(values.map((value, i) => ({ name: `${i}`, value }))));
      for (const { leaf, value } of graph.updates) updated.set(leaf, value);
      losses.splice(0, losses.length, ...graph.losses);
      nextId = graph.nodes.reduce((id, node) => Math.max(id, node.id + 1), nextId);
      return graph.outputs.map((o) => o.value);
    },
    finish(outputs) {
      const roots = {
        outputs: outputs.map((o) => ({ name: o.name, value: o.value, perStep: o.perStep ?? false })),
        updates: [...updated].map(([leaf, value]) => ({ leaf, value })),
        losses: [...losses],
      };
      const leaves = [...[...inputs.values(), ...data.values()].map((v) => v.source as Leaf), ...store.all()];
      return { leaves, nodes: nodesBehind(rootsOf(roots)), ...roots };
    },
  };
  return builder;
}
