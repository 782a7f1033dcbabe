import { showType } from '../base/tensor-type.ts';
import { hadamard as op, isPowerOfTwo } from '../ops/hadamard.ts';
import { option, readReal, tensorOf } from './args.ts';
import { badShape } from './error.ts';
import { defineKernel } from './kernel.ts';

const kernel = defineKernel({
  name: 'hadamard',
  args: {
    x: tensorOf('f32[...lead, n]', 'its last axis is a power of two'),
    scale: option({ doc: 'multiplies the result', read: readReal(), default: 1 }),
  },
  outputs: { y: null },
  build: (b, { x, scale }, { n }) => {
    if (!isPowerOfTwo(n!)) throw badShape('x', 'a last axis that is a power of two', showType(x.type));
    return { y: b.one(op, [x], { scale }) };
  },
});

/** Walsh-Hadamard transform over the last axis, times `scale`, in Sylvester order: `{ x, scale }` -> `{ y }`. It is its own transpose; twice is n·x. */
export const hadamard = kernel.call;
export const hadamardSync = kernel.callSync;
