import { span } from '../base/span.ts';
import type { Name, Spanned, Statement } from '../../grammar/syntax.ts';
import { childrenOf } from '../../grammar/walk.ts';
import type { Checker, Entity, Place, Scope } from './model.ts';
import { PRELUDE } from './prelude.ts';

export const newScope = (parent: Scope | null, builtin = false): Scope => ({ parent, names: new Map(), builtin });

export function lookup(scope: Scope, name: string): Entity | null {
  for (let s: Scope | null = scope; s; s = s.parent) {
    const found = s.names.get(name);
    if (found) return found;
  }
  return null;
}

/** Names that can be said here, innermost first. */
export function* visibleNames(scope: Scope, wanted: (entity: Entity) => boolean = () => true): Iterable<string> {
  for (let s: Scope | null = scope; s; s = s.parent) {
    for (const [name, entity] of s.names) if (wanted(entity)) yield name;
  }
}

const placeSpan = (place: Place): ReturnType<typeof span> => span(place.source, place.node.start, place.node.end);

/** Defines a name: E102 where the scope has it already, E104 (warning) where it hides a user's outer name. */
export function define(checker: Checker, scope: Scope, entity: Entity): void {
  const at = entity.at;
  const old = scope.names.get(entity.name);
  if (old && at) {
    checker.report('E102', at.source, at.node, `\`${entity.name}\` is defined twice`, {
      expected: 'a name that is defined once in its scope',
      found: `a second \`${entity.name}\``,
      notes: old.at ? [{ span: placeSpan(old.at), message: 'first defined here' }] : [],
      hint: 'rename one of the two',
    });
    return;
  }
  if (at) warnHiding(checker, scope, entity, at);
  scope.names.set(entity.name, entity);
}

function warnHiding(checker: Checker, scope: Scope, entity: Entity, at: Place): void {
  const outer = scope.parent ? lookup(scope.parent, entity.name) : null;
  if (outer && isOfLanguage(outer) && !isHarmless(entity, outer)) {
    checker.report(
      'E104',
      at.source,
      at.node,
      `\`${entity.name}\` hides ${WORDS[outer.kind] ?? 'a def'} of the language`,
      {
        severity: 'warning',
        hint: 'rename it, unless that is meant',
      },
    );
  }
  if (!outer?.at || outer.at.source !== at.source) return;
  checker.report('E104', at.source, at.node, `\`${entity.name}\` hides an outer name`, {
    severity: 'warning',
    notes: [{ span: placeSpan(outer.at), message: 'the outer one is defined here' }],
    hint: 'rename one of the two',
  });
}

const WORDS: Readonly<Partial<Record<Entity['kind'], string>>> = { layer: 'a layer', builtin: 'a network' };

/** Names of networks that the language defines, in its own text or without one. */
const isOfLanguage = (e: Entity): boolean =>
  e.kind === 'layer' || e.kind === 'builtin' || (e.kind === 'def' && e.at?.source === PRELUDE);

/** Whether a def says what the prelude's says, or takes nothing, so that calls which mean the prelude's are refused. */
function isHarmless(a: Entity, b: Entity): boolean {
  if (b.kind === 'def' && a.kind === 'def' && a.statement.params === undefined) return true;
  const [x, y] = [a, b].map((e) =>
    e.kind === 'def' && e.at ? e.at.source.text.slice(e.statement.start, e.statement.end).replace(/\s+/g, '') : null,
  );
  return x !== null && x === y;
}

/** What a `check` reads is used. */
export function markChecked(statements: readonly Statement[], scope: Scope): void {
  for (const s of statements) {
    if (s.kind !== 'check') continue;
    for (const { name } of namesWithin(s)) {
      const entity = lookup(scope, name);
      if (entity) entity.used = true;
    }
  }
}

/** Names that stand anywhere in it. */
export function* namesWithin(root: Spanned): Iterable<Name> {
  const stack: Spanned[] = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if ((node as { readonly kind?: unknown }).kind === 'name') yield node as Name;
    stack.push(...childrenOf(node));
  }
}

export const placeOf = (source: Place['source'], name: Name): Place => ({ source, node: name });
