import type { Precision } from '../../base/precision.ts';
import type { Switch } from '../../base/switch.ts';
import type { Graph } from '../../ir/graph.ts';
import { rewrite } from '../rewrite.ts';
import type { Rule } from '../rewrite.ts';
import { BF16 } from './bf16.ts';
import { FUSE } from './fuse.ts';
import { POOL } from './pool.ts';
import { SIMPLIFY } from './simplify.ts';
import { WEIGHTS } from './weights.ts';
import { NO_WINOGRAD } from './winograd.ts';

export const RULES: readonly Rule[] = [...SIMPLIFY, ...FUSE, ...POOL, ...WEIGHTS];

export interface OptimizeOptions {
  /** Of the operands of matmul, linear and their gradients: `f32` where nothing is said. */
  readonly precision?: Precision | undefined;
  /** Whether 3x3 convolutions may be made by Winograd's transforms, which are faster and less exact: `on` where nothing is said. */
  readonly winograd?: Switch | undefined;
}

/** What every graph goes through before it is planned. */
export const optimize = (graph: Graph, { precision, winograd }: OptimizeOptions = {}): Graph =>
  rewrite(graph, [...RULES, ...(precision === 'bf16' ? [BF16] : []), ...(winograd === 'off' ? [NO_WINOGRAD] : [])]);
