import { dirname, resolve } from 'node:path';
import { hasErrors } from './base/diagnostic.ts';
import type { Diagnostic } from './base/diagnostic.ts';
import type { Precision } from './base/precision.ts';
import type { Switch } from './base/switch.ts';
import { SOURCES } from './data/sources.ts';
import { hashDataset } from './data/dataset.ts';
import type { Dataset } from './data/dataset.ts';
import { DataError } from './data/error.ts';
import { check } from './lang/check.ts';
import type { CheckOptions } from './lang/check.ts';
import { printArchitecture } from './lang/print.ts';
import { renderDiagnostics } from './lang/render.ts';
import { LOSSES } from './recipes/losses.ts';
import { instantiate } from './space/instantiate.ts';
import { measures } from './space/measures.ts';
import type { Measures } from './space/measures.ts';
import type { Assignment } from './space/assignment.ts';
import type { Program, Space } from './space/space.ts';
import { decideTrain } from './space/train.ts';
import type { TrainDecided } from './space/train.ts';
import type { Model, TrainConfig } from './train/config.ts';
import { Trainer } from './train/trainer.ts';
import type { TrainerOptions } from './train/trainer.ts';

/** A program that has errors: what is wrong is in `diagnostics`, and in words in `message`. */
export class SpaceError extends Error {
  override readonly name = 'SpaceError';
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(renderDiagnostics(diagnostics, { color: false, width: 100 }));
    this.diagnostics = diagnostics;
  }
}

/** A checked text, and the space of it that is meant. */
export interface Compiled {
  readonly text: string;
  readonly file: string;
  readonly program: Program;
  readonly space: Space;
  readonly diagnostics: readonly Diagnostic[];
}

/** Text -> space: parse, check, pick the space by name, or the last of the file. A text that was checked before needs no analysis. Throws SpaceError. */
export function compileText(
  text: string,
  file: string,
  name: string | null = null,
  options: CheckOptions = {},
): Compiled {
  const { program, diagnostics } = check(text, file, options);
  if (!program || hasErrors(diagnostics)) throw new SpaceError(diagnostics);
  const space = name === null ? program.spaces.at(-1) : program.spaces.find((s) => s.name === name);
  if (!space) {
    const there = program.spaces.map((s) => s.name).join(', ');
    throw new RangeError(
      name === null ? `${file}: there is no space in it` : `${file}: there is no space ${name}; there are ${there}`,
    );
  }
  return { text, file, program, space, diagnostics };
}

/** A point of a space: its program, its exact measures. */
export interface Member {
  readonly assignment: Assignment;
  readonly program: string;
  readonly measures: Measures;
}

/** Space and assignment -> what is known of the member before it runs. Throws Unfit or Undecided where there is none. */
export function describeMember(space: Space, assignment: Assignment): Member {
  // First, because it says what is wrong with an assignment that is no member.
  const measured = measures(space, assignment);
  return { assignment, program: printArchitecture(space, assignment), measures: measured };
}

/** Space and assignment -> a network to build with any Builder. */
export const modelOf = (space: Space, assignment: Assignment): Model => ({
  inputs: space.inputs.map((i) => ({ name: i.name, type: { dtype: i.dtype, shape: i.shape } })),
  build: (b, inputs) => instantiate(space, assignment, b, inputs),
});

export interface TrainOverrides {
  readonly epochs?: number | null;
  readonly batch?: number | null;
  readonly seed?: number | null;
  readonly precision?: Precision | undefined;
  readonly winograd?: Switch | undefined;
}

const choose = (override: number | null | undefined, value: number): number => override ?? value;

/** Space and assignment -> how the member is trained. */
export function trainConfigOf(
  space: Space,
  assignment: Assignment,
  overrides: TrainOverrides = {},
): TrainConfig & { readonly data: TrainDecided['data'] } {
  const decided = decideTrain(space, assignment);
  return {
    ...decided,
    epochs: choose(overrides.epochs, decided.epochs),
    batch: choose(overrides.batch, decided.batch),
    seed: choose(overrides.seed, decided.seed),
    precision: overrides.precision ?? decided.precision,
    winograd: overrides.winograd ?? decided.winograd,
  };
}

const loaded = new Map<string, { readonly data: Dataset; readonly hash: string }>();

/** The data set that a space's `train` names, with the hash of its content. Loaded once a process. Throws DataError. */
export function datasetOf(space: Space, file: string): { readonly data: Dataset; readonly hash: string } {
  const { data, loss } = space.train;
  if (!data)
    throw new DataError('missing', '', `space ${space.name} says nothing of its data: add \`train { data mnist }\``);
  const source = SOURCES.get(data.name);
  if (!source)
    throw new DataError(
      'missing',
      '',
      `there is no data source ${data.name}; there are ${[...SOURCES.keys()].join(', ')}`,
    );
  const args = Object.fromEntries(data.args.map((a) => [a.name, a.value.kind === 'const' ? a.value.value : null]));
  const labels = LOSSES.get(loss.name)?.labels ?? 'classes';
  const features = space.inputs.some((i) => i.dtype === 'i32') ? 'whole' : 'numbers';
  const folder = resolve(dirname(file));
  const key = JSON.stringify([data.name, args, folder, labels, features]);
  let found = loaded.get(key);
  if (!found) {
    const set = source.load(args, { folder, labels, features });
    found = { data: set, hash: hashDataset(set) };
    loaded.set(key, found);
  }
  return found;
}

/** The stages in order, to a training run: assignment -> model -> graphs -> plans over one store. */
export async function makeTrainer(
  compiled: Pick<Compiled, 'space' | 'file'>,
  assignment: Assignment,
  overrides: TrainOverrides,
  options: TrainerOptions,
): Promise<Trainer> {
  const { space, file } = compiled;
  const { data } = datasetOf(space, file);
  return Trainer.create(modelOf(space, assignment), data, trainConfigOf(space, assignment, overrides), options);
}
