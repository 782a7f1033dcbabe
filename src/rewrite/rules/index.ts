import type { Graph } from '../../ir/graph.ts';
import { rewrite } from '../rewrite.ts';
import type { Rule } from '../rewrite.ts';
import { FUSE } from './fuse.ts';
import { POOL } from './pool.ts';
import { SIMPLIFY } from './simplify.ts';

export const RULES: readonly Rule[] = [...SIMPLIFY, ...FUSE, ...POOL];

/** What every graph goes through before it is planned. */
export const optimize = (graph: Graph): Graph => rewrite(graph, RULES);
