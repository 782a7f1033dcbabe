import pc from 'picocolors';
import stringWidth from 'string-width';
import type { Diagnostic, Severity } from '../base/diagnostic.ts';
import { lineText, position } from '../base/span.ts';
import type { Source, Span } from '../base/span.ts';

export interface RenderOptions {
  readonly color: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

const TAB = '  ';
const MIN_WIDTH = 40;

type Colors = ReturnType<typeof pc.createColors>;

interface Label {
  readonly span: Span;
  readonly text: string;
  readonly primary: boolean;
}

/** Diagnostics as a person reads them: each with its source lines, what is marked in them, and a hint. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: RenderOptions): string {
  const colors = pc.createColors(options.color);
  const blocks = diagnostics.map((d) => renderDiagnostic(d, Math.max(MIN_WIDTH, options.width), colors));
  return [...blocks, summary(diagnostics, colors)].filter((b) => b !== '').join('\n\n');
}

function summary(diagnostics: readonly Diagnostic[], c: Colors): string {
  const count = (severity: Severity): number => diagnostics.filter((d) => d.severity === severity).length;
  const say = (n: number, word: string): string[] => (n === 0 ? [] : [`${n} ${word}${n === 1 ? '' : 's'}`]);
  const parts = [...say(count('error'), 'error'), ...say(count('warning'), 'warning')];
  return diagnostics.length > 1 ? c.bold(parts.join(', ')) : '';
}

function renderDiagnostic(d: Diagnostic, width: number, c: Colors): string {
  const tint = d.severity === 'error' ? c.red : c.yellow;
  const { line, column } = position(d.span.source, d.span.start);
  const labels: Label[] = [
    { span: d.span, text: '', primary: true },
    ...d.notes.map((n) => ({ span: n.span, text: n.message, primary: false })),
  ];
  const here = labels.filter((l) => l.span.source === d.span.source);
  const elsewhere = labels.filter((l) => l.span.source !== d.span.source);
  const lines = [...here, ...elsewhere].map((l) => position(l.span.source, l.span.start).line);
  const gutter = String(Math.max(...lines)).length;
  const pad = ' '.repeat(gutter);
  const out = [`${tint(c.bold(`${d.severity} ${d.code}`))}${c.bold(`: ${visible(d.message)}`)}`];
  out.push(`${pad}${c.blue('-->')} ${visible(d.span.source.file)}:${line}:${column}`);
  out.push(...frame(d.span.source, here, gutter, width, tint, c));
  for (const l of elsewhere) {
    const at = position(l.span.source, l.span.start);
    out.push(`${pad}${c.blue('-->')} ${visible(l.span.source.file)}:${at.line}:${at.column}`);
    out.push(...frame(l.span.source, [l], gutter, width, tint, c));
  }
  const margin = `${pad} ${c.blue('=')} `;
  for (const [word, text] of [
    ['expected', d.expected],
    ['found', d.found],
    ['hint', d.hint],
  ] as const) {
    if (text !== '')
      out.push(
        ...wrap(`${word}: ${visible(text)}`, width - gutter - 3, '  ').map(
          (t, i) => (i === 0 ? margin : `${pad}   `) + t,
        ),
      );
  }
  return out.join('\n');
}

/** The lines that labels stand on, in order, each with its marks below it. */
function frame(
  source: Source,
  labels: readonly Label[],
  gutter: number,
  width: number,
  tint: (s: string) => string,
  c: Colors,
): string[] {
  const byLine = new Map<number, Label[]>();
  for (const l of labels) {
    const { line } = position(source, l.span.start);
    byLine.set(line, [...(byLine.get(line) ?? []), l]);
  }
  const numbers = [...byLine.keys()].sort((a, b) => a - b);
  const bar = c.blue('|');
  const out = [`${' '.repeat(gutter)} ${bar}`];
  numbers.forEach((number, i) => {
    const before = numbers[i - 1];
    if (before !== undefined && number > before + 1) out.push(c.blue('.'.repeat(Math.min(3, gutter + 1))));
    const window = windowOf(source, number, byLine.get(number)!, width - gutter - 3);
    out.push(`${c.blue(String(number).padStart(gutter))} ${bar} ${window.text}`.trimEnd());
    // One row of marks for each label, the rightmost first, as they may overlap.
    const marks = [...byLine.get(number)!].sort(
      (a, b) => Number(b.primary) - Number(a.primary) || b.span.start - a.span.start,
    );
    for (const label of marks) {
      const { start, length } = window.place(label.span);
      const mark = label.primary ? tint('^'.repeat(length)) : c.blue('-'.repeat(length));
      const text = label.text === '' ? '' : ` ${c.blue(visible(label.text))}`;
      out.push(`${' '.repeat(gutter)} ${bar} ${' '.repeat(start)}${mark}${text}`);
    }
  });
  return out;
}

interface Window {
  readonly text: string;
  /** Columns of the screen that a span covers in `text`. */
  place(span: Span): { start: number; length: number };
}

/** The part of a line around its labels that fits the screen. */
function windowOf(source: Source, number: number, labels: readonly Label[], width: number): Window {
  const line = lineText(source, number);
  const lineStart = labels[0]!.span.start - (position(source, labels[0]!.span.start).column - 1);
  const offset = (at: number): number => Math.max(0, Math.min(line.length, at - lineStart));
  const first = Math.min(...labels.map((l) => offset(l.span.start)));
  let from = 0;
  // Long lines are cut: the first label stands in the first third.
  if (stringWidth(visible(line.slice(0, Math.min(line.length, 4 * width)))) > width && first > width / 2)
    from = first - Math.floor(width / 3);
  if (from > 0 && isLowSurrogate(line.charCodeAt(from))) from--;
  const lead = from > 0 ? '…' : '';
  let text = lead + visible(line.slice(from, from + 2 * width));
  const cut = stringWidth(text) > width;
  if (cut) text = `${clip(text, width - 1)}…`;
  const column = (at: number): number =>
    Math.min(
      width - 1,
      stringWidth(lead + visible(line.slice(from, Math.max(from, Math.min(offset(at), from + 2 * width))))),
    );
  return {
    text,
    place: (span) => {
      const start = column(span.start);
      return { start, length: Math.max(1, Math.min(column(span.end), width) - start) };
    },
  };
}

const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff;

function clip(text: string, width: number): string {
  let out = '';
  let used = 0;
  for (const character of text) {
    used += stringWidth(character);
    if (used > width) break;
    out += character;
  }
  return out;
}

/** Tabs as spaces, line ends as such, other control and direction characters as escapes: nothing can move the cursor. */
export function visible(text: string): string {
  return text
    .replace(/\t/g, TAB)
    .replace(/\r?\n/g, '⏎')
    .replace(
      /[\p{Cc}\p{Bidi_Control}\p{Surrogate}\u2028\u2029\ufeff\u200b]/gu,
      (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`,
    );
}

function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const next = line === '' ? word : `${line} ${word}`;
    if (line !== '' && stringWidth(next) > width) {
      lines.push(line);
      line = indent + word;
    } else line = next;
  }
  return [...lines, line];
}
