import { ProblemError, shorten } from './problems.ts';
import type { NumberLiteral, TextLiteral } from './syntax.ts';

const scales: Readonly<Record<string, readonly [number, NumberLiteral['unit']]>> = {
  '': [1, 'none'],
  k: [1e3, 'none'],
  M: [1e6, 'none'],
  G: [1e9, 'none'],
  B: [1, 'bytes'],
  kB: [2 ** 10, 'bytes'],
  MB: [2 ** 20, 'bytes'],
  GB: [2 ** 30, 'bytes'],
  ms: [1e-3, 'seconds'],
  s: [1, 'seconds'],
  min: [60, 'seconds'],
  h: [3600, 'seconds'],
};

const form = /^([\d_]+)(\.[\d_]+)?([eE][+-]?[\d_]+)?([A-Za-z]*)$/;

/** `text` is a token of the grammar. A number beyond float64 is a problem. */
export function numberLiteral(text: string, start: number): NumberLiteral {
  const [, digits = '', fraction = '', exponent = '', suffix = ''] = form.exec(text) ?? [];
  const scale = scales[suffix];
  if (!scale || digits === '') throw new Error(`bug: no number: ${text}`);
  const mantissa = Number(`${digits}${fraction}${exponent}`.replaceAll('_', ''));
  // 3ms is 3 / 1000, not 3 * 0.001, which is not the nearest number.
  const value = suffix === 'ms' ? mantissa / 1000 : mantissa * scale[0];
  const end = start + text.length;
  if (!Number.isFinite(value))
    throw new ProblemError({
      code: 'E152',
      message: 'this number is above the largest that a program can hold',
      expected: 'a number up to 1.8e308',
      found: shorten(text),
      start,
      end,
    });
  return { kind: 'number', value, unit: scale[1], whole: fraction === '' && exponent === '', text, start, end };
}

/** The exact value of a whole literal, however large (counts outgrow 2^53); undefined where it is not whole. */
export function exactInteger(literal: NumberLiteral): bigint | undefined {
  const [, digits = '', , , suffix = ''] = form.exec(literal.text) ?? [];
  const scale = scales[suffix];
  if (!literal.whole || !scale || scale[0] < 1) return undefined;
  return BigInt(digits.replaceAll('_', '')) * BigInt(scale[0]);
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };

/** `text` with its quotes. */
export function textLiteral(text: string, start: number): TextLiteral {
  const value = text.slice(1, -1).replace(/\\(?:u\{([0-9a-fA-F]{1,6})\}|([^]))/g, (whole, code, letter, at: number) => {
    const point = code === undefined ? NaN : Number.parseInt(String(code), 16);
    if (point <= 0x10ffff) return String.fromCodePoint(point);
    const plain = escapes[String(letter)];
    if (plain === undefined) throw badEscape(String(whole), start + 1 + at);
    return plain;
  });
  return { kind: 'text', value, start, end: start + text.length };
}

function badEscape(escape: string, start: number): ProblemError {
  return new ProblemError({
    code: 'E153',
    message: 'this escape means nothing in a text',
    expected: 'one of \\n \\t \\r \\" \\\\ \\u{…}',
    found: escape,
    start,
    end: start + escape.length,
    hint: 'a backslash itself is written \\\\',
  });
}

export function quote(value: string): string {
  const escaped = value.replace(/["\\\n\t\r\p{Cc}\p{Bidi_Control}\p{Surrogate}]/gu, (c) => {
    const letter = Object.keys(escapes).find((key) => escapes[key] === c);
    return letter === undefined ? `\\u{${c.codePointAt(0)!.toString(16)}}` : `\\${letter}`;
  });
  return `"${escaped}"`;
}
