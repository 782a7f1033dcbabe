// Segments of training steps: how many steps a plan has and in how many segments they run, and the time of a step with them and with a barrier behind
// each step of the plan, in turn. Medians.
//   node --import tsx test/bench/segments.bench.ts [--threads 2] [--rounds 9]
import { parseArgs } from 'node:util';
import { trainingStep } from '../../src/bench/cases/train.ts';
import { planRunner } from '../../src/bench/runner.ts';
import { OPS } from '../../src/ops/index.ts';
import { encodePlan } from '../../src/plan/bytes.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { opTable } from '../../src/plan/op-table.ts';
import type { PlanStep } from '../../src/plan/plan.ts';
import { optimize } from '../../src/rewrite/rules/index.ts';

const NETS = { mlp: 'MLP', lenet: 'LeNet', tfm: 'transformer', moetfm: 'transformer with MoE' };
const BATCH = 64;
const STEPS = 10;

const { values } = parseArgs({
  options: { threads: { type: 'string', default: '2' }, rounds: { type: 'string', default: '9' } },
});
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

function segmentsOf(steps: readonly PlanStep[], wanted: (step: PlanStep) => boolean): number {
  let segment = -1;
  const found = new Set<number>();
  for (const step of steps) {
    if (!step.joins) segment++;
    if (wanted(step)) found.add(segment);
  }
  return found.size;
}

const LEAST_MS = 200;

/** Milliseconds of a step, over calls of at least so long. */
function timed(run: () => void): number {
  const began = performance.now();
  let calls = 0;
  do {
    run();
    calls++;
  } while (performance.now() - began < LEAST_MS);
  return (performance.now() - began) / (calls * STEPS);
}

console.log(`batch ${BATCH}, ${values.threads} threads`);
for (const [kind, name] of Object.entries(NETS)) {
  const { graph, given } = trainingStep(kind, BATCH, STEPS)!;
  const plan = makePlan(optimize(graph), { ops: OPS });
  const apart = encodePlan({ ...plan, steps: plan.steps.map((s) => ({ ...s, joins: false })) }, opTable(OPS));
  const [joined, barriers] = [plan.bytes, apart].map((b) =>
    planRunner(graph, plan, b, Number(values.threads), STEPS, given),
  );
  const times: [number[], number[]] = [[], []];
  for (let round = -2; round < Number(values.rounds); round++) {
    const found = [timed(joined!), timed(barriers!)];
    if (round >= 0) times.forEach((list, i) => list.push(found[i]!));
  }
  const updates = (step: PlanStep): boolean => step.op.name === 'adamw';
  console.log(
    `${name.padEnd(21)} ${plan.steps.length} steps in ${segmentsOf(plan.steps, () => true)} segments, ` +
      `${plan.steps.filter(updates).length} updates in ${segmentsOf(plan.steps, updates)}; ` +
      `${median(times[0]).toFixed(3)} ms a step, ${median(times[1]).toFixed(3)} with barriers`,
  );
}
