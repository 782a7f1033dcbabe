import type { Precision } from '../base/precision.ts';
import type { Span } from '../base/span.ts';
import type { Switch } from '../base/switch.ts';
import type { Alternative, Binding, Site, ValueExpr } from './expr.ts';

/** A call of a setting, such as `adamw(lr: 1e-4..1e-2 log)`; its args may stand open. */
export interface SettingExpr {
  readonly kind: 'setting';
  readonly name: string;
  readonly args: readonly { readonly name: string; readonly value: ValueExpr | SettingExpr }[];
  readonly span: Span;
}
export type SettingChoice =
  | SettingExpr
  | {
      readonly kind: 'choice';
      readonly site: Site;
      readonly alternatives: readonly Alternative<SettingChoice>[];
      readonly span: Span;
    };

/** Every key has a value here: defaults are filled in by the checker. Paths of its decisions begin with `train.`. */
export interface TrainSettings {
  readonly data: SettingExpr | null;
  readonly loss: SettingExpr;
  readonly optimizer: SettingChoice;
  readonly schedule: SettingChoice;
  readonly batch: ValueExpr;
  readonly epochs: ValueExpr;
  /** `epochs fidelity 1..27`: the range of the budget. */
  readonly fidelity: { readonly low: number; readonly high: number } | null;
  readonly precision: Precision;
  readonly winograd: Switch;
  readonly seed: number;
  readonly bindings: readonly Binding[];
}

/** How the space is searched. */
export interface SearchSettings {
  readonly objectives: readonly { readonly direction: 'maximize' | 'minimize'; readonly name: string }[];
  readonly searcher: SettingExpr;
  readonly trials: number | null;
  /** Seconds; null: no limit. */
  readonly time: number | null;
  readonly workers: number;
  readonly seed: number;
}
