import { check } from '../../src/lang/check.ts';
import { renderDiagnostics } from '../../src/lang/render.ts';
import type { Diagnostic } from '../../src/base/diagnostic.ts';
import type { Program, Space } from '../../src/space/space.ts';

export const render = (diagnostics: readonly Diagnostic[]): string =>
  renderDiagnostics(diagnostics, { color: false, width: 100 });

/** The program of a text that must be right. */
export function programOf(text: string): Program {
  const { program, diagnostics } = check(text, 'test.space');
  if (!program) throw new Error(render(diagnostics));
  return program;
}

/** The last space of a text that must be right. */
export function spaceOf(text: string): Space {
  const space = programOf(text).spaces.at(-1);
  if (!space) throw new Error('there is no space');
  return space;
}

/** Codes of what is said of a text, in the order of the text. */
export const codesOf = (text: string): readonly string[] => check(text, 'test.space').diagnostics.map((d) => d.code);
