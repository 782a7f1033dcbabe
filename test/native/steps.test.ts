// Steps of training ask for no memory, give none back and take no lock: a run of many calls what a run of one does. Waiting between two forks is by futex.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { jsonLines, temporaryFolder } from '../support/cli.ts';

interface Counted {
  readonly model: string;
  readonly threads: number;
  /** So many steps more in the run of many. */
  readonly more: number;
  readonly few: readonly number[];
  readonly many: readonly number[];
}

const here = import.meta.dirname;

/** glibc's own names of malloc are what calls.c goes on to. */
const GLIBC =
  process.platform === 'linux' && 'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header;

function count(): readonly Counted[] {
  const folder = temporaryFolder('calls');
  const [library, counts] = [join(folder, 'calls.so'), join(folder, 'counts')];
  execFileSync(process.env['CC'] ?? 'cc', ['-O1', '-shared', '-fPIC', join(here, 'calls.c'), '-o', library, '-ldl']);
  writeFileSync(counts, new Uint8Array(16));
  const program = join(here, '../support/count-calls.ts');
  // No thread of V8's own, which would be counted too.
  const out = execFileSync(process.execPath, ['--single-threaded', '--import', 'tsx', program], {
    encoding: 'utf8',
    env: { ...process.env, LD_PRELOAD: library, TENON_CALLS: counts },
  });
  return jsonLines(out) as unknown as readonly Counted[];
}

const steps = suite('steps of training');
if (!GLIBC) console.log('skipped: calls of steps are counted where the C library is glibc');
steps('ask for no memory and take no lock', () => {
  if (!GLIBC) return;
  const found = count();
  assert.is(found.length, 4);
  for (const { model, threads, more, few, many } of found) {
    ['memory', 'locks'].forEach((what, i) => {
      assert.ok(few[i]! > 0, `calls for ${what} are counted`);
      const calls = `${model}, ${threads} threads: ${few[i]} calls for ${what}, ${many[i]} in ${more} steps more`;
      assert.ok(many[i]! - few[i]! < more, calls);
    });
  }
});
steps.run();
