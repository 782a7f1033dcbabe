import { diagnostic } from '../base/diagnostic.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import { span } from '../base/span.ts';
import type { Source } from '../base/span.ts';
import type { TrainSettings } from '../space/settings.ts';
import type { Program } from '../space/space.ts';
import { parse } from '../../grammar/parser.ts';
import type { Statement, SyntaxProblem, TrainStatement } from '../../grammar/syntax.ts';
import { builtinScope } from './builtins.ts';
import { makeChecker } from './checker.ts';
import type { CheckerState } from './checker.ts';
import { newNumbers, report, spanOf } from './context.ts';
import { defineAll } from './bodies.ts';
import { notYet } from './elaborate.ts';
import { resetKinds } from './kinds.ts';
import { resolveLet } from './lets.ts';
import type { Context, Scope } from './model.ts';
import { PRELUDE } from './prelude.ts';
import { define, newScope, placeOf } from './scope.ts';
import { defaultSearch, elaborateSearch } from './search-settings.ts';
import { deriveSpace, elaborateSpace, modelOf } from './spaces.ts';
import type { CheckedSpace } from './spaces.ts';
import { defaultTrain, elaborateTrain } from './train.ts';
import { analyse } from './analyse.ts';
import { validate } from './validate.ts';

export interface CheckOptions {
  /** Whether `check` statements run and spaces are analysed by counting; true unless said. */
  readonly analyse?: boolean;
}

export interface Checked {
  /** Null where there are errors. */
  readonly program: Program | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Text -> spaces with every name resolved, and everything there is to say about them. Total: never throws for a text. */
export function check(text: string, file: string, options: CheckOptions = {}): Checked {
  const source: Source = { file, text };
  const parsed = parse(text);
  const syntax = parsed.errors.map((p) => syntaxDiagnostic(p, source));
  const checker = makeChecker();
  resetKinds();
  let program: Program | null = null;
  try {
    program = checkFile(parsed.tree.statements, source, checker, options, syntax.length > 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    checker.report('E503', source, { start: 0, end: 0 }, 'definitions are nested too deep in this file');
  }
  // What could not be read may be what seems to be missing.
  const lost = parsed.lost.map((s) => text.slice(s.start, s.end));
  const follows = (d: Diagnostic): boolean =>
    OF_WHOLE_TEXTS.has(d.code) || (d.code === 'E101' && lost.some((part) => mayDefine(part, d.found)));
  const meant = syntax.length === 0 ? checker.diagnostics : checker.diagnostics.filter((d) => !follows(d));
  const diagnostics = [...syntax, ...meant].sort((a, b) => a.span.start - b.span.start);
  const failed = diagnostics.some((d) => d.severity === 'error');
  return { program: failed ? null : program, diagnostics };
}

/** Unused names, parts that a space lacks. */
const OF_WHOLE_TEXTS = new Set(['E103', 'E106', 'E701']);

/** Whether a statement that could not be read seems to define a name: `imput x: …`, `let x = + 3`, `def f(x = …`. */
function mayDefine(part: string, name: string): boolean {
  if (!/^\w+$/.test(name)) return false;
  return new RegExp(`^\\w+\\s+${name}\\b|\\b${name}\\s*(:|=(?!=))`).test(part);
}

const syntaxDiagnostic = (p: SyntaxProblem, source: Source): Diagnostic =>
  diagnostic(p.code, span(source, p.start, p.end), p.message, {
    expected: p.expected,
    found: p.found,
    hint: p.hint ?? '',
  });

function checkFile(
  statements: readonly Statement[],
  source: Source,
  checker: CheckerState,
  options: CheckOptions,
  broken: boolean,
): Program {
  const cx = fileContext(source, checker);
  defineAll(statements, cx);
  defineSpaces(statements, cx);
  const train = readTrain(statements, cx);
  const { loss } = train;
  const searches = statements.filter((s) => s.kind === 'search');
  twice(searches, 'search', cx);
  const search = searches[0] ? elaborateSearch(searches[0], loss.name, cx) : defaultSearch(loss.name);
  for (const s of statements) elaborateFileLet(s, cx);
  const spaces = elaborateSpaces(statements, train, cx);
  const program: Program = {
    file: source.file,
    spaces: [...spaces.values()].map((s) => s.space),
    models: checkModels(statements, spaces, cx),
    search,
  };
  // What was not read well is not judged: names would seem unused, spaces empty.
  if (!broken) {
    validate(statements, program, train, cx);
    if (checker.errorCount() === 0 && (options.analyse ?? true)) analyse(statements, program, spaces, cx);
  }
  return program;
}

function fileContext(source: Source, checker: CheckerState): Context {
  const context = (of: Source, scope: Scope): Context => ({
    checker,
    source: of,
    scope,
    numbers: newNumbers(),
    label: null,
    own: null,
    body: { place: 'file', wires: [], before: 0, inputs: null },
    name: null,
  });
  const prelude = newScope(builtinScope(), true);
  defineAll(preludeStatements(), context(PRELUDE, prelude));
  return context(source, newScope(prelude));
}

let preludeTree: readonly Statement[] | undefined;

function preludeStatements(): readonly Statement[] {
  if (!preludeTree) {
    const { tree, errors } = parse(PRELUDE.text);
    if (errors[0]) throw new Error(`bug: the prelude does not parse: ${errors[0].message}`);
    preludeTree = tree.statements;
  }
  return preludeTree;
}

function defineSpaces(statements: readonly Statement[], cx: Context): void {
  for (const s of statements) {
    if (s.kind === 'space' || s.kind === 'derive' || s.kind === 'model') {
      define(cx.checker, cx.scope, {
        kind: 'space',
        name: s.name.name,
        at: placeOf(cx.source, s.name),
        used: true,
        space: null,
      });
    }
    if (s.kind === 'use') notYet('`use`', s, cx);
  }
}

function twice(found: readonly Statement[], what: string, cx: Context): void {
  const [first, second] = found;
  if (!first || !second) return;
  report(cx, 'E102', second, `\`${what}\` stands twice in this file`, {
    expected: `at most one \`${what}\``,
    found: 'a second one',
    notes: [{ span: spanOf(cx, { start: first.start, end: first.start + what.length }), message: 'the first one' }],
  });
}

function readTrain(statements: readonly Statement[], cx: Context): TrainSettings {
  const found = statements.filter((s): s is TrainStatement => s.kind === 'train');
  twice(found, 'train', cx);
  const at: Context = { ...cx, numbers: newNumbers(), body: { ...cx.body, place: 'train' } };
  return found[0] ? elaborateTrain(found[0], at) : defaultTrain();
}

function elaborateFileLet(s: Statement, cx: Context): void {
  if (s.kind !== 'let' && s.kind !== 'shared') return;
  const entity = cx.scope.names.get(s.name.name);
  if (entity?.kind !== 'let' || entity.at?.node !== s.name) {
    if (entity?.kind === 'wire') report(cx, 'E201', s.value, 'a file has no tensors: they stand in spaces and cells');
    return;
  }
  const m = resolveLet(entity, cx, s.name);
  if (m.kind === 'value' || m.kind === 'net' || m.kind === 'shared') cx.checker.fileBindings.push(m.binding);
}

function checkModels(
  statements: readonly Statement[],
  spaces: ReadonlyMap<string, CheckedSpace>,
  cx: Context,
): Program['models'] {
  return statements.flatMap((s) => {
    const space = s.kind === 'model' ? modelOf(s, spaces, cx) : null;
    return space ? [{ name: space.name, space }] : [];
  });
}

function elaborateSpaces(
  statements: readonly Statement[],
  train: TrainSettings,
  cx: Context,
): Map<string, CheckedSpace> {
  const spaces = new Map<string, CheckedSpace>();
  for (const s of statements) {
    const made =
      s.kind === 'space' ? elaborateSpace(s, train, cx) : s.kind === 'derive' ? deriveSpace(s, spaces, cx) : null;
    if (made && !spaces.has(made.space.name)) spaces.set(made.space.name, made);
  }
  return spaces;
}
