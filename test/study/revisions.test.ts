import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileText, describeMember } from '../../src/compile.ts';
import type { Compiled } from '../../src/compile.ts';
import { judgeFor } from '../../src/revisions.ts';
import { historyOf } from '../../src/study/search-run.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import { Study } from '../../src/study/study.ts';
import { temporaryFolder } from '../support/cli.ts';

const folder = temporaryFolder('revisions');
let number = 0;
const path = (): string => join(folder, `s${number++}.study`);

const text = (output: string, train = 'batch 16', more = ''): string =>
  `space S {\n  input x: f32[B, 4]\n  let act = relu | tanh\n  output y = x -> ${output}\n${more}}\ntrain { ${train} }\n`;

async function open(at: string, compiled: Compiled): Promise<Study> {
  const { program, space } = compiled;
  const head = {
    file: compiled.file,
    source: compiled.text,
    space: space.name,
    seed: 0,
    dataHash: '',
    objectives: program.search.objectives,
    searcher: 'random',
  };
  return Study.open(at, head, '0', judgeFor(compiled));
}

function complete(study: Study, compiled: Compiled, decisions: Assignment, accuracy: number): number {
  const { program, measures } = describeMember(compiled.space, decisions);
  const trial = study.ask(decisions, program, { ...measures }, trial0(study));
  study.finish(study.lease(trial), { state: 'complete', metrics: { accuracy }, seconds: 1 });
  return trial;
}
const trial0 = (study: Study): number => study.count();

const compile = (source: string): Compiled => compileText(source, 'a.space');
const old = compile(text('dense(4 | 8) -> act -> dense(2)'));
const decided = (out: number, act: string): Assignment => ({ 'dense[0].out': out, act });

/** Three trials of the old program, then the study opened with another. */
async function edited(source: string): Promise<Study> {
  const at = path();
  const first = await open(at, old);
  complete(first, old, decided(4, 'relu'), 0.5);
  complete(first, old, decided(8, 'relu'), 0.9);
  complete(first, old, decided(8, 'tanh'), 0.7);
  assert.is(first.edit, null);
  first.close();
  return open(at, compile(source));
}

const asides = (s: Study): readonly (string | null)[] => s.trials().map((t) => t.aside);

const revisions = suite('revisions');

revisions('a wider choice keeps every trial', async () => {
  const s = await edited(text('dense(4 | 8 | 16) -> act -> dense(2)'));
  assert.equal(asides(s), [null, null, null]);
  assert.is(s.edit!.kept, 3);
  assert.is(historyOf(s).best()!.trial, 1);
  assert.is(s.revisions().length, 2);
  s.close();
});

revisions('comments and other equal programs change nothing', async () => {
  const s = await edited(`// narrow\n${text('dense(4 | 8) -> act -> dense(2)')}`);
  assert.equal(asides(s), [null, null, null]);
  s.close();
});

revisions('trials of an alternative that is gone are kept aside, and do not win', async () => {
  const s = await edited(text('dense(4 | 16) -> act -> dense(2)'));
  const [kept, ...gone] = asides(s);
  assert.is(kept, null);
  for (const reason of gone) assert.match(reason!, /no member any more: .*dense\[0\]\.out has no alternative 8/);
  assert.is(historyOf(s).best()!.trial, 0);
  assert.equal([...s.edit!.aside.values()], [[1, 2]]);
  s.close();
});

revisions('decisions that mean another network do not count', async () => {
  const s = await edited(text('dense(4 | 8) -> act -> dense(3) -> dense(2)'));
  for (const reason of asides(s)) assert.is(reason, 'its decisions mean another architecture now');
  assert.is(historyOf(s).trials.length, 0);
  s.close();
});

revisions('figures belong to the training that gave them', async () => {
  const s = await edited(text('dense(4 | 8) -> act -> dense(2)', 'batch 32'));
  for (const reason of asides(s)) assert.is(reason, 'it was trained in another way');
  s.close();
});

revisions('a decision that is new or gone is named', async () => {
  const added = await edited(text('dense(4 | 8) -> act -> dropout(0.1 | 0.2) -> dense(2)'));
  assert.is(asides(added)[0], 'it does not decide `dropout[0].p`');
  added.close();
  const gone = await edited(text('dense(4) -> act -> dense(2)'));
  assert.is(asides(gone)[0], '`dense[0].out` is no decision any more');
  gone.close();
});

revisions('a requirement that fails is named', async () => {
  const s = await edited(text('dense(4 | 8) -> act -> dense(2)', 'batch 16', '  require params <= 40\n'));
  assert.equal(asides(s).slice(0, 2), [null, 'it fails the requirement `params <= 40`']);
  s.close();
});

revisions('an edit that is taken back brings the trials back; equal decisions of both stand side by side', async () => {
  const other = compile(text('dense(4 | 8) -> act -> dense(3) -> dense(2)'));
  const s = await edited(other.text);
  const again = complete(s, other, decided(8, 'relu'), 0.8);
  assert.is(historyOf(s).best()!.trial, again);
  const at = s.path;
  s.close();
  const back = await open(at, old);
  assert.equal(asides(back), [null, null, null, 'its decisions mean another architecture now']);
  assert.is(historyOf(back).best()!.trial, 1);
  assert.is(back.revisions().length, 2);
  assert.is(back.head.source, old.text);
  back.close();
  const forth = await open(at, other);
  assert.equal(
    forth.trials().map((t) => t.aside === null),
    [false, false, false, true],
  );
  forth.close();
});

revisions('a waiting trial of another program does not run', async () => {
  const at = path();
  const first = await open(at, old);
  first.ask(decided(8, 'relu'), describeMember(old.space, decided(8, 'relu')).program, {}, 0);
  first.close();
  const s = await open(at, compile(text('dense(4) -> act -> dense(2)')));
  assert.equal([s.trial(0).state, s.trial(0).aside], ['waiting', '`dense[0].out` is no decision any more']);
  s.close();
});

revisions('a text of another version that is not understood any more is compared by its print', async () => {
  const at = path();
  const first = await open(at, { ...old, text: 'space S { what the future brings }' });
  complete(first, old, decided(8, 'relu'), 0.5);
  first.close();
  const s = await open(at, old);
  assert.equal(asides(s), [null]);
  s.close();
});

revisions.run();
