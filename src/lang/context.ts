import { span } from '../base/span.ts';
import type { Span } from '../base/span.ts';
import type { Spanned } from '../../grammar/syntax.ts';
import type { NetExpr, Site, TensorExpr, UseName, ValueExpr } from '../space/expr.ts';
import type { SettingChoice } from '../space/settings.ts';
import type { Code } from './codes.ts';
import type { Context, Kind, Meaning, More, Numbers, SiteLabel } from './model.ts';
import { KIND_WORDS } from './model.ts';

export const spanOf = (cx: Context, at: Spanned): Span => span(cx.source, at.start, at.end);

export function report(cx: Context, code: Code, at: Spanned, message: string, more: More = {}): void {
  cx.checker.report(code, cx.source, at, message, more);
}

/** The source text of a node on one line, without comments. */
export function textOf(cx: Context, at: Spanned): string {
  const raw = cx.source.text.slice(at.start, at.end);
  return raw
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/\/\/[^\n]*/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Long texts shortened, for messages. */
export function quote(cx: Context, at: Spanned): string {
  const text = textOf(cx, at);
  return text.length <= 40 ? `\`${text}\`` : `\`${text.slice(0, 37)}…\``;
}

/** The context of a part of an expression: names that `let` and `as` give hold for the whole only. */
export const inner = (cx: Context): Context =>
  cx.own === null && cx.name === null ? cx : { ...cx, own: null, name: null };

/** The context of a network that is evaluated in a path scope of its own. */
export const ownNumbers = (cx: Context, own: string | null = null): Context => ({
  ...cx,
  numbers: newNumbers(),
  label: null,
  own,
  name: null,
});

export const newNumbers = (): Numbers => ({ counts: new Map() });

export function next(numbers: Numbers, label: string): number {
  const n = numbers.counts.get(label) ?? 0;
  numbers.counts.set(label, n + 1);
  return n;
}

/** `A as name[use]` takes a number by hand: numbers given later are above it. */
export function takeNumber(numbers: Numbers, label: string, use: number): void {
  numbers.counts.set(label, Math.max(numbers.counts.get(label) ?? 0, use + 1));
}

/** The name of a use: its label and its number among equal ones, or what `as` says. */
export const useName = (cx: Context, label: string): UseName => cx.name ?? { label, use: next(cx.numbers, label) };

/** A decision on values: named by its argument or let, else numbered in its scope. */
export function valueSite(cx: Context, at: Spanned, fallback = 'choice'): Site {
  const id = cx.checker.nextSite();
  const where = spanOf(cx, at);
  if (!cx.label) return { id, label: fallback, use: next(cx.numbers, fallback), span: where };
  const site = { id, label: cx.label.label, use: null, span: where };
  cx.label.sites.push(site);
  return site;
}

/** A decision on networks, tensors or settings: named by the let whose value it is, else numbered in its scope. */
export function netSite(cx: Context, at: Spanned, label: string): Site {
  const id = cx.checker.nextSite();
  const where = spanOf(cx, at);
  if (cx.own !== null) return { id, label: cx.own, use: null, span: where };
  return { id, label, use: next(cx.numbers, label), span: where };
}

/** Runs `body` with values' decisions named `label`: alone it takes the label, several are numbered. */
export function labelled<T>(cx: Context, label: string, body: (cx: Context) => T): T {
  const sites: SiteLabel = { label, sites: [] };
  const result = body({ ...cx, label: sites, own: null, name: null });
  if (sites.sites.length > 1) sites.sites.forEach((site, i) => (site.use = i));
  return result;
}

export function kindClash(cx: Context, at: Spanned, wanted: Kind, found: Kind, forWhat: string, more: More = {}): void {
  report(cx, 'E201', at, `${forWhat} must be ${KIND_WORDS[wanted]}, and ${quote(cx, at)} is ${KIND_WORDS[found]}`, {
    expected: KIND_WORDS[wanted],
    found: KIND_WORDS[found],
    ...more,
  });
}

interface ExprByKind {
  readonly weight: ValueExpr;
  readonly value: ValueExpr;
  readonly net: NetExpr;
  readonly tensor: TensorExpr;
  readonly setting: SettingChoice;
}

/** The expression of a meaning that must be of one kind; null after a report. */
export function want<K extends keyof ExprByKind>(
  cx: Context,
  meaning: Meaning,
  kind: K,
  at: Spanned,
  forWhat: string,
  more: More = {},
): ExprByKind[K] | null {
  if (meaning.kind === kind) return (meaning as unknown as { expr: ExprByKind[K] }).expr;
  if (meaning.kind !== 'error') kindClash(cx, at, kind, meaning.kind, forWhat, more);
  return null;
}
