import type { Precision } from '../../base/precision.ts';
import type { Switch } from '../../base/switch.ts';
import type { Graph } from '../../ir/graph.ts';
import { weightMakers } from '../../ir/value.ts';
import { rewrite } from '../rewrite.ts';
import type { Rule } from '../rewrite.ts';
import { BACKWARD } from './backward.ts';
import { BF16 } from './bf16.ts';
import { CONV_POOL } from './conv-pool.ts';
import { FUSE } from './fuse.ts';
import { POINTWISE } from './pointwise.ts';
import { POOL } from './pool.ts';
import { SIMPLIFY } from './simplify.ts';
import { weightRules } from './weights.ts';
import { NO_WINOGRAD } from './winograd.ts';

export const RULES: readonly Rule[] = [
  ...SIMPLIFY,
  ...FUSE,
  ...BACKWARD,
  ...POOL,
  ...CONV_POOL,
  ...weightRules(false),
  ...POINTWISE,
];

export interface OptimizeOptions {
  /** Of the operands of matmul, linear and their gradients: `f32` where nothing is said. */
  readonly precision?: Precision | undefined;
  /** Whether 3x3 convolutions may be made by Winograd's transforms, which are faster and less exact: `on` where nothing is said. */
  readonly winograd?: Switch | undefined;
}

/** What a graph goes through before its gradients are taken: these are then those of products that form no weight. */
export const lowerWeights = (graph: Graph): Graph =>
  weightMakers(graph).size > 0 ? rewrite(graph, [...SIMPLIFY, ...weightRules(true)]) : graph;

/** What every graph goes through before it is planned. */
export const optimize = (graph: Graph, { precision, winograd }: OptimizeOptions = {}): Graph =>
  rewrite(graph, [...(precision === 'bf16' ? [BF16] : []), ...RULES, ...(winograd === 'off' ? [NO_WINOGRAD] : [])]);
