import type { Rule } from '../rewrite.ts';

/** Convolutions as sums of their own products alone, where Winograd's transforms are not wanted. */
export const NO_WINOGRAD: Rule = {
  name: 'no Winograd',
  apply: (node, m) =>
    node.attrs['winograd'] === 'on' ? [m.one(node.op, node.inputs, { ...node.attrs, winograd: 'off' })] : null,
};
