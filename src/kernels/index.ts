/** `tenon/kernels`: fused kernels for scripts. Each function takes one object of named arguments and has a twin with `Sync` at its end. */
export { TenonError } from './error.ts';
export { hadamard, hadamardSync } from './hadamard.ts';
export { kronecker } from './kronecker.ts';
export { moe } from './moe.ts';
export { philox, philoxSync } from './philox.ts';
export { s4d } from './s4d.ts';
export { johnsonLindenstrauss, subspace } from './subspace.ts';
export { sparseProjection } from './sparse-projection.ts';
export { release, tensor } from './tensor.ts';
export { tucker } from './tucker.ts';
export type { Nested, Tensor, TensorLike } from './tensor.ts';
