/**
 * The syntax tree of a `.space` file: plain data, precedence resolved, offsets in UTF-16 units of the source text.
 *
 * Where `parse` reports no problem it also guarantees: every statement stands where its kind may stand (see
 * `Statement`), no expression is higher than `MAX_HEIGHT` nodes, and a nested node of the same n-ary kind (a choice in a
 * choice, a chain in a chain) was in parentheses in the source. Parentheses leave no node; a node that stood in them has
 * `parens`, which only the formatter reads.
 */

/** Brackets, `if` and `let` may nest this deep. */
export const MAX_NESTING = 200;
/** Nodes on the longest path through one expression, so that recursion over trees is safe. */
export const MAX_HEIGHT = 500;
/** Longest text, in UTF-8 bytes. */
export const MAX_BYTES = 4 * 1024 * 1024;

export interface Spanned {
  readonly start: number;
  readonly end: number;
}

interface ExprBase extends Spanned {
  /** In parentheses in the source; `start` and `end` are inside them. */
  readonly parens?: true;
}

// ---- expressions -----------------------------------------------------------------------------------------------

/** Any name in an expression; also the name that a statement defines. */
export interface Name extends ExprBase {
  readonly kind: 'name';
  readonly name: string;
}

/** `3`, `0.5`, `1e-5`, `60_466_176`, `500k`, `512MB`, `3ms`. */
export interface NumberLiteral extends ExprBase {
  readonly kind: 'number';
  /** In plain units: `4k` is 4000, `512MB` is bytes, `3ms` is 0.003 (seconds). */
  readonly value: number;
  readonly unit: 'none' | 'bytes' | 'seconds';
  /** No decimal point and no exponent; ranges between whole numbers are whole. */
  readonly whole: boolean;
  /** As written. `exactInteger` (literals.ts) reads counts above 2^53 from it. */
  readonly text: string;
}

/** `"images.idx"`: escapes resolved. */
export interface TextLiteral extends ExprBase {
  readonly kind: 'text';
  readonly value: string;
}

export interface TruthLiteral extends ExprBase {
  readonly kind: 'truth';
  readonly value: boolean;
}

/** `[f, id]`: branches, a list of values, or a shape. */
export interface ListExpr extends ExprBase {
  readonly kind: 'list';
  readonly items: readonly Expr[];
}

/** `f32[B, 28, 28, 1]`: a name of a number type (f32, i32, bf16, u8, bool, …) with an index. */
export interface TensorExpr extends ExprBase {
  readonly kind: 'tensor';
  readonly dtype: Name;
  readonly dims: readonly Expr[];
}

/** One alternative of a choice; `weight` is what stands after `@`. */
export interface Alternative extends Spanned {
  readonly value: Expr;
  readonly weight?: Expr;
}

/** `a | b @2 | c`. A single alternative occurs only with a weight (`a @2`). */
export interface ChoiceExpr extends ExprBase {
  readonly kind: 'choice';
  readonly alternatives: readonly Alternative[];
}

/** `a <> b <> c`: any order; at least two. */
export interface OrderExpr extends ExprBase {
  readonly kind: 'order';
  readonly items: readonly Expr[];
}

/** `a -> b -> c`; at least two. */
export interface ChainExpr extends ExprBase {
  readonly kind: 'chain';
  readonly steps: readonly Expr[];
}

/** `conv(64) via kron(4)`; `value.parens` tells a group. */
export interface ViaExpr extends ExprBase {
  readonly kind: 'via';
  readonly value: Expr;
  readonly weight: Expr;
}

export const comparisonOperators = ['==', '!=', '<', '<=', '>', '>=', 'in'] as const;
export const arithmeticOperators = ['+', '-', '*', '/', '%', '^'] as const;
export type BinaryOperator = 'or' | 'and' | (typeof comparisonOperators)[number] | (typeof arithmeticOperators)[number];

export interface BinaryExpr extends ExprBase {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  readonly left: Expr;
  readonly right: Expr;
}

export interface UnaryExpr extends ExprBase {
  readonly kind: 'unary';
  readonly operator: '-' | 'not';
  readonly value: Expr;
}

/** `1e-5..1e-1 log ~ 3e-4`. */
export interface PriorExpr extends ExprBase {
  readonly kind: 'prior';
  readonly value: Expr;
  readonly prior: Expr;
}

/** `48..128 step 16`, `1e-5..1e-1 log`, `64..1024 pow2`. */
export interface RangeExpr extends ExprBase {
  readonly kind: 'range';
  readonly from: Expr;
  readonly to: Expr;
  readonly step?: Expr;
  readonly log: boolean;
  readonly pow2: boolean;
}

/** `A?`. */
export interface OptionalExpr extends ExprBase {
  readonly kind: 'optional';
  readonly value: Expr;
}

/** `A{1..4}`, `A{tied 2 | 4}`. */
export interface RepeatExpr extends ExprBase {
  readonly kind: 'repeat';
  readonly value: Expr;
  readonly times: Expr;
  readonly tied: boolean;
}

/** An argument of a call; `name` as in `k: 3`. */
export interface Argument extends Spanned {
  readonly name?: Name;
  readonly value: Expr;
}

/** `conv(64, k: 3)`. */
export interface CallExpr extends ExprBase {
  readonly kind: 'call';
  readonly callee: Expr;
  readonly args: readonly Argument[];
}

/** `[*]` in a path. */
export interface Every extends Spanned {
  readonly kind: 'every';
}

/** `body[1]`, `body[*]`; at least one item. */
export interface IndexExpr extends ExprBase {
  readonly kind: 'index';
  readonly value: Expr;
  readonly items: readonly (Expr | Every)[];
}

/** `my.block`, `reduce.conv`. */
export interface MemberExpr extends ExprBase {
  readonly kind: 'member';
  readonly value: Expr;
  readonly member: Name;
}

/** `A as name`: names this use, for paths. */
export interface LabelledExpr extends ExprBase {
  readonly kind: 'labelled';
  readonly value: Expr;
  readonly label: Name;
}

/** `each f`. */
export interface EachExpr extends ExprBase {
  readonly kind: 'each';
  readonly value: Expr;
}

/** `if w >= 64 then a else b`. */
export interface IfExpr extends ExprBase {
  readonly kind: 'if';
  readonly test: Expr;
  readonly then: Expr;
  readonly otherwise: Expr;
}

/** `let h = 128 | 256 in dense(h)`. */
export interface LetExpr extends ExprBase {
  readonly kind: 'letin';
  readonly name: Name;
  readonly value: Expr;
  readonly body: Expr;
}

export type Expr =
  | Name
  | NumberLiteral
  | TextLiteral
  | TruthLiteral
  | ListExpr
  | TensorExpr
  | ChoiceExpr
  | OrderExpr
  | ChainExpr
  | ViaExpr
  | BinaryExpr
  | UnaryExpr
  | PriorExpr
  | RangeExpr
  | OptionalExpr
  | RepeatExpr
  | CallExpr
  | IndexExpr
  | MemberExpr
  | LabelledExpr
  | EachExpr
  | IfExpr
  | LetExpr;

// ---- statements ------------------------------------------------------------------------------------------------

/** A parameter of a `def` or `cell`; `value` is its default (`k: 3`). */
export interface Parameter extends Spanned {
  readonly name: Name;
  readonly value?: Expr;
}

/** `[B, H, W, C] -> [B, H*W, C]`, of a `def`; both are lists. */
export interface Signature extends Spanned {
  readonly from: ListExpr;
  readonly to: ListExpr;
}

/** `space Mlp { … }`. Body: input, output, let, def, shared, cell, wire, require, prefer, check. */
export interface SpaceStatement extends Spanned {
  readonly kind: 'space';
  readonly name: Name;
  readonly body: readonly Statement[];
}

/** `space Narrow = DeepConv with { … } where …`; `base` is a name or a member (`my.DeepConv`). */
export interface DeriveStatement extends Spanned {
  readonly kind: 'derive';
  readonly name: Name;
  readonly base: Name | MemberExpr;
  readonly bindings: readonly Binding[];
  readonly conditions: readonly Expr[];
}

/** `model baseline = DeepConv with { … }`: a point; what is not bound takes its first alternative. */
export interface ModelStatement extends Spanned {
  readonly kind: 'model';
  readonly name: Name;
  readonly base: Name | MemberExpr;
  readonly bindings: readonly Binding[];
}

/** `body[*].k = 5`. */
export interface Binding extends Spanned {
  readonly path: Path;
  readonly value: Expr;
}

/**
 * `body[1][*].conv.k`. Any word may be a part, keywords too. `.order`, of a decision without a name, starts with a part
 * whose name is empty.
 */
export interface Path extends Spanned {
  readonly parts: readonly PathPart[];
}

export interface PathPart extends Spanned {
  readonly name: string;
  readonly indices: readonly (number | '*')[];
}

/** `input user: f32[B, 64], item: f32[B, 128]`. */
export interface InputStatement extends Spanned {
  readonly kind: 'input';
  readonly inputs: readonly { readonly name: Name; readonly type: Expr }[];
}

/** `output score = dot(u, v), aux = u -> dense(1)`. */
export interface OutputStatement extends Spanned {
  readonly kind: 'output';
  readonly outputs: readonly { readonly name: Name; readonly value: Expr }[];
}

/** `h = x -> dense(64)`. */
export interface WireStatement extends Spanned {
  readonly kind: 'wire';
  readonly name: Name;
  readonly value: Expr;
}

export interface LetStatement extends Spanned {
  readonly kind: 'let';
  readonly name: Name;
  readonly value: Expr;
}

/** `def cell = …` has no `params`; `def f() = …` has an empty list. */
export interface DefStatement extends Spanned {
  readonly kind: 'def';
  readonly name: Name;
  readonly params?: readonly Parameter[];
  readonly signature?: Signature;
  readonly value: Expr;
}

export interface SharedStatement extends Spanned {
  readonly kind: 'shared';
  readonly name: Name;
  readonly value: Expr;
}

/** `cell Nb201(s, C) { … }`. Body: let, def, shared, cell, wire, and one return, last. */
export interface CellStatement extends Spanned {
  readonly kind: 'cell';
  readonly name: Name;
  readonly params: readonly Parameter[];
  readonly body: readonly Statement[];
}

export interface ReturnStatement extends Spanned {
  readonly kind: 'return';
  readonly value: Expr;
}

export interface RequireStatement extends Spanned {
  readonly kind: 'require';
  readonly conditions: readonly Expr[];
}

/** `prefer latency <= 3ms weight 0.2`. */
export interface PreferStatement extends Spanned {
  readonly kind: 'prefer';
  readonly wishes: readonly { readonly condition: Expr; readonly weight?: Expr }[];
}

export interface CheckStatement extends Spanned {
  readonly kind: 'check';
  readonly conditions: readonly Expr[];
}

/** `use "std/vision" { mbconv, se as squeeze }`, `use "./cells.space" as my`. */
export interface UseStatement extends Spanned {
  readonly kind: 'use';
  readonly file: TextLiteral;
  /** Names brought in, where the statement lists them. */
  readonly names?: readonly { readonly name: Name; readonly alias?: Name }[];
  /** The name of the whole file, where the statement gives one. */
  readonly alias?: Name;
}

/** `train { … }`. */
export interface TrainStatement extends Spanned {
  readonly kind: 'train';
  readonly settings: readonly Setting[];
}

/** `search { … }`. */
export interface SearchStatement extends Spanned {
  readonly kind: 'search';
  readonly settings: readonly Setting[];
}

export type Setting = ValueSetting | GroupSetting;

/** `budget 200 trials, 2h`; `loss y: crossentropy, aux: mse weight 0.1`; at least one item. */
export interface ValueSetting extends Spanned {
  readonly kind: 'setting';
  readonly key: Name;
  readonly items: readonly SettingItem[];
}

/** `fidelity 1..27`, `200 trials`, `aux: mse weight 0.1`. */
export interface SettingItem extends Spanned {
  readonly name?: Name;
  readonly fidelity: boolean;
  readonly value: Expr;
  /** `200 trials`. */
  readonly trials: boolean;
  readonly weight?: Expr;
}

/** `phase warm { … }` (key `phase`, label `warm`), or any other `key { … }`. */
export interface GroupSetting extends Spanned {
  readonly kind: 'group';
  readonly key: Name;
  readonly label?: Name;
  readonly settings: readonly Setting[];
}

/** At the top level stand: space, derive, model, let, def, shared, cell, check, use, train, search. */
export type Statement =
  | SpaceStatement
  | DeriveStatement
  | ModelStatement
  | InputStatement
  | OutputStatement
  | WireStatement
  | LetStatement
  | DefStatement
  | SharedStatement
  | CellStatement
  | ReturnStatement
  | RequireStatement
  | PreferStatement
  | CheckStatement
  | UseStatement
  | TrainStatement
  | SearchStatement;

/** `// …` or `/* … *\/`, with its delimiters, in text order. */
export interface Comment extends Spanned {
  readonly text: string;
}

export interface Program extends Spanned {
  readonly kind: 'program';
  readonly statements: readonly Statement[];
  readonly comments: readonly Comment[];
}

// ---- problems --------------------------------------------------------------------------------------------------

/** Why a text is no program: plain data, the caller adds the file. */
export interface SyntaxProblem extends Spanned {
  readonly code: SyntaxCode;
  readonly message: string;
  readonly expected: string;
  readonly found: string;
  readonly hint?: string;
}

/** One code per cause; the codes from E150 up are the grammar's, those below the checker's. */
export const syntaxCodes = {
  E150: 'something else was expected here',
  E151: 'a character that no program holds',
  E152: 'a number that is not well formed',
  E153: 'a text that is not well formed',
  E154: 'a comment without end',
  E155: 'a bidirectional control character, which shows text in another order than it is read',
  E156: 'brackets or operators nested too deep',
  E157: 'a file above 4 MiB',
  E158: 'a statement where it may not stand',
  E159: 'operators that need parentheses',
  E160: 'a literal with a postfix',
  E161: 'a bracket that is not closed',
} as const;
export type SyntaxCode = keyof typeof syntaxCodes;
