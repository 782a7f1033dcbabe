import { showType } from '../base/tensor-type.ts';
import { printAttrs } from '../ir/print.ts';
import type { PlanData, PlanView } from './plan.ts';

/** A plan as text: a line an external, a tensor of the store, a step; `+` marks one that goes on with the segment of the step before. */
export function printPlan(plan: PlanData): string {
  const show = (number: number | null): string => (number === null ? '-' : showView(plan, plan.views[number]!));
  return [
    `arena ${plan.arenaBytes} bytes`,
    ...plan.externals.map(
      (e) => `${e.written ? 'output' : 'input'} ${e.name}: ${showType(e.type)}${e.perStep ? ' per step' : ''}`,
    ),
    ...plan.store.map((s) => `store ${s.name}: ${showType(s.leaf.type)}${s.written ? ' written' : ''}`),
    ...plan.steps.map((step, i) => {
      const path = step.path === '' ? '' : `  @ ${step.path}`;
      const outputs = step.outputs.map(show).join(', ');
      return `${i}${step.joins ? '+' : ''}: ${outputs} = ${step.op.name}(${step.inputs.map(show).join(', ')})${printAttrs(step.attrs)}${path}`;
    }),
    '',
  ].join('\n');
}

function showView(plan: PlanData, view: PlanView): string {
  const { place, ref } = view;
  const where = place === 'arena' ? `@${view.offset}` : (place === 'store' ? plan.store : plan.externals)[ref]!.name;
  return `${where}:${showType(view.type)}`;
}
