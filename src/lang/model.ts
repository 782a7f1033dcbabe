import type { Source } from '../base/span.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import type { WeightDef } from '../ir/weight.ts';
import type { LayerDef } from '../ir/layer.ts';
import type {
  Binding,
  Def,
  InputDecl,
  NetExpr,
  NetLet,
  NetParameter,
  SharedLet,
  TensorExpr,
  TensorParameter,
  ValueExpr,
  ValueLet,
  ValueParameter,
  Wire,
} from '../space/expr.ts';
import type { SettingChoice } from '../space/settings.ts';
import type { Space } from '../space/space.ts';
import type { CellStatement, DefStatement, Expr, Spanned } from '../../grammar/syntax.ts';
import type { Code } from './codes.ts';
import type { SettingDef } from './setting-defs.ts';

/** What an expression is. `unknown` is only for expressions in which an error was found. */
export type Kind = 'value' | 'net' | 'tensor' | 'setting' | 'weight' | 'unknown';

export const KIND_WORDS: Readonly<Record<Kind, string>> = {
  value: 'a value',
  net: 'a network',
  tensor: 'a tensor',
  setting: 'a setting',
  weight: 'a weight',
  unknown: 'unknown',
};

/** An expression with its kind and what it means. `error`: a problem has been reported already. */
export type Meaning =
  | { readonly kind: 'value'; readonly expr: ValueExpr }
  | { readonly kind: 'net'; readonly expr: NetExpr }
  | { readonly kind: 'tensor'; readonly expr: TensorExpr }
  | { readonly kind: 'setting'; readonly expr: SettingChoice }
  /** A value that says how weights are made. */
  | { readonly kind: 'weight'; readonly expr: ValueExpr }
  | { readonly kind: 'error' };

export const ERROR: Meaning = { kind: 'error' };

/** The types of `space` are read-only for those who read them; the checker fills some fields in later. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

// ---- names ------------------------------------------------------------------------------------------------------

interface EntityBase {
  readonly name: string;
  /** Where the name was defined; null for what is built in. */
  readonly at: Place | null;
  used: boolean;
}

export interface Place {
  readonly source: Source;
  readonly node: Spanned;
}

/** What a name stands for. */
export type Entity =
  | (EntityBase & {
      readonly kind: 'let';
      readonly shared: boolean;
      readonly value: Expr;
      readonly scope: Scope;
      state: 'fresh' | 'busy' | 'done';
      meaning: LetMeaning;
    })
  | (EntityBase & {
      readonly kind: 'def';
      readonly statement: DefStatement | CellStatement;
      readonly scope: Scope;
      /** By the kinds of its parameters; null: its body has errors, which are reported. */
      readonly instances: Map<string, Instance | null>;
      readonly kinds: Map<string, Kind>;
    })
  | (EntityBase & { readonly kind: 'wire'; readonly wire: Mutable<Wire> })
  | (EntityBase & { readonly kind: 'input'; readonly input: InputDecl })
  | (EntityBase & {
      readonly kind: 'parameter';
      readonly parameter: ValueParameter | NetParameter | TensorParameter;
    })
  | (EntityBase & { readonly kind: 'layer'; readonly layer: LayerDef })
  | (EntityBase & { readonly kind: 'setting'; readonly setting: SettingDef })
  | (EntityBase & { readonly kind: 'builtin'; readonly builtin: Builtin })
  | (EntityBase & { readonly kind: 'weight'; readonly weight: WeightDef })
  /** A part of the language that does not exist yet. */
  | (EntityBase & { readonly kind: 'later'; readonly of: Kind })
  /** A word that an argument takes, such as `same` in `padding: same`. */
  | (EntityBase & { readonly kind: 'word' })
  | (EntityBase & { readonly kind: 'space'; space: Space | null })
  /** A name that a statement could not define properly: uses of it are silent. */
  | (EntityBase & { readonly kind: 'broken' });

export type EntityOf<K extends Entity['kind']> = Extract<Entity, { readonly kind: K }>;

export type Builtin = 'perm' | 'fan' | 'pick' | 'loose' | 'project';

export type LetMeaning =
  | { readonly kind: 'value' | 'weight'; readonly binding: ValueLet }
  | { readonly kind: 'net'; readonly binding: NetLet }
  | { readonly kind: 'shared'; readonly binding: SharedLet }
  | { readonly kind: 'tensor'; readonly binding: Wire }
  | { readonly kind: 'setting'; readonly expr: SettingChoice }
  | { readonly kind: 'error' };

/** A def for one row of kinds of its parameters. Defs of values and settings have no `Def`: they are written out at each use. */
export interface Instance {
  readonly def: Def;
  readonly kind: 'net' | 'tensor';
}

export interface Scope {
  readonly parent: Scope | null;
  readonly names: Map<string, Entity>;
  /** Where names are suggested from, but which a user's own names hide without a word. */
  readonly builtin: boolean;
}

// ---- numbering ---------------------------------------------------------------------------------------------------

/** Counts uses and sites of equal label in one scope, in text order. */
export interface Numbers {
  readonly counts: Map<string, number>;
}

export interface Context {
  readonly checker: Checker;
  readonly source: Source;
  readonly scope: Scope;
  readonly numbers: Numbers;
  /** Where values are elaborated: the argument or let that names their decisions. */
  readonly label: SiteLabel | null;
  /** Name for the decision that the expression itself is: the `let` whose value it is. */
  readonly own: string | null;
  readonly body: Body;
  /** What the name of a use is, where `as` says so. */
  readonly name: { readonly label: string; readonly use: number } | null;
}

/** The decisions of one value: one alone takes the label, several are numbered. */
export interface SiteLabel {
  readonly label: string;
  readonly sites: { id: number; label: string; use: number | null }[];
}

/** The statements around an expression: a space, a cell, or neither. */
export interface Body {
  readonly place: 'file' | 'space' | 'cell' | 'check' | 'train';
  /** Wires of the body in order; the first `before` of them are defined before the expression: what `loose` may list. */
  readonly wires: readonly Wire[];
  readonly before: number;
  /** Inputs that `check count(…)` makes of tensor types. */
  readonly inputs: InputDecl[] | null;
}

// ---- the checker -------------------------------------------------------------------------------------------------

export type More = Partial<Pick<Diagnostic, 'severity' | 'expected' | 'found' | 'notes' | 'hint'>>;

/** One run over one file. */
export interface Checker {
  report(code: Code, source: Source, at: Spanned, message: string, more?: More): void;
  elaborate(e: Expr, cx: Context): Meaning;
  kindOf(e: Expr, scope: Scope): Kind;
  nextSite(): number;
  errorCount(): number;
  /** Whether there is work left in the budget; says so once where not. */
  spend(cx: Context, at: Spanned): boolean;
  /** Where bare `project` may stand. */
  readonly placedProjects: Set<Spanned>;
  readonly fileBindings: Binding[];
  /** Calls whose defs' texts are being read, innermost last: what is wrong in a text may be what it was given. */
  readonly calls: { readonly name: string; readonly at: Place }[];
  depth: number;
}
