import type { IToken, TokenType } from 'chevrotain';
import { createToken, Lexer } from './chevrotain.ts';

// Order is precedence where two patterns match at one place: longer operators first, keywords before names.
const all: TokenType[] = [];

function token(name: string, pattern: RegExp | string, label: string, more: object = {}): TokenType {
  const type = createToken({ name, pattern, label, ...more });
  all.push(type);
  return type;
}

token('Blank', /[ \t\r\n\f\v]+/, 'white space', { group: Lexer.SKIPPED });
token('LineComment', /\/\/[^\r\n]*/, 'comment', { group: 'comments' });
token('BlockComment', /\/\*[^]*?\*\//, 'comment', { group: 'comments', line_breaks: true });
/** `/*` without end: the rest of the file. */
export const OpenComment = token('OpenComment', /\/\*[^]*/, 'comment', { line_breaks: true });

export const Text = token('Text', /"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*"/, 'a text in double quotes');
/** `"` without end: the rest of the line. */
export const OpenText = token('OpenText', /"[^\r\n]*/, 'text');

const digits = '\\d+(?:_\\d+)*';
const number = `${digits}(?:\\.${digits})?(?:[eE][+-]?${digits})?`;
export const NumberToken = token(
  'Number',
  new RegExp(`${number}(?:[kMG]?B|[kMG]|ms|s|min|h)?(?!\\w|\\.\\d)`),
  'a number',
);
/** Starts as a number, goes on as something else: `3x3`, `1__0`, `2kk`, `1.2.3`. */
export const OddNumber = token('OddNumber', /\d(?:\w|\.\d)*/, 'number');

/** Any word may be a name, except the hard keywords. */
export const Name = createToken({ name: 'Name', pattern: /[A-Za-z_]\w*/, label: 'a name' });

export const Keyword = createToken({ name: 'Keyword', pattern: Lexer.NA, label: 'a keyword' });
/** Operators between two operands, and before one. `-` is both. */
export const Infix = createToken({ name: 'Infix', pattern: Lexer.NA, label: 'an operator' });
export const Prefix = createToken({ name: 'Prefix', pattern: Lexer.NA, label: 'prefix operator' });

const hard = (word: string, ...more: TokenType[]): TokenType =>
  token(capital(word), new RegExp(word), `\`${word}\``, { longer_alt: Name, categories: [Keyword, ...more] });
const soft = (word: string, ...more: TokenType[]): TokenType =>
  token(capital(word), new RegExp(word), `\`${word}\``, { longer_alt: Name, categories: [Name, ...more] });
const sign = (name: string, text: string, ...categories: TokenType[]): TokenType =>
  token(name, text, `\`${text}\``, { categories });
const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);

export const Space = hard('space');
export const Def = hard('def');
export const Let = hard('let');
export const Shared = hard('shared');
export const Input = hard('input');
export const Output = hard('output');
export const Return = hard('return');
export const Require = hard('require');
export const Prefer = hard('prefer');
export const Check = hard('check');
export const Use = hard('use');
export const If = hard('if');
export const Then = hard('then');
export const Else = hard('else');
export const Via = hard('via', Infix);
export const Or = hard('or', Infix);
export const And = hard('and', Infix);
export const Not = hard('not', Prefix);
export const In = hard('in', Infix);
export const Each = hard('each', Prefix);
export const Tied = hard('tied');
export const True = hard('true');
export const False = hard('false');

export const Cell = soft('cell');
export const Train = soft('train');
export const Search = soft('search');
export const Model = soft('model');
export const Where = soft('where');
export const With = soft('with');
export const As = soft('as');
export const Step = soft('step', Infix);
export const Log = soft('log');
export const Pow2 = soft('pow2');
export const Fidelity = soft('fidelity');
export const Weight = soft('weight');
export const Trials = soft('trials');
export const Phase = soft('phase');
all.push(Name);

export const Arrow = sign('Arrow', '->', Infix);
export const Either = sign('Either', '<>', Infix);
export const Equal = sign('Equal', '==', Infix);
export const Unequal = sign('Unequal', '!=', Infix);
export const AtMost = sign('AtMost', '<=', Infix);
export const AtLeast = sign('AtLeast', '>=', Infix);
export const Below = sign('Below', '<', Infix);
export const Above = sign('Above', '>', Infix);
export const Dots = sign('Dots', '..', Infix);
export const Dot = sign('Dot', '.');
export const Is = sign('Is', '=');
export const Bar = sign('Bar', '|', Infix);
export const At = sign('At', '@', Infix);
export const Tilde = sign('Tilde', '~', Infix);
export const Plus = sign('Plus', '+', Infix);
export const Minus = sign('Minus', '-', Infix, Prefix);
export const Star = sign('Star', '*', Infix);
export const Slash = sign('Slash', '/', Infix);
export const Percent = sign('Percent', '%', Infix);
export const Hat = sign('Hat', '^', Infix);
export const Question = sign('Question', '?');
export const Comma = sign('Comma', ',');
export const Colon = sign('Colon', ':');
export const LParen = sign('LParen', '(');
export const RParen = sign('RParen', ')');
export const LSquare = sign('LSquare', '[');
export const RSquare = sign('RSquare', ']');
export const LCurly = sign('LCurly', '{');
export const RCurly = sign('RCurly', '}');

/** Characters that start no token; with it the lexer is total. */
export const Unknown = token('Unknown', /[\x00-\x08\x0e-\x1f!#$&';\\`\x7f-\uffff]+/, 'character', {
  line_breaks: true,
});

export const tokenTypes: readonly TokenType[] = [...all, Keyword, Infix, Prefix];
export const hardKeywords: readonly string[] = all
  .filter((t) => t.CATEGORIES?.includes(Keyword))
  .map((t) => t.name.toLowerCase());
export const softKeywords: readonly string[] = all
  .filter((t) => t.CATEGORIES?.includes(Name))
  .map((t) => t.name.toLowerCase());

export interface Tokens {
  readonly tokens: IToken[];
  readonly comments: readonly IToken[];
}

let lexer: InstanceType<typeof Lexer> | undefined;

/** Text -> tokens. Total: what is no token is an `Unknown`. Offsets only; lines and columns are counted where shown. */
export function tokenize(text: string): Tokens {
  lexer ??= new Lexer([...tokenTypes], {
    positionTracking: 'onlyOffset',
    skipValidations: true,
    ensureOptimizations: true,
  });
  const { tokens, errors, groups } = lexer.tokenize(text);
  if (errors.length > 0) throw new Error(`bug: no token at ${errors[0]!.offset}`);
  return { tokens, comments: groups['comments'] ?? [] };
}
