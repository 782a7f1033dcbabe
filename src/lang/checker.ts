import { diagnostic } from '../base/diagnostic.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import { span } from '../base/span.ts';
import type { Source } from '../base/span.ts';
import type { Spanned } from '../../grammar/syntax.ts';
import type { Code } from './codes.ts';
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
  const calls: CheckerState['calls'] = [];
  const report = (code: Code, source: Source, at: Spanned, message: string, more: More = {}): void => {
    const severity = more.severity ?? 'error';
    const call = calls.findLast((c) => c.at.source !== PRELUDE);
    // The prelude has no faults of its own: what is wrong in it is what it was given.
    if (source === PRELUDE && (severity === 'warning' || !call)) return;
    if (severity === 'error') errors++;
    const inPrelude = source === PRELUDE && call;
    const where = inPrelude
      ? span(call.at.source, call.at.node.start, call.at.node.end)
      : span(source, at.start, at.end);
    const text = inPrelude ? `\`${call.name}\` cannot be given this: ${message}` : message;
    const key = `${code}:${where.source.file}:${where.start}:${where.end}:${text}`;
    if (seen.has(key) || diagnostics.length >= MAX_DIAGNOSTICS) return;
    seen.add(key);
    const notes = [...(more.notes ?? [])];
    if (call && !inPrelude && severity === 'error') {
      const { node, source: from } = call.at;
      const isHere = from === source && node.start === at.start && node.end === at.end;
      if (!isHere) notes.push({ span: span(from, node.start, node.end), message: `in this use of \`${call.name}\`` });
    }
    diagnostics.push(diagnostic(code, where, text, { ...more, notes }));
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
    calls,
    depth: 0,
  };
}
