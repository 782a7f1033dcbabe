import { byteSize, numel } from '../base/tensor-type.ts';
import type { PlanData, PlanStep, PlanView } from './plan.ts';
import { ALIGNMENT, overlap, sameBytes } from './plan.ts';

/**
 * What is wrong with a plan: nothing, in all that makePlan makes. Follows the memory byte range by byte range, the slow clear way: what a step
 * reads from the arena must be what an earlier step wrote there, whole and untouched since.
 */
export function verifyPlan(plan: PlanData): readonly string[] {
  const problems = plan.views.flatMap((view, i) => viewProblems(plan, view).map((p) => `view ${i} ${p}`));
  if (problems.length > 0) return problems;
  let live: readonly PlanView[] = [];
  plan.steps.forEach((step, i) => {
    const say = (what: string): number => problems.push(`step ${i} (${step.op.name}) ${what}`);
    const inputs = step.inputs.map((v) => (v === null ? null : plan.views[v]!));
    const outputs = step.outputs.map((v) => plan.views[v]!);
    inputs.forEach((input, n) => {
      const whole = !input || input.place !== 'arena' || byteSize(input.type) === 0;
      if (!whole && !live.some((l) => sameBytes(l, input)))
        say(`reads input ${n}, which nothing wrote or something overwrote`);
    });
    for (const problem of overlapProblems(step, inputs, outputs)) say(problem);
    live = live.filter((l) => !outputs.some((o) => overlap(l, o)));
    live = [...live, ...outputs.filter((o) => o.place === 'arena')];
  });
  return problems;
}

function viewProblems(plan: PlanData, view: PlanView): string[] {
  const bytes = byteSize(view.type);
  if (view.place === 'arena') {
    const inside = view.offset % ALIGNMENT === 0 && view.offset + bytes <= plan.arenaBytes;
    return inside ? [] : [`is at ${view.offset} with ${bytes} bytes in an arena of ${plan.arenaBytes}`];
  }
  const target = view.place === 'store' ? plan.store[view.ref]?.leaf.type : plan.externals[view.ref]?.type;
  if (!target) return [`has the number ${view.ref}, which does not exist`];
  const fits = target.dtype === view.type.dtype && numel(target.shape) === numel(view.type.shape);
  return fits ? [] : ['is of another type than what it is bound to'];
}

function overlapProblems(
  step: PlanStep,
  inputs: readonly (PlanView | null)[],
  outputs: readonly PlanView[],
): readonly string[] {
  const problems: string[] = [];
  outputs.forEach((output, o) => {
    if (!output.written) problems.push(`writes output ${o}, which is read-only`);
    if (outputs.some((other, p) => p < o && overlap(output, other)))
      problems.push(`has output ${o} over another output`);
    inputs.forEach((input, i) => {
      if (!input || !overlap(output, input)) return;
      const inPlace = step.op.inPlace?.[o] === i && sameBytes(input, output);
      if (!inPlace) problems.push(`writes output ${o} over its input ${i}`);
    });
  });
  return problems;
}
