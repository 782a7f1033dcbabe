import { count } from '../space/count.ts';
import type { Requirement } from '../space/require-expr.ts';
import type { TrainSettings } from '../space/settings.ts';
import type { Space } from '../space/space.ts';
import type { Binding, CheckStatement, DeriveStatement, ModelStatement, SpaceStatement } from '../../grammar/syntax.ts';
import { elaborateBody } from './bodies.ts';
import { newNumbers, report, spanOf } from './context.ts';
import { fixedBy, pointOf } from './fix.ts';
import { walkSpace } from './flow.ts';
import { didYouMean } from '../base/nearest.ts';
import { notYet } from './elaborate.ts';
import { requirement } from './requirements.ts';
import { lookup, newScope } from './scope.ts';
import type { Context, Scope } from './model.ts';

/** A space with what is needed to derive others from it and to run its checks. */
export interface CheckedSpace {
  readonly space: Space;
  readonly scope: Scope;
  readonly checks: readonly { readonly statement: CheckStatement; readonly cx: Context }[];
  /** Errors were found in it: it is not analysed. */
  readonly broken: boolean;
  /** Of a space that is part of another: the requirements that it has from there. */
  readonly inherited?: readonly Requirement[];
}

export function elaborateSpace(s: SpaceStatement, train: TrainSettings, fileCx: Context): CheckedSpace {
  const scope = newScope(fileCx.scope);
  const cx: Context = {
    ...fileCx,
    scope,
    numbers: newNumbers(),
    body: { place: 'space', wires: [], before: 0, inputs: null },
  };
  const requirements: Requirement[] = [];
  const checks: CheckedSpace['checks'][number][] = [];
  const errors = cx.checker.errorCount();
  const outputs = s.body.flatMap((b) => (b.kind === 'output' ? b.outputs.map((o) => o.name.name) : []));
  const body = elaborateBody(s.body, cx, (statement, at) => {
    if (statement.kind === 'require') {
      requirements.push(...statement.conditions.flatMap((c) => requirement(c, at, outputs) ?? []));
    } else if (statement.kind === 'check') checks.push({ statement, cx: at });
    else if (statement.kind === 'prefer') notYet('`prefer`', statement, at);
    else report(at, 'E158', statement, 'this statement may not stand in a space');
  });
  if (cx.checker.errorCount() === errors) {
    if (!s.body.some((b) => b.kind === 'input'))
      report(cx, 'E106', s.name, `the space \`${s.name.name}\` has no input`, { expected: '`input x: f32[B, 784]`' });
    if (!s.body.some((b) => b.kind === 'output'))
      report(cx, 'E106', s.name, `the space \`${s.name.name}\` has no output`, {
        expected: '`output y = x -> dense(10)`',
      });
  }
  const space: Space = {
    name: s.name.name,
    inputs: body.inputs,
    outputs: body.outputs,
    bindings: [...cx.checker.fileBindings, ...body.bindings],
    requirements,
    train,
    fixed: [],
    span: spanOf(cx, s.name),
  };
  return { space, scope, checks, broken: cx.checker.errorCount() !== errors };
}

/** `space Small = Base where params <= 500k`: the base with more requirements, without its checks. */
export function deriveSpace(
  s: DeriveStatement,
  spaces: ReadonlyMap<string, CheckedSpace>,
  cx: Context,
): CheckedSpace | null {
  const { base } = s;
  if (base.kind === 'member') {
    notYet('a space of another file', base, cx);
    return null;
  }
  const from = spaces.get(base.name);
  if (!from) {
    const entity = lookup(cx.scope, base.name);
    if (entity?.kind === 'space') return null;
    report(cx, 'E101', base, `there is no space \`${base.name}\` above`, {
      expected: 'a space that is defined before this line',
      found: base.name,
      hint: didYouMean(base.name, spaces.keys()),
    });
    return null;
  }
  const part = from.broken ? null : withFixed(from, s.bindings, cx);
  const at: Context = {
    ...cx,
    scope: from.scope,
    numbers: newNumbers(),
    body: { place: 'space', wires: [], before: 0, inputs: null },
  };
  const outputs = from.space.outputs.map((o) => o.name);
  const more = s.conditions.map((c) => requirement(c, at, outputs));
  if (more.includes(null) || !part) return null;
  const inherited = from.space.requirements;
  const requirements = [...inherited, ...(more as Requirement[])];
  return {
    ...part,
    space: { ...part.space, name: s.name.name, requirements, span: spanOf(cx, s.name) },
    checks: [],
    inherited,
  };
}

function withFixed(from: CheckedSpace, bindings: readonly Binding[], cx: Context): CheckedSpace | null {
  // Paths are found by following the space, which must be sound for that.
  if (bindings.length === 0) return from;
  const errors = cx.checker.errorCount();
  walkSpace(from.space, cx.checker);
  if (cx.checker.errorCount() !== errors) return null;
  const fixed = fixedBy(bindings, from.space, cx);
  return fixed && { ...from, space: { ...from.space, fixed: [...from.space.fixed, ...fixed] } };
}

/** `model baseline = DeepConv with { … }`: a point of a space. */
export function modelOf(s: ModelStatement, spaces: ReadonlyMap<string, CheckedSpace>, cx: Context): Space | null {
  const derived: DeriveStatement = { ...s, kind: 'derive', conditions: [] };
  const made = deriveSpace(derived, spaces, cx);
  if (!made) return null;
  walkSpace(made.space, cx.checker);
  if (cx.checker.errorCount() > 0 || count(made.space).high === 0n) return null;
  return pointOf(made.space);
}
