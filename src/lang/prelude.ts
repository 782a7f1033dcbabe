import type { Source } from '../base/span.ts';

/** The part of the prelude that is written in the language itself. */
const TEXT = `// Residual block: a shape mismatch is an error.
def res(f) = [f, id] -> add
// Residual block whose shortcut is mended by a 1x1 convolution or a dense layer.
def resp(f) = [f, id -> project] -> add
// Pre-norm residual block.
def pre(f) = res(layernorm -> f)
`;

export const PRELUDE: Source = { file: 'prelude.space', text: TEXT };
