import type { TrainSettings } from '../space/settings.ts';
import type { Program, Space } from '../space/space.ts';
import type { Statement } from '../../grammar/syntax.ts';
import { EMPTY_ENV } from './domain.ts';
import { walkSetting, walkSpace, walkTrain } from './flow.ts';
import { report } from './context.ts';
import { elaborateForProblems } from './def-calls.ts';
import { markChecked } from './scope.ts';
import { checkSharedUses } from './shared-uses.ts';
import type { Context, Scope } from './model.ts';

/** What is said once every statement has its meaning. */
export function validate(statements: readonly Statement[], program: Program, train: TrainSettings, cx: Context): void {
  testUncalled(cx.scope, cx);
  for (const space of new Set<Space>(program.spaces)) {
    walkSpace(space, cx.checker);
    checkSharedUses(space, cx.checker);
  }
  if (program.spaces.length === 0) walkTrain(train, EMPTY_ENV(), cx);
  walkSetting(program.search.searcher, EMPTY_ENV(), cx);
  markChecked(statements, cx.scope);
  if (program.spaces.length > 0 && cx.checker.errorCount() === 0) warnUnused(cx.scope, cx);
  warnFidelity(statements, cx);
}

/** Defs that nothing calls are read for problems that do not depend on their arguments. */
export function testUncalled(scope: Scope, cx: Context): void {
  for (const entity of scope.names.values()) {
    if (entity.kind === 'def' && entity.instances.size === 0 && !entity.used) elaborateForProblems(entity, cx);
  }
}

export function warnUnused(scope: Scope, cx: Context): void {
  for (const entity of scope.names.values()) {
    if (entity.used || !entity.at || entity.at.source !== cx.source) continue;
    if (entity.kind !== 'let' && entity.kind !== 'def') continue;
    report(cx, 'E103', entity.at.node, `\`${entity.name}\` is never used`, {
      severity: 'warning',
      hint: 'delete it, or use it',
    });
  }
}

function warnFidelity(statements: readonly Statement[], cx: Context): void {
  for (const s of statements) {
    if (s.kind !== 'train') continue;
    for (const setting of s.settings) {
      const item = setting.kind === 'setting' ? setting.items.find((i) => i.fidelity) : undefined;
      if (item) {
        report(cx, 'E704', item, 'this fidelity is not used: every trial runs for the full range', {
          severity: 'warning',
          expected: 'a rule that stops trials early, such as `stop hyperband(eta: 3)`, once that is supported',
        });
      }
    }
  }
}
