import type { Expr } from '../../grammar/syntax.ts';
import type { Parameter, ValueParameter } from '../space/expr.ts';
import type { Entity, EntityOf, Kind, Scope } from './model.ts';
import { bindArguments } from './bind.ts';
import { lookup, newScope } from './scope.ts';

const MAX_DEPTH = 400;
/** Steps of all questions about one file; beyond them kinds are unknown. */
const MAX_STEPS = 2_000_000;
let steps = 0;

/** Begins a file. */
export function resetKinds(): void {
  steps = 0;
}

/**
 * The kind of an expression, from its leaves, without a report and without meaning. What is recursive is known from its
 * other alternatives; `unknown` where nothing tells.
 */
export function kindOf(e: Expr, scope: Scope, depth = 0): Kind {
  if (depth > MAX_DEPTH || ++steps > MAX_STEPS) return 'unknown';
  const of = (x: Expr): Kind => kindOf(x, scope, depth + 1);
  switch (e.kind) {
    case 'number':
    case 'text':
    case 'truth':
    case 'unary':
    case 'prior':
    case 'range':
      return 'value';
    case 'binary':
      return e.operator === '+' && of(e.left) === 'weight' ? 'weight' : 'value';
    case 'tensor':
      return 'tensor';
    case 'name':
      return kindOfName(e.name, scope, [], depth);
    case 'list':
      return firstKnown(e.items, of);
    case 'choice':
      return firstKnown(
        e.alternatives.map((a) => a.value),
        of,
      );
    case 'chain': {
      const first = of(e.steps[0]!);
      return first === 'tensor' ? 'tensor' : 'net';
    }
    case 'order':
    case 'optional':
    case 'repeat':
      return 'net';
    case 'each':
      return 'net';
    case 'via':
    case 'labelled':
    case 'index':
      return of(e.value);
    case 'member':
      return 'unknown';
    case 'if':
      return firstKnown([e.then, e.otherwise], of);
    case 'letin': {
      const kind = of(e.value);
      const within = newScope(scope);
      within.names.set(e.name.name, parameterEntity(e.name.name, kind));
      return kindOf(e.body, within, depth + 1);
    }
    case 'call':
      if (e.callee.kind !== 'name') return 'unknown';
      return kindOfName(
        e.callee.name,
        scope,
        e.args.map((a) => ({ name: a.name?.name ?? null, kind: of(a.value) })),
        depth,
      );
  }
}

function firstKnown(items: readonly Expr[], of: (e: Expr) => Kind): Kind {
  for (const item of items) {
    const kind = of(item);
    if (kind !== 'unknown') return kind;
  }
  return 'unknown';
}

export interface ArgKind {
  readonly name: string | null;
  readonly kind: Kind;
}

// What is being found out, or was found unknown, during one question: not asked again within it.
let active = 0;
const unknownLets = new Set<Entity>();
const unknownDefs: { readonly entity: EntityOf<'def'>; readonly key: string }[] = [];

function question(find: () => Kind): Kind {
  active++;
  try {
    return find();
  } finally {
    if (--active === 0) {
      unknownLets.clear();
      for (const { entity, key } of unknownDefs.splice(0)) {
        if (entity.kinds.get(key) === 'unknown') entity.kinds.delete(key);
      }
    }
  }
}

function kindOfName(name: string, scope: Scope, args: readonly ArgKind[], depth: number): Kind {
  const entity = lookup(scope, name);
  if (!entity) return 'unknown';
  switch (entity.kind) {
    case 'let':
      return entity.shared ? 'net' : kindOfLet(entity, depth);
    case 'def': {
      const kind = kindOfDef(entity, bindKinds(entity, args), depth);
      const { flowing } = bindArguments(entity.statement.params ?? [], args, entity.statement.kind === 'cell');
      return kind === 'tensor' && flowing.length > 0 ? 'net' : kind;
    }
    case 'wire':
    case 'input':
      return 'tensor';
    case 'parameter':
      return entity.parameter.kind === 'valueParameter'
        ? entity.parameter.weight
          ? 'weight'
          : 'value'
        : entity.parameter.kind === 'netParameter'
          ? 'net'
          : 'tensor';
    case 'layer':
      return args.some((a) => a.kind === 'tensor') ? 'tensor' : 'net';
    case 'setting':
      return 'setting';
    case 'builtin':
      return entity.builtin === 'pick' || entity.builtin === 'loose' ? 'tensor' : 'net';
    case 'weight':
      return 'weight';
    case 'later':
      return entity.of;
    case 'word':
      return 'value';
    case 'space':
    case 'broken':
      return 'unknown';
  }
}

function kindOfLet(entity: EntityOf<'let'>, depth: number): Kind {
  if (entity.state === 'done') {
    const { kind } = entity.meaning;
    return kind === 'shared' ? 'net' : kind === 'error' ? 'unknown' : kind;
  }
  return question(() => {
    if (unknownLets.has(entity)) return 'unknown';
    unknownLets.add(entity);
    const kind = kindOf(entity.value, entity.scope, depth + 1);
    if (kind !== 'unknown') unknownLets.delete(entity);
    return kind;
  });
}

/** The kinds of the parameters of one call, given those of its arguments. */
export function bindKinds(entity: EntityOf<'def'>, args: readonly ArgKind[]): readonly Kind[] {
  const params = entity.statement.params ?? [];
  const { positions, flowing } = bindArguments(params, args, entity.statement.kind === 'cell');
  const kinds: Kind[] = params.map((p) => (p.value ? kindOf(p.value, entity.scope) : 'unknown'));
  for (const i of flowing) kinds[i] = 'tensor';
  positions.forEach((position, i) => {
    if (position !== 'none') kinds[position] = args[i]!.kind;
  });
  return kinds;
}

const parameterKinds = {
  value: 'valueParameter',
  weight: 'valueParameter',
  net: 'netParameter',
  tensor: 'tensorParameter',
} as const;

/** Kinds of which a def may take a parameter. */
export type ParameterKind = keyof typeof parameterKinds;
export const isParameterKind = (kind: Kind): kind is ParameterKind => kind in parameterKinds;

/** What a parameter of this kind is in a space. */
export function makeParameter(name: string, kind: ParameterKind): Parameter {
  const made = { kind: parameterKinds[kind], name } as Parameter;
  return kind === 'weight' ? ({ ...made, weight: true } as ValueParameter) : made;
}

export function parameterEntity(name: string, kind: Kind): Entity {
  if (isParameterKind(kind)) {
    return { kind: 'parameter', name, at: null, used: true, parameter: makeParameter(name, kind) };
  }
  return { kind: 'broken', name, at: null, used: true };
}

/** The kind of what a def gives for parameters of these kinds; recursive uses are unknown while it is found out. */
export function kindOfDef(entity: EntityOf<'def'>, kinds: readonly Kind[], depth = 0): Kind {
  if (entity.statement.kind === 'cell') return 'tensor';
  const key = kinds.join();
  const known = entity.kinds.get(key);
  if (known) return known;
  return question(() => {
    entity.kinds.set(key, 'unknown');
    unknownDefs.push({ entity, key });
    const scope = newScope(entity.scope);
    (entity.statement.params ?? []).forEach((p, i) => {
      scope.names.set(p.name.name, parameterEntity(p.name.name, kinds[i] ?? 'unknown'));
    });
    const kind = kindOf(statementValue(entity), scope, depth + 1);
    entity.kinds.set(key, kind);
    return kind;
  });
}

function statementValue(entity: EntityOf<'def'>): Expr {
  if (entity.statement.kind === 'cell') throw new Error('bug: the kind of a cell is known');
  return entity.statement.value;
}
