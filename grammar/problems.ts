import type { IToken, TokenType } from 'chevrotain';
import { EOF, tokenMatcher } from './chevrotain.ts';
import type { SyntaxProblem } from './syntax.ts';
import { MAX_NESTING } from './syntax.ts';
import {
  Infix,
  Keyword,
  Name,
  NumberToken,
  OddNumber,
  OpenComment,
  OpenText,
  Prefix,
  Text,
  Unknown,
} from './tokens.ts';

/** Thrown inside the parser, kept by `parse`; a fatal one ends the parse. */
export class ProblemError extends Error {
  readonly problem: SyntaxProblem;
  readonly fatal: boolean;

  constructor(problem: SyntaxProblem, fatal = false) {
    super(problem.message);
    this.problem = problem;
    this.fatal = fatal;
  }
}

/** What a rule of the grammar reads, in words, with an example of it. */
export interface Reading {
  readonly what: string;
  readonly example: string;
}

export const readings: Readonly<Record<string, Reading>> = {
  program: { what: 'a program', example: 'space Mlp { input x: f32[B, 784] output y = x -> dense(10) }' },
  spaceStatement: { what: 'a space', example: 'space Mlp { input x: f32[B, 784] output y = x -> dense(10) }' },
  derived: { what: 'a part of a space', example: 'space Small = Mlp with { act = relu } where params <= 500k' },
  modelStatement: { what: 'a model', example: 'model baseline = Mlp with { act = relu }' },
  binding: { what: 'a decision in `with { … }`', example: 'with { body[*].k = 5, act = relu }' },
  path: { what: 'the path of a decision', example: 'body[0].conv.k or body[*].k' },
  inputStatement: { what: 'an input', example: 'input image: f32[B, 28, 28, 1]' },
  outputStatement: { what: 'an output', example: 'output y = x -> dense(10)' },
  wireStatement: { what: 'a wire', example: 'h = x -> dense(64)' },
  letStatement: { what: 'a `let`', example: 'let width = 64 | 128' },
  defStatement: { what: 'a `def`', example: 'def block(n) = conv(n, k: 3) -> relu' },
  signature: { what: 'the shapes of a `def`', example: 'def patch(p): [B, H, W, C] -> [B, H*W, C] = patches(p)' },
  sharedStatement: { what: 'a `shared` network', example: 'shared attend = attention(heads: 2 | 4)' },
  cellStatement: { what: 'a cell', example: 'cell Two(a, b) { return [a, b] -> add }' },
  returnStatement: { what: 'a `return`', example: 'return [a, b] -> add' },
  requireStatement: { what: 'a requirement', example: 'require params <= 700k, depth <= 40' },
  preferStatement: { what: 'a preference', example: 'prefer latency <= 3ms weight 0.2' },
  checkStatement: { what: 'a check', example: 'check count == 15_625' },
  useStatement: { what: 'a `use`', example: 'use "std/vision" { mbconv, se } or use "./cells.space" as my' },
  trainStatement: {
    what: 'the settings of `train`',
    example: 'train { data mnist loss crossentropy batch 128 epochs 3 }',
  },
  searchStatement: { what: 'the settings of `search`', example: 'search { maximize accuracy budget 200 trials }' },
  valueSetting: { what: 'a setting', example: 'budget 200 trials, 2h' },
  group: { what: 'a group of settings', example: 'phase warm { epochs 1 }' },
  parameters: { what: 'parameters', example: 'def block(n, k: 3) = conv(n, k: k)' },
  args: { what: 'the arguments of a call', example: 'conv(64, k: 3 | 5)' },
  index: { what: 'an index', example: 'body[0]' },
  dims: { what: 'a tensor type', example: 'f32[B, 28, 28, 1]' },
  repeat: { what: 'a repetition', example: 'block{1..4} or block{tied 3}' },
  list: { what: 'a list', example: '[conv(64), id]' },
  parens: { what: 'an expression in parentheses', example: '(relu | tanh)' },
  if: { what: 'an `if`', example: 'if w >= 64 then se(ratio: 4) else id' },
  letin: { what: 'a `let … in`', example: 'let h = 128 | 256 in dense(h)' },
};

export const expression = 'an expression';

/** Words for what stands in the text. */
export function describe(token: IToken): string {
  if (token.tokenType === EOF) return 'the end of the file';
  const text = `\`${shorten(token.image)}\``;
  if (tokenMatcher(token, Name)) return `the name ${text}`;
  if (tokenMatcher(token, Keyword)) return `the keyword ${text}`;
  if (token.tokenType === NumberToken) return `the number ${text}`;
  if (token.tokenType === Text) return `the text ${shorten(token.image)}`;
  return text;
}

export const labelOf = (type: TokenType): string => (type === EOF ? 'the end of the file' : (type.LABEL ?? type.name));

/** The start of a text, on one line. */
export const shorten = (text: string): string => {
  const line = text.split(/[\r\n]/, 1)[0]!;
  const points = [...line.slice(0, 50)];
  return points.length > 24 || line.length < text.length ? `${points.slice(0, 24).join('')}…` : line;
};

/** Where a token stands. The end of the file is the place after the last character. */
export function placeOf(token: IToken, textLength: number): { start: number; end: number } {
  if (token.tokenType === EOF) return { start: textLength, end: textLength };
  return { start: token.startOffset, end: token.startOffset + token.image.length };
}

/** The problem of tokens that no program holds; undefined for the others. */
export function lexicalProblem(token: IToken): SyntaxProblem | undefined {
  const start = token.startOffset;
  const end = start + token.image.length;
  if (token.tokenType === Unknown) return { ...unknownCharacter(token), start, end };
  if (token.tokenType === OddNumber) return { ...oddNumber(token), start, end };
  if (token.tokenType === OpenText)
    return {
      code: 'E153',
      message: 'this text has no end',
      expected: 'a closing `"` on the same line',
      found: 'the end of the line',
      hint: 'a line break inside a text is written \\n',
      start,
      end,
    };
  if (token.tokenType === OpenComment)
    return {
      code: 'E154',
      message: 'this comment has no end',
      expected: '`*/`',
      found: 'the end of the file',
      start,
      end: start + 2,
    };
  return undefined;
}

type Unplaced = Omit<SyntaxProblem, 'start' | 'end'>;

// What people type or paste instead.
const lookalikes: Readonly<Record<string, string>> = {
  '→': 'data flow is written ->',
  '⇒': 'data flow is written ->',
  '↔': 'either order is written <>',
  '×': 'a product is written *',
  '·': 'a product is written *',
  '÷': 'a quotient is written /',
  '−': 'minus is written -',
  '–': 'minus is written -',
  '—': 'minus is written -',
  '≤': 'at most is written <=',
  '≥': 'at least is written >=',
  '≠': 'not equal is written !=',
  '…': 'a range is written 1..4',
  '“': 'a text stands in straight double quotes: "…"',
  '”': 'a text stands in straight double quotes: "…"',
  "'": 'a text stands in double quotes: "…"',
  '`': 'a text stands in double quotes: "…"',
  ';': 'statements need no semicolon',
  '&': 'both is written `and`',
  '!': 'negation is written `not`',
  '#': 'a comment starts with //',
  $: 'a name holds letters, digits and _',
  '\\': 'a statement may go on over lines as it is',
  '\u00a0': 'it looks like a space, but is a no-break space',
  '\u2028': 'it looks like a line break, but is a line separator',
  '\ufeff': 'it is a byte-order mark, which may stand only at the start of a file',
  '\u200b': 'it is a space of no width',
  '\0': 'is this a text file?',
  '\ufffd': 'the file is not valid UTF-8 here',
};

function unknownCharacter(token: IToken): Unplaced {
  const first = String.fromCodePoint(token.image.codePointAt(0)!);
  const number = `U+${first.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
  const visible = /[\p{L}\p{N}\p{P}\p{S}]/u.test(first);
  const hint =
    lookalikes[first] ?? (/\p{L}/u.test(first) ? 'names hold the letters a-z, A-Z, digits and _' : undefined);
  return {
    code: 'E151',
    message: 'this character means nothing outside texts and comments',
    expected: 'a name, a number or an operator',
    found: visible ? `\`${first}\` (${number})` : number,
    ...(hint !== undefined && { hint }),
  };
}

function oddNumber(token: IToken): Unplaced {
  return {
    code: 'E152',
    message: 'this is not a number',
    expected: 'a number such as 64, 0.5, 1e-3, 60_466, 500k, 512MB or 3ms',
    found: `\`${shorten(token.image)}\``,
    hint: oddNumberHint(token.image),
  };
}

function oddNumberHint(text: string): string {
  if (/^0[xXbBoO]/.test(text)) return 'numbers are decimal';
  if (/^\d+x\d/.test(text)) return 'a size of several axes is a list: [3, 5]';
  if (/^[\d_.]*_(_|$|\.)/.test(text)) return 'an underscore stands between two digits';
  if (/\.\d+\./.test(text)) return 'a number has one decimal point';
  return 'the endings are k M G (thousands), kB MB GB (bytes) and ms s min h (times); a name starts with a letter';
}

export function tooDeep(token: IToken): ProblemError {
  return new ProblemError(
    {
      code: 'E156',
      message: `brackets, blocks, \`if\` and \`let\` nest deeper than ${MAX_NESTING} here`,
      expected: `at most ${MAX_NESTING} inside each other`,
      found: 'one more',
      ...placeOf(token, token.startOffset),
      hint: 'name a part with `def` or `let` and use the name',
    },
    true,
  );
}

interface Situation {
  readonly rule: string;
  readonly expected: string;
  readonly token: IToken;
  readonly previous: IToken;
  readonly next: IToken;
}

/** What a reader of the error probably meant; undefined where nothing is likely. */
export function hintFor({ rule, expected, token, previous, next }: Situation): string | undefined {
  const text = token.image;
  const wantsName = expected.includes('name');
  if (wantsName && tokenMatcher(token, Keyword))
    return `\`${text}\` is a keyword; choose another name, such as ${text}1`;
  if (text === '=' && rule === 'args') return `an argument is named with a colon: ${previous.image}: …`;
  if (text === '=' && (rule === 'setting' || rule.endsWith('Setting')))
    return `a setting has no \`=\`: ${previous.image} …`;
  if (text === '=' && !wantsName) return '`==` compares two values; `name = …` defines';
  if (text === ':' && rule === 'binding') return 'a decision is bound with `=`: act = relu';
  if (text === '-' && previous.image === '|') return undefined;
  if (text === '|' && previous.image === '|') return 'either is written `or`; a choice has one `|`';
  if (text === '*' && previous.image === '*') return 'a power is written ^';
  if (text === '.' && previous.image === '..') return 'a range has two dots: 1..4';
  if (text === '.' && next.tokenType === NumberToken) return `a number starts with a digit: 0.${next.image}`;
  if (text === '=' && previous.image === '>') return 'at least is written >=';
  if (expected === expression && (text === ')' || text === ']' || text === '}') && isOperator(previous))
    return `nothing follows the \`${previous.image}\``;
  if (expected === expression && tokenMatcher(token, Keyword) && isOperator(previous))
    return `nothing follows the \`${previous.image}\``;
  if (rule.endsWith('etting') && nearest(previous.image, ['trials']) !== undefined) return 'did you mean `trials`?';
  if (rule === 'if' && expected.includes('else')) return elseHint;
  if (rule === 'letin' && expected.includes('`in`')) return inHint;
  return undefined;
}

const inHint =
  'a `let` inside an expression needs its `in`: let h = 128 in dense(h); or is what stands before the `let` not complete?';
const elseHint = 'every `if` has an `else`; `id` changes nothing: if w >= 64 then se(ratio: 4) else id';

const isOperator = (token: IToken): boolean => tokenMatcher(token, Infix) || tokenMatcher(token, Prefix);

/** The candidate that is at most two edits away (one for words up to five letters), if one is. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = word.length > 5 ? 2 : 1;
  const near = candidates.map((c) => ({ c, d: edits(word, c) })).filter(({ d }) => d <= limit);
  return near.sort((a, b) => a.d - b.d)[0]?.c;
}

// Levenshtein's distance, a swap of neighbours counting as one edit.
function edits(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const above = rows[i - 1]!;
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (rows[i - 2]?.[j - 2] ?? 9) + 1 : 9;
      row.push(Math.min(change, swap, above[j]! + 1, row[j - 1]! + 1));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
