import { check } from '../../src/lang/check.ts';
import type { NetExpr } from '../../src/space/expr.ts';
import type { Space } from '../../src/space/space.ts';
import { EXAMPLES } from '../lang/examples.ts';
import { apply, input, read, space, uses } from './support.ts';

/** The space that a text ends in. */
function spaceOf(text: string): Space {
  const made = check(text, 'example.space', { analyse: false }).program?.spaces.at(-1);
  if (!made) throw new Error(`no program:\n${text}`);
  return made;
}

const example = (name: string, space = ''): Space => spaceOf(`${EXAMPLES[name]!.text}\n${space}`);
const over = (shape: string, net: string, before = ''): Space =>
  spaceOf(`${before}\nspace S { input x: f32[B, ${shape}] output y = x -> ${net} }`);

export const mlp = (): Space => example('Mlp');
export const deepConv = (): Space => example('DeepConv');
export const twoTower = (): Space => example('TwoTower');
export const nb201 = (): Space => example('Nb201', 'space S { input x: f32[B, 16, 16, 16] output y = Nb201(x, 16) }');
export const nas = (): Space =>
  example('Nas', 'space S { input x0: f32[B, 8, 8, 16], x1: f32[B, 8, 8, 16] output y = Nas(x0, x1) }');
export const tree = (n: number | 'open'): Space =>
  example('tree', `space S { input x: f32[B, 8] output y = x -> tree(${n === 'open' ? '0..3' : n}) }`);
export const trio = (): Space => over('8, 8, 3', 'perm(conv(64), batchnorm, relu)');
export const incept = (): Space => over('8, 8, 3', 'fan(conv(32, k: 1|3|5), 1..4) -> concat');

/** Weights shared across depth. `limit`: the most params that are required. */
export const wideNet = (limit: number | null): Space =>
  spaceOf(`
space WideNet {
  input image: f32[B, 28, 28, 1]
  let d         = 64 | 96 | 128
  shared attend = attention(heads: 2 | 4 | 8)
  shared mlp    = dense((4 | 8) * d) -> gelu -> dense(d)
  def block     = pre(attend) -> pre(mlp)
  output logits = image -> patches(7) -> dense(d) -> positions -> block{2..12}
                  -> layernorm -> mean(axis: 1) -> dense(10)
  ${limit === null ? '' : `require params <= ${limit}`}
}`);

export function small(make: (u: ReturnType<typeof uses>) => NetExpr, ...shape: number[]): Space {
  const x = input('x', ...shape);
  return space('Small', { inputs: [x], outputs: [apply(read(x), make(uses()))] });
}
