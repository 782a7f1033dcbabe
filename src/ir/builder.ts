export type { Builder, Mode, Start, WeightSpec } from './core.ts';
