/** What an op is: its record, and the kinds of things that a record says. */
export type { GradContext, OpDef } from './core.ts';
export type { AttrKind, AttrValue, Attrs, Cost, NdArray, Pattern, Sample } from './signature.ts';
