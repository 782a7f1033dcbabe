import type { Span } from '../base/span.ts';
import type { Binding, InputDecl, TensorExpr, ValueExpr } from './expr.ts';
import type { Requirement } from './require-expr.ts';
import type { SearchSettings, TrainSettings } from './settings.ts';

export interface OutputDecl {
  readonly name: string;
  readonly expr: TensorExpr;
  readonly span: Span;
}

/**
 * A space as data. A member of it is found by evaluating the outputs and deciding every decision that the evaluation meets.
 */
export interface Space {
  readonly name: string;
  readonly inputs: readonly InputDecl[];
  readonly outputs: readonly OutputDecl[];
  /** lets, shared networks and wires of the space's own scope (and the file's, reached by reference). */
  readonly bindings: readonly Binding[];
  readonly requirements: readonly Requirement[];
  /** How a candidate is trained; its decisions are assigned by a search, but do not count. */
  readonly train: TrainSettings;
  /** Decisions fixed by `with { path = value }`, as stored path patterns; and restrictions. */
  readonly fixed: readonly { readonly path: string; readonly value: ValueExpr; readonly span: Span }[];
  readonly span: Span;
}

/** A compiled file: its spaces by name, in order; checks; search settings. */
export interface Program {
  readonly file: string;
  readonly spaces: readonly Space[];
  readonly models: readonly { readonly name: string; readonly space: Space }[];
  readonly search: SearchSettings;
}
