import { f32 } from '../../base/tensor-type.ts';
import type { Graph } from '../../ir/graph.ts';
import { graphBuilder } from '../../ir/graph-builder.ts';
import { linear } from '../../ops/linear.ts';
import type { Case, CaseKind, CaseLine } from '../case.ts';
import { MODELS } from '../models.ts';
import { flopsOf, onceRunner, runner, wholeBelow } from '../runner.ts';

type Given = Readonly<Record<string, Int32Array | Float32Array>>;
type Make = (words: readonly string[]) => { readonly graph: Graph; readonly given: Given } | null;

// x·wᵀ + bias.
const layer: Make = (words) => {
  const [rows, width, out] = words.map(Number) as [number, number, number];
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const std = { kind: 'normal', std: 1 } as const;
  const operands = [b.input('x', f32(rows, width)), b.param('w', [out, width], std), b.param('bias', [out], std)];
  return {
    graph: b.finish([{ name: 'y', value: b.one(linear, [...operands, null], { activation: 'none' }) }]),
    given: {},
  };
};

const model: Make = ([kind, batch]) => {
  const found = MODELS[kind!];
  if (!found) return null;
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const type = found.input(Number(batch));
  const graph = b.finish([{ name: 'y', value: found.build(b, b.input('x', type)) }]);
  return { graph, given: type.dtype === 'i32' ? { x: wholeBelow(Number(batch) * found.rows, found.classes) } : {} };
};

const casesBy =
  (make: Make, run: (graph: Graph, threads: number, given: Given) => () => void) =>
  ({ name, words }: CaseLine, threads: number): readonly Case[] => {
    const made = make(words);
    if (!made) return [];
    const { graph, given } = made;
    const flop = flopsOf(graph);
    return [{ name, flop, least: { f32: flop, bf16: 0 }, items: 0, steps: 1, run: run(graph, threads, given) }];
  };

/** Work as it is done where weights change from call to call, and where they stay as they are. */
const kinds = (make: Make, changing: string, staying: string, sizes: readonly string[]): readonly CaseKind[] => {
  const lines = (kind: string): string[] => sizes.map((size) => `${kind}/${size.replaceAll(' ', 'x')} ${size}`);
  return [
    {
      kind: changing,
      lines: lines(changing),
      cases: casesBy(make, (graph, threads, given) => runner(graph, threads, 1, given)),
    },
    {
      kind: staying,
      lines: lines(staying),
      cases: casesBy(make, onceRunner),
      over: (words) => `${changing} ${words.join(' ')}`,
    },
  ];
};

/** ROWS IN OUT: a dense layer. */
export const LAYER = kinds(layer, 'linear', 'linear_once', ['1 784 512', '8 512 512', '32 512 2048', '64 1024 3072']);
/** MODEL BATCH: a forward pass. */
export const PREDICT = kinds(model, 'forward', 'predict', ['mlp 1', 'mlp 32', 'lenet 1', 'tfm 1', 'moetfm 1']);
