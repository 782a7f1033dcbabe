import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkOpTable, defaultThreads, info } from '../../src/native/native.ts';
import { errorOf } from '../support/raw-plan.ts';

const root = join(import.meta.dirname, '../..');

// What a fresh process says of `expression` over the module's exports.
function ask(expression: string, env: Record<string, string>): string {
  const code = `const n = await import('./src/native/native.ts'); try { console.log(String(${expression})) } catch (e) { console.log(e.name + ': ' + e.message) }`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', code];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  assert.is(status, 0, stderr);
  return stdout.trim();
}

const load = suite('loading');

load('what the addon says of itself', () => {
  const { version, isa, isas, bf16, threads, opTableHash, ops } = info();
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.ok(isas.includes(isa));
  assert.type(bf16, 'boolean');
  assert.ok(Number.isInteger(threads) && threads >= 1);
  assert.match(opTableHash, /^[0-9a-f]{16}$/);
  assert.ok(ops.includes('relu'));
  checkOpTable(opTableHash);
  assert.match(errorOf(() => checkOpTable('0123456789abcdef')).message, /npm run build:native/);
});

load('an addon that is not there, or is none, is named with the reason', () => {
  assert.match(
    ask('n.info()', { TENON_NODE: '/nowhere/x.node' }),
    /NativeUnavailable.*\n.*\/nowhere\/x\.node: no such file/,
  );
  const text = ask('n.info()', { TENON_NODE: join(root, 'package.json') });
  assert.match(text, /NativeUnavailable[^]*package\.json: built from other sources: it has no info/);
});

load('TENON_ISA chooses, and must be one that is there', () => {
  for (const isa of info().isas) assert.is(ask('n.info().isa', { TENON_ISA: isa }), isa);
  assert.is(ask('n.info().bf16', { TENON_ISA: info().isas[0]! }), 'false');
  const text = ask('n.info().isa', { TENON_ISA: 'sse9' });
  assert.match(text, /no such instruction set.*sse9/);
});

load('TENON_THREADS', () => {
  assert.is(ask('n.defaultThreads()', { TENON_THREADS: '3' }), '3');
  assert.is(defaultThreads(), process.env['TENON_THREADS'] ? Number(process.env['TENON_THREADS']) : info().threads);
  for (const bad of ['0', '-1', 'two', '1.5', '257'])
    assert.match(ask('n.defaultThreads()', { TENON_THREADS: bad }), new RegExp(`1 to 256, found '${bad}'`));
});

load.run();
