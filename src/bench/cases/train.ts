import { gradients } from '../../autodiff/gradients.ts';
import type { Precision } from '../../base/precision.ts';
import { f32, i32 } from '../../base/tensor-type.ts';
import type { Graph } from '../../ir/graph.ts';
import { graphBuilder } from '../../ir/graph-builder.ts';
import { add } from '../../ops/elementwise.ts';
import { fill } from '../../ops/random.ts';
import { reshape } from '../../ops/shape.ts';
import { LOSSES, meanRows } from '../../recipes/losses.ts';
import { OPTIMIZERS } from '../../recipes/optimizers.ts';
import { optimize } from '../../rewrite/rules/index.ts';
import type { Case, CaseKind, CaseLine } from '../case.ts';
import { MODELS } from '../models.ts';
import { costOf, flopsOf, runner, wholeBelow } from '../runner.ts';

const STEPS = 10;

/** A step of training of one of our models, and what it is given for so many steps. */
interface TrainingStep {
  readonly graph: Graph;
  readonly given: Readonly<Record<string, Int32Array | Float32Array>>;
  readonly items: number;
}

/** Forward, backward, AdamW at its defaults; null where there is no such model. */
export function trainingStep(kind: string, batch: number, steps: number): TrainingStep | null {
  const model = MODELS[kind];
  if (!model) return null;
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const x = b.input('x', model.input(batch));
  const labels = b.input('labels', i32(batch * model.rows));
  const logits = b.one(reshape, [model.build(b, x)], { dims: [batch * model.rows, model.classes] });
  const loss = meanRows(b, LOSSES.get('crossentropy')!.rows(b, logits, labels).loss);
  const adamw = OPTIMIZERS.get('adamw')!;
  const args = Object.fromEntries(adamw.args.map((a) => [a.name, a.default as number]));
  const [lr, step] = [b.input('lr', f32(1)), b.input('step', i32(1), true)];
  const params = b.params();
  gradients(b, loss, params, { add, fill }).forEach((grad, i) => {
    const param = params[i]!;
    const slots = adamw.slots.map((s) =>
      b.slot(`${(param.source as { name: string }).name}@${s}`, param.type.shape, adamw.slotInit),
    );
    const next = adamw.update(b, { param, grad: grad!, slots, lr, step }, args);
    [param, ...slots].forEach((old, k) => b.update(old, next[k]!));
  });
  const given = {
    labels: wholeBelow(batch * model.rows, model.classes),
    lr: new Float32Array([1e-3]),
    step: Int32Array.from({ length: steps }, (_, i) => i),
    ...(model.input(1).dtype === 'i32' ? { x: wholeBelow(batch * 64, 256) } : {}),
  };
  const graph = b.finish([{ name: 'loss', value: loss, perStep: true }]);
  return { graph, given, items: batch * model.rows };
}

// A call does ten steps, as training does hundreds a call.
function trainCases({ name, words: [kind, size] }: CaseLine, threads: number, precision: Precision): readonly Case[] {
  const step = trainingStep(kind!, Number(size), STEPS);
  if (!step) return [];
  const { graph, given, items } = step;
  const rounded = optimize(graph, { precision }).nodes.filter((n) => n.attrs['precision'] === 'bf16');
  const bf16 = rounded.reduce((sum, n) => sum + 2 * costOf(n).macs, 0);
  const flop = flopsOf(graph);
  const run = runner(graph, threads, STEPS, given, { precision });
  return [{ name, flop, least: { f32: flop - bf16, bf16 }, items, steps: STEPS, run }];
}

/** MODEL BATCH: a step of training. */
export const train: CaseKind = {
  kind: 'train',
  lines: [
    'train/mlp_784_200_200_10_b64 mlp 64',
    'train/lenet_28x28_b64 lenet 64',
    'train/tfm_4L_d128_h4_T64_f512_b64 tfm 64',
    'train/moetfm_4L_d128_h4_T64_f512_E8k2_b64 moetfm 64',
  ],
  cases: (line, threads) => trainCases(line, threads, 'f32'),
};

/** The same with the operands of products rounded to bf16. */
export const trainBf16: CaseKind = {
  kind: 'train_bf16',
  lines: ['train_bf16/mlp_784_200_200_10_b64 mlp 64', 'train_bf16/tfm_4L_d128_h4_T64_f512_b64 tfm 64'],
  cases: (line, threads) => trainCases(line, threads, 'bf16'),
  over: (words) => `train ${words.join(' ')}`,
};
