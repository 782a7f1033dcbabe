import { position } from './span.ts';
import type { Position, Span } from './span.ts';

export type Severity = 'error' | 'warning';

export interface Note {
  readonly span: Span;
  readonly message: string;
}

/** The one record of everything a checker has to say: shown in the terminal, in an editor, and as JSON. */
export interface Diagnostic {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly span: Span;
  readonly expected: string;
  readonly found: string;
  readonly notes: readonly Note[];
  readonly hint: string;
}

export function diagnostic(
  code: string,
  span: Span,
  message: string,
  more: Partial<Pick<Diagnostic, 'severity' | 'expected' | 'found' | 'notes' | 'hint'>> = {},
): Diagnostic {
  return { code, severity: 'error', message, span, expected: '', found: '', notes: [], hint: '', ...more };
}

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some((d) => d.severity === 'error');

interface JsonSpan {
  readonly file: string;
  readonly start: Position;
  readonly end: Position;
}

const jsonSpan = (s: Span): JsonSpan => ({
  file: s.source.file,
  start: position(s.source, s.start),
  end: position(s.source, s.end),
});

/** The form of `--json`. */
export function diagnosticToJson(d: Diagnostic): Record<string, unknown> {
  return {
    code: d.code,
    severity: d.severity,
    message: d.message,
    span: jsonSpan(d.span),
    expected: d.expected,
    found: d.found,
    notes: d.notes.map((n) => ({ span: jsonSpan(n.span), message: n.message })),
    hint: d.hint,
  };
}
