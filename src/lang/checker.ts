import { diagnostic } from '../base/diagnostic.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import { span } from '../base/span.ts';
import type { Source } from '../base/span.ts';
import type { Spanned } from '../../grammar/syntax.ts';
import { elaborate } from './elaborate.ts';
import { kindOf } from './kinds.ts';
import type { Checker, More } from './model.ts';
import { PRELUDE } from './prelude.ts';

/** Expressions that one file may come to, with every def of a value written out. */
const MAX_WORK = 1_000_000;
const MAX_DIAGNOSTICS = 200;

export interface CheckerState extends Checker {
  readonly diagnostics: Diagnostic[];
}

export function makeChecker(): CheckerState {
  const diagnostics: Diagnostic[] = [];
  const seen = new Set<string>();
  let errors = 0;
  let site = 0;
  let work = 0;
  const report = (code: string, source: Source, at: Spanned, message: string, more: More = {}): void => {
    const severity = more.severity ?? 'error';
    // The prelude has no faults of its own: what is wrong in it is reported where it is used.
    if (source === PRELUDE && severity === 'warning') return;
    if (severity === 'error') errors++;
    const key = `${code}:${source.file}:${at.start}:${at.end}:${message}`;
    if (seen.has(key) || diagnostics.length >= MAX_DIAGNOSTICS) return;
    seen.add(key);
    diagnostics.push(diagnostic(code, span(source, at.start, at.end), message, more));
  };
  return {
    diagnostics,
    report,
    elaborate,
    kindOf,
    nextSite: () => site++,
    errorCount: () => errors,
    spend: (cx, at) => {
      if (++work < MAX_WORK) return true;
      if (work === MAX_WORK) {
        report('E503', cx.source, at, 'this file says too much: defs that use defs multiply', {
          expected: `at most ${MAX_WORK} expressions once every def of a value is written out`,
          hint: 'name what is used often by `let`',
        });
      }
      return false;
    },
    placedProjects: new Set(),
    fileBindings: [],
    depth: 0,
  };
}
