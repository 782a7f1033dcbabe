import type { NetExpr, UseName } from './expr.ts';

/** Paths are built from segments, each with its leading dot; the first dot is dropped at the end. */
export const useSegment = (name: UseName): string => `.${name.label}[${name.use}]`;
export const finishPath = (path: string): string => (path.startsWith('.') ? path.slice(1) : path);

export type NamedNet = Extract<NetExpr, { kind: 'layer' | 'ref' | 'once' | 'shared' | 'call' | 'project' }>;

export const isNamed = (e: NetExpr): e is NamedNet =>
  e.kind === 'layer' ||
  e.kind === 'ref' ||
  e.kind === 'once' ||
  e.kind === 'shared' ||
  e.kind === 'call' ||
  e.kind === 'project';

/** The body of a repetition is one named use, whose name the copies number; the front end gives other bodies a scope of their own. */
export function named(body: NetExpr): NamedNet {
  if (isNamed(body)) return body;
  throw new Error('bug: a repeated network without a name');
}
