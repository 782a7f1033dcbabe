import { showType } from '../base/tensor-type.ts';
import { defaultOf } from './attrs.ts';
import type { Given, Graph, Init, Leaf, Node, Value } from './graph.ts';
import type { AttrValue, Attrs } from './op.ts';

/** A graph as text, a line each: leaves, nodes numbered in order, roots. Equal graphs print equally. */
export function printGraph(graph: Graph): string {
  const number = new Map<Node, number>(graph.nodes.map((node, i) => [node, i]));
  const show = (value: Value): string => {
    if (value.source.kind !== 'node') return value.source.name;
    const many = value.source.types.length > 1;
    return `%${number.get(value.source) ?? '?'}${many ? `.${value.index}` : ''}`;
  };
  return [
    ...graph.leaves.map(leafLine),
    ...graph.nodes.map((node, i) => nodeLine(node, i, show)),
    ...graph.outputs.map((o) => `output ${o.name}${o.perStep ? ' per step' : ''} = ${show(o.value)}`),
    ...graph.updates.map((u) => `update ${u.leaf.name} = ${show(u.value)}`),
    ...graph.losses.map((loss) => `loss ${show(loss)}`),
    '',
  ].join('\n');
}

function leafLine(leaf: Leaf): string {
  const head = `${leaf.kind} ${leaf.name}: ${showType(leaf.type)}`;
  if (leaf.kind === 'input') return leaf.perStep ? `${head} per step` : head;
  return !('init' in leaf) ? head : `${head} = ${showInit(leaf.init)}`;
}

function showInit(init: Init | Given): string {
  switch (init.kind) {
    case 'normal': {
      const seed = init.seed === undefined ? '' : `, seed ${init.seed}`;
      return `normal(${Number(init.std.toPrecision(6))}${seed})`;
    }
    case 'constant':
      return String(init.value);
    case 'table':
      return `table of ${init.values.length}`;
    case 'norms':
      return `norms${printAttrs(init.attrs)}`;
    case 'file':
      return `file(${init.file.path}${init.tensor === null ? '' : `, ${init.tensor}`})`;
  }
}

function nodeLine(node: Node, index: number, show: (value: Value) => string): string {
  const inputs = node.inputs.map((v) => (v ? show(v) : '-')).join(', ');
  const types = node.types.map((t) => showType(t)).join(', ');
  const path = node.path === '' ? '' : `  @ ${node.path}`;
  return `%${index}: ${types} = ${node.op.name}(${inputs})${printAttrs(shownAttrs(node))}${path}`;
}

// What is as it is where nothing is said needs no words.
const shownAttrs = ({ op, attrs }: Node): Attrs =>
  Object.fromEntries(Object.entries(attrs).filter(([name, value]) => value !== defaultOf(op.attrs[name]!)));

/** ` {axis: 1, dims: [2, 3]}`; nothing where there are none. */
export function printAttrs(attrs: Attrs): string {
  const parts = Object.entries(attrs).map(([name, value]) => `${name}: ${printAttr(value)}`);
  return parts.length === 0 ? '' : ` {${parts.join(', ')}}`;
}

const printAttr = (value: AttrValue): string => (typeof value === 'object' ? `[${value.join(', ')}]` : String(value));
