import type { ArgDef } from '../ir/layer.ts';
import { numberOf, real } from './args.ts';
import type { Numbers } from './args.ts';

/** Where a step stands in a run; schedules span the full run. */
export interface When {
  readonly step: number;
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** A factor on the learning rate at each step. */
export interface ScheduleDef {
  readonly name: string;
  readonly doc: string;
  readonly args: readonly ArgDef[];
  readonly factor: (when: When, args: Numbers) => number;
}

const unit = real(0, 1, { openMax: true });

const all: readonly ScheduleDef[] = [
  { name: 'constant', doc: 'the learning rate stays', args: [], factor: () => 1 },
  {
    name: 'cosine',
    doc: 'half a cosine down to `floor` after a linear warm-up (Loshchilov and Hutter 2017)',
    args: [
      { name: 'warmup', doc: 'share of the steps that warm up', type: unit, default: 0, positional: true },
      { name: 'floor', doc: 'last learning rate, as a share of the first', type: real(0, 1), default: 0 },
    ],
    factor: ({ step, steps }, args) => {
      const warm = numberOf(args, 'warmup') * steps;
      if (step < warm) return (step + 1) / (warm + 1);
      const floor = numberOf(args, 'floor');
      return floor + ((1 - floor) * (1 + Math.cos((Math.PI * (step - warm)) / Math.max(1, steps - warm)))) / 2;
    },
  },
  {
    name: 'step',
    doc: 'the learning rate is multiplied by `factor` every `every` epochs',
    args: [
      {
        name: 'every',
        doc: 'epochs between two drops',
        type: { kind: 'whole', min: 1 },
        default: 10,
        positional: true,
      },
      { name: 'factor', doc: 'what a drop multiplies by', type: real(0, 1, { openMin: true }), default: 0.1 },
    ],
    factor: ({ step, stepsPerEpoch }, args) =>
      numberOf(args, 'factor') ** Math.floor(step / Math.max(1, stepsPerEpoch) / numberOf(args, 'every')),
  },
];

/** Every schedule by name. */
export const SCHEDULES: ReadonlyMap<string, ScheduleDef> = new Map(all.map((s) => [s.name, s]));
