import type { Statement } from '../../grammar/syntax.ts';
import type { CheckedSpace } from './spaces.ts';
import type { Context } from './model.ts';
export function runChecks(_s: readonly Statement[], _x: ReadonlyMap<string, CheckedSpace>, _c: Context, _a: boolean): void {}
