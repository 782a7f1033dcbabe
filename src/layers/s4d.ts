import { showType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { LayerDef } from '../ir/layer.ts';
import { add, exp, mul } from '../ops/elementwise.ts';
import { join } from '../ops/lib/complex.ts';
import { MODE_INITS, startModes } from '../ops/lib/state-space.ts';
import type { ModeInit } from '../ops/lib/state-space.ts';
import { s4d as op } from '../ops/s4d.ts';
import { text, whole } from './lib/args.ts';

const zero = { kind: 'constant', value: 0 } as const;
const table = (b: Builder, path: string, values: readonly number[]): Value =>
  b.fixed(path, [values.length], { kind: 'table', values });

/** Modes [width, modes, 2] that fade whatever is learned: Re A = −e^decay times its start, Im A = its start + turn. */
function modesOf(b: Builder, width: number, modes: number, init: ModeInit): Value {
  const start = startModes(init, modes);
  const [re, im] = [0, 1].map((i) => start.map((mode) => mode[i]!)) as [number[], number[]];
  const learned = (path: string): Value => b.param(path, [width, modes], zero);
  return join(b, {
    re: b.one(mul, [b.one(exp, [learned('decay')]), table(b, 'start.re', re)]),
    im: b.one(add, [learned('turn'), table(b, 'start.im', im)]),
  });
}

const [SHORTEST, LONGEST] = [Math.log(0.001), Math.log(0.1)];
/** Logarithms of the steps [width]: 0.001 to 0.1, evenly over the channels. */
function stepsOf(b: Builder, width: number): Value {
  const spread = (i: number): number => SHORTEST + ((LONGEST - SHORTEST) * (i + 0.5)) / width;
  const start = Array.from({ length: width }, (_, i) => spread(i));
  return b.one(add, [b.param('step', [width], zero), table(b, 'start.step', start)]);
}

export const s4d: LayerDef = {
  kind: 'layer',
  name: 's4d',
  doc: 'Diagonal state space along tokens (S4D; Gu et al. 2022), one a channel: [B, T, D] -> same. No channel sees another.',
  args: [
    {
      name: 'states',
      doc: 'numbers of state a channel, even: half as many complex modes',
      type: { kind: 'whole', min: 2, max: 2048 },
      positional: true,
    },
    {
      name: 'init',
      doc: 'where the modes start: those of HiPPO-LegS, lin -1/2 + i pi n, inv -1/2 + i (N/pi) (N/(2n + 1) - 1), real -(n + 1)',
      type: { kind: 'name', oneOf: MODE_INITS },
      default: 'legs',
    },
  ],
  takes: 'one',
  weighted: true,
  widths: () => 'kept',
  build: (b, [x], args) => {
    const [, , width] = x!.type.shape;
    if (x!.type.dtype !== 'f32' || x!.type.shape.length !== 3)
      throw new Unfit('s4d needs tokens', 'f32[B, T, D]', showType(x!.type, true));
    const states = whole(args, 'states');
    if (states % 2 !== 0) throw new Unfit('states is odd', 'an even number of states', String(states));
    const modes = states / 2;
    const a = modesOf(b, width!, modes, text(args, 'init') as ModeInit);
    const c = b.param('c', [width!, modes, 2], { kind: 'normal', std: Math.SQRT1_2 });
    const d = b.param('d', [width!], { kind: 'normal', std: 1 });
    return b.one(op, [x!, stepsOf(b, width!), a, c, d]);
  },
};
