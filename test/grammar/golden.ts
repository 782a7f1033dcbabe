import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import type { SyntaxProblem } from '../../grammar/syntax.ts';

/** What a reader sees of a problem, without the source line. */
export function show(text: string, problem: SyntaxProblem): string {
  const { code, message, expected, found, hint, start, end } = problem;
  const lines = [`${place(text, start)}-${place(text, end)} ${code} ${message}`];
  lines.push(`  expected: ${expected}`, `  found:    ${found}`);
  if (hint !== undefined) lines.push(`  hint:     ${hint}`);
  return lines.join('\n');
}

function place(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `${before.length}:${before.at(-1)!.length + 1}`;
}

/** Compares with a stored text; `UPDATE_GOLDEN=1` writes it instead. */
export function golden(url: URL, actual: string): void {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(url, actual);
  assert.ok(existsSync(url), `${url.pathname} is missing; UPDATE_GOLDEN=1 writes it`);
  assert.is(actual, readFileSync(url, 'utf8'));
}
