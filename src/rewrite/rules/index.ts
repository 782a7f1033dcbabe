import type { Switch } from '../../base/switch.ts';
import type { Graph } from '../../ir/graph.ts';
import { rewrite } from '../rewrite.ts';
import type { Rule } from '../rewrite.ts';
import { FUSE } from './fuse.ts';
import { POOL } from './pool.ts';
import { SIMPLIFY } from './simplify.ts';
import { WEIGHTS } from './weights.ts';
import { NO_WINOGRAD } from './winograd.ts';

export const RULES: readonly Rule[] = [...SIMPLIFY, ...FUSE, ...POOL, ...WEIGHTS];

/** Whether 3x3 convolutions may be made by Winograd's transforms, which are faster and less exact: `on` where nothing is said. */
export interface OptimizeOptions {
  readonly winograd?: Switch | undefined;
}

/** What every graph goes through before it is planned. */
export const optimize = (graph: Graph, options: OptimizeOptions = {}): Graph =>
  rewrite(graph, options.winograd === 'off' ? [...RULES, NO_WINOGRAD] : RULES);
