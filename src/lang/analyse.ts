import { Unfit } from '../base/unfit.ts';
import { measure } from '../ir/measure-builder.ts';
import { LOSSES } from '../recipes/losses.ts';
import { count } from '../space/count.ts';
import { instantiate } from '../space/instantiate.ts';
import { Beyond } from '../space/limits.ts';
import { measures } from '../space/measures.ts';
import { sample } from '../space/sample.ts';
import type { RangeExpr } from '../space/expr.ts';
import type { Program, Space } from '../space/space.ts';
import type { Statement } from '../../grammar/syntax.ts';
import { report } from './context.ts';
import { reportFindings } from './findings.ts';
import { partsOf } from './parts.ts';
import { PRELUDE } from './prelude.ts';
import { runCheck } from './self-tests.ts';
import type { CheckedSpace } from './spaces.ts';
import type { Context } from './model.ts';

/** What counting says of spaces without errors: whether anything fits, whether checks hold, whether the budget makes sense. */
export function analyse(
  statements: readonly Statement[],
  program: Program,
  spaces: ReadonlyMap<string, CheckedSpace>,
  cx: Context,
): void {
  for (const space of spaces.values()) testFit(space, cx);
  if (cx.checker.errorCount() > 0) return;
  for (const s of statements) {
    if (s.kind === 'check') runCheck(s, null, spaces, cx);
  }
  for (const { space, checks } of spaces.values()) {
    for (const { statement, cx: at } of checks) runCheck(statement, space, spaces, at);
  }
  const meant = program.spaces.at(-1);
  if (!meant) return;
  testLoss(meant, cx);
  testBudget(statements, program, meant, cx);
}

function testFit(checked: CheckedSpace, cx: Context): void {
  const { space } = checked;
  const errors = cx.checker.errorCount();
  reportFindings(checked, cx.checker);
  if (cx.checker.errorCount() !== errors) return;
  if (count(space).high > 0n) return testSize(space, cx);
  cx.checker.report('E301', space.span.source, space.span, `no member of \`${space.name}\` fits`, {
    expected: 'shapes and requirements that some member satisfies',
  });
}

const SAMPLES = 2;

/** E605: members of more layers than can be followed. */
function testSize(space: Space, cx: Context): void {
  const limits: Beyond[] = [];
  const samples = count(space).exact === 1n ? 1 : SAMPLES;
  for (let seed = 0; seed < samples; seed++) {
    try {
      measures(space, sample(space, { seed }));
    } catch (e) {
      if (!(e instanceof Beyond)) throw e;
      if (e.span) limits.push(e);
    }
  }
  const [limit] = limits;
  if (!limit) return;
  const at = limit.span!.source === PRELUDE ? space.span : limit.span!;
  const all = limits.length === samples;
  cx.checker.report('E605', at.source, at, `${all ? '' : 'some members: '}${limit.message}`, {
    severity: all ? 'error' : 'warning',
    hint: 'repeat less: such members can be counted, but neither measured nor trained',
  });
}

/** E702: the output against the loss, on one member. */
function testLoss(space: Space, cx: Context): void {
  const loss = LOSSES.get(space.train.loss.name);
  const output = space.outputs[0];
  if (!space.train.data || !loss || !output) return;
  const types = space.inputs.map((i) => ({ dtype: i.dtype, shape: [1, ...i.shape] }));
  try {
    const assignment = sample(space, { seed: 0 });
    measure(types, (b, inputs) => {
      const outputs = instantiate(space, assignment, b, inputs);
      loss.check(outputs[0]!, loss.labels === 'classes' ? 1 : null);
      return outputs;
    });
  } catch (e) {
    if (!(e instanceof Unfit)) throw e;
    cx.checker.report(
      'E702',
      output.span.source,
      output.span,
      `the output \`${output.name}\` does not fit the loss \`${loss.name}\``,
      {
        expected: loss.labels === 'classes' ? 'f32[B, classes]' : e.expected,
        found: e.found,
      },
    );
  }
}

/** E705: more trials than there are architectures to try. */
function testBudget(statements: readonly Statement[], program: Program, space: Space, cx: Context): void {
  const { trials } = program.search;
  const search = statements.find((s) => s.kind === 'search');
  const budget = search?.settings.find((s) => s.kind === 'setting' && s.key.name === 'budget');
  if (trials === null || !budget || hasContinuous(space)) return;
  const { exact } = count(space, { train: true });
  if (exact === null || exact >= BigInt(trials)) return;
  report(
    cx,
    'E705',
    budget,
    `the budget is above the count: there ${exact === 1n ? 'is' : 'are'} only ${exact} to try`,
    {
      severity: 'warning',
      expected: exact === 1n ? 'one trial' : `at most ${exact} trials`,
      found: `${trials} trials`,
      hint:
        program.search.searcher.name === 'exhaustive'
          ? 'the search ends when all have been tried'
          : 'the search ends when all have been tried; `with exhaustive` tries each once',
    },
  );
}

/** Whether a continuous range stands anywhere in it. */
function hasContinuous(space: Space): boolean {
  for (const e of partsOf<Partial<RangeExpr>>(space)) {
    if (e.kind === 'range' && e.whole === false && e.spacing !== 'pow2' && e.step === null) return true;
  }
  return false;
}
