import { sameShape } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { joinPath } from '../ir/path.ts';
import type { TensorFile } from '../ir/leaf.ts';
import type { Filed } from './layer-cost.ts';
import { finishPath, useSegment } from './naming.ts';
import type { AnyExpr } from './references.ts';

/**
 * Tests that files hold the weights of a layer under its path. Where the path is not known (null), any tensor will do whose name ends as that of the use, whatever
 * the numbers of copies. Throws Unfit.
 */
export function testFiled(filed: readonly Filed[], expr: AnyExpr, path: string | null): void {
  if (filed.length === 0) return;
  const use = 'name' in expr && typeof expr.name === 'object' ? finishPath(useSegment(expr.name)) : '';
  for (const { path: tensor, shape, file } of filed) {
    const name = joinPath(path ?? use, tensor);
    const found = path === null ? [...endingIn(file, use, tensor)] : [...named(file, name)];
    const wanted = `[${shape.join(', ')}]`;
    if (found.some((stored) => sameNumbers(stored, shape))) continue;
    if (found.length === 0) throw new Unfit(`frozen: ${file.path} has no tensor ${name}`, `${name} ${wanted}`, 'none');
    throw new Unfit(`frozen: ${name} has another shape`, wanted, found.map((s) => `[${s.join(', ')}]`).join(' or '));
  }
}

function* named(file: TensorFile, name: string): Iterable<readonly number[]> {
  const shape = file.shapes.get(name);
  if (shape) yield shape;
}

function* endingIn(file: TensorFile, use: string, tensor: string): Iterable<readonly number[]> {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const ending = new RegExp(`(^|\\.)${escaped(use)}(\\[\\d+\\])*\\.${escaped(tensor)}$`);
  for (const [name, shape] of file.shapes) if (ending.test(name)) yield shape;
}

// Axes of size 1 do not matter.
const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  sameShape(
    a.filter((n) => n !== 1),
    b.filter((n) => n !== 1),
  ) && a.every((n) => n > 0);
