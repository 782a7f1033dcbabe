import { sameType, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { attrsKey, checkAttrs } from './attrs.ts';
import type { Graph, Leaf, Node, Value } from './graph.ts';
import { inferTypes } from './infer.ts';
import { nodesBehind, rootsOf } from './value.ts';

/** What is wrong with a graph: nothing, in all that the stages make. Types are inferred anew. */
export function verify(graph: Graph): readonly string[] {
  return [...leafProblems(graph), ...nodeProblems(graph), ...rootProblems(graph)];
}

/** Throws where a graph is wrong: a bug of the stage that made it. */
export function assertGraph(graph: Graph, stage: string): Graph {
  const problems = verify(graph);
  if (problems.length > 0) throw new Error(`bug: ${stage} made a wrong graph: ${problems.slice(0, 5).join('; ')}`);
  return graph;
}

const inStore = (leaf: Leaf): boolean => leaf.kind !== 'input';

function leafProblems(graph: Graph): string[] {
  const problems: string[] = [];
  for (const group of [graph.leaves.filter(inStore), graph.leaves.filter((l) => !inStore(l))]) {
    const names = new Set<string>();
    for (const leaf of group) {
      if (names.has(leaf.name)) problems.push(`two leaves are called '${leaf.name}'`);
      names.add(leaf.name);
    }
  }
  return problems;
}

function nodeProblems(graph: Graph): string[] {
  const problems: string[] = [];
  const leaves = new Set(graph.leaves),
    seen = new Set<Node>();
  graph.nodes.forEach((node, position) => {
    const name = `node ${position} (${node.op.name})`;
    for (const input of node.inputs) if (input) problems.push(...valueProblems(input, leaves, seen, name));
    const wrong = typeProblem(node);
    if (wrong) problems.push(`${name} ${wrong}`);
    if (seen.has(node)) problems.push(`${name} is listed twice`);
    seen.add(node);
  });
  const needed = new Set(nodesBehind(rootsOf(graph)));
  graph.nodes.forEach((node, position) => {
    if (!needed.has(node)) problems.push(`node ${position} (${node.op.name}) is needed by nothing`);
  });
  return problems;
}

function valueProblems(
  value: Value,
  leaves: ReadonlySet<Leaf>,
  seen: ReadonlySet<Node>,
  user: string,
): readonly string[] {
  const { source } = value;
  const isNode = source.kind === 'node';
  if (isNode && !seen.has(source)) return [`${user} uses ${source.op.name}, which does not come before it`];
  if (!isNode && !leaves.has(source)) return [`${user} uses '${source.name}', which is not a leaf of the graph`];
  const type: TensorType | undefined = isNode ? source.types[value.index] : source.type;
  if (!type || (!isNode && value.index !== 0)) return [`${user} uses an output that does not exist`];
  return sameType(type, value.type) ? [] : [`${user} takes ${showType(type)} for ${showType(value.type)}`];
}

function typeProblem(node: Node): string | null {
  try {
    const types = inferTypes(
      node.op,
      node.inputs.map((v) => v && v.type),
      checkAttrs(node.op, node.attrs),
    );
    if (attrsKey(checkAttrs(node.op, node.attrs)) !== attrsKey(node.attrs)) return 'has attributes out of order';
    const same = types.length === node.types.length && types.every((t, i) => sameType(t, node.types[i]!));
    return same
      ? null
      : `has types ${node.types.map((t) => showType(t)).join()}, not ${types.map((t) => showType(t)).join()}`;
  } catch (error) {
    return `does not fit: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function rootProblems(graph: Graph): string[] {
  const problems: string[] = [];
  const leaves = new Set(graph.leaves),
    nodes = new Set(graph.nodes);
  const names = new Set<string>(),
    updated = new Set<Leaf>();
  for (const { name, value } of graph.outputs) {
    problems.push(...valueProblems(value, leaves, nodes, `output '${name}'`));
    if (names.has(name)) problems.push(`two outputs are called '${name}'`);
    names.add(name);
  }
  for (const { leaf, value } of graph.updates) {
    problems.push(...valueProblems(value, leaves, nodes, `the update of '${leaf.name}'`));
    if (!leaves.has(leaf) || leaf.kind === 'input' || leaf.kind === 'data')
      problems.push(`'${leaf.name}' cannot be updated`);
    if (updated.has(leaf)) problems.push(`'${leaf.name}' is updated twice`);
    updated.add(leaf);
    if (!sameType(leaf.type, value.type))
      problems.push(`'${leaf.name}' is ${showType(leaf.type)}, but becomes ${showType(value.type)}`);
  }
  graph.losses.forEach((value, i) => {
    problems.push(...valueProblems(value, leaves, nodes, `loss ${i}`));
    if (!sameType(value.type, { dtype: 'f32', shape: [1] }))
      problems.push(`loss ${i} is ${showType(value.type)}, not f32[1]`);
  });
  return problems;
}
