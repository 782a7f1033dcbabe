import type { Span } from '../base/span.ts';
import type { ValueExpr } from './expr.ts';

export const MEASURES = ['params', 'flops', 'macs', 'memory', 'depth'] as const;
export type Measure = (typeof MEASURES)[number];

/** A `require`: a truth over values and measures. */
export interface Requirement {
  readonly expr: RequireExpr;
  readonly text: string;
  readonly span: Span;
}
export type RequireExpr =
  | {
      readonly kind: 'compare';
      readonly op: '==' | '!=' | '<' | '<=' | '>' | '>=';
      readonly left: RequireTerm;
      readonly right: RequireTerm;
    }
  | { readonly kind: 'within'; readonly term: RequireTerm; readonly low: RequireTerm; readonly high: RequireTerm }
  | { readonly kind: 'and' | 'or'; readonly left: RequireExpr; readonly right: RequireExpr }
  | { readonly kind: 'not'; readonly operand: RequireExpr };
export type RequireTerm =
  { readonly kind: 'measure'; readonly measure: Measure } | { readonly kind: 'value'; readonly expr: ValueExpr };
