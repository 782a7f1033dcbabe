import { showType } from '../base/tensor-type.ts';
import { hadamard as op, isPowerOfTwo } from '../ops/hadamard.ts';
import { option, readReal, tensorOf } from './args.ts';
import { badShape } from './error.ts';
import { defineKernel } from './kernel.ts';

const kernel = defineKernel({
  name: 'hadamard',
  args: {
    /** […, n] with n a power of two. */
    x: tensorOf('f32[...lead, n]'),
    /** Multiplies the result. Default 1. */
    scale: option({ read: readReal(), default: 1 }),
  },
  outputs: {
    /** Of the shape of x. */
    y: null,
  },
  build: (b, { x, scale }, { n }) => {
    if (!isPowerOfTwo(n!)) throw badShape('x', 'a last axis that is a power of two', showType(x.type));
    return { y: b.one(op, [x], { scale }) };
  },
});

/**
 * Walsh-Hadamard transform over the last axis, times `scale`, in Sylvester order: x […, n] -> `{ y }`. It is its own transpose; twice is n·x. Throws a
 * TenonError where n is no power of two.
 */
export const hadamard = kernel.call;
/** `hadamard`, here and now. */
export const hadamardSync = kernel.callSync;
