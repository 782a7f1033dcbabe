import type { LayerDef } from '../ir/layer.ts';
import { activations } from './activation.ts';
import { attention } from './attention.ts';
import { conv, dwconv } from './conv.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import { embedding, positions } from './embedding.ts';
import { add, concat, dot, mul } from './merge.ts';
import { moe } from './moe.ts';
import { batchnorm, layernorm, rmsnorm } from './norm.ts';
import { avgpool, maxpool } from './pool.ts';
import { globalmean, max, mean } from './reduce.ts';
import { s4d } from './s4d.ts';
import { flatten, id, none, patches } from './shape.ts';

const all: readonly LayerDef[] = [
  dense,
  conv,
  dwconv,
  maxpool,
  avgpool,
  globalmean,
  mean,
  max,
  batchnorm,
  layernorm,
  rmsnorm,
  ...activations,
  dropout,
  flatten,
  add,
  mul,
  concat,
  dot,
  id,
  none,
  embedding,
  positions,
  patches,
  attention,
  moe,
  s4d,
];

/** The vocabulary of the language by name. */
export const LAYERS: ReadonlyMap<string, LayerDef> = new Map(all.map((layer) => [layer.name, layer]));
