import type { Rule } from '../rewrite.ts';

/** Products of operands that are rounded to bf16, where an op has them. */
export const BF16: Rule = {
  name: 'bf16',
  apply: (node, m) =>
    node.attrs['precision'] === 'f32' ? m.all(node.op, node.inputs, { ...node.attrs, precision: 'bf16' }) : null,
};
