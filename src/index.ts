import { csv } from './data/csv.ts';
import { idx, mnist } from './data/image-files.ts';

export type { Diagnostic } from './base/diagnostic.ts';
export type { Dataset } from './data/dataset.ts';
export type { Arithmetic, BuildOptions, FitEvent, FitOptions } from './net.ts';
export type { Objective } from './search/history.ts';
export type { Assignment } from './space/assignment.ts';
export { SpaceError } from './compile.ts';
export { compile, CompiledSpace } from './compiled-space.ts';
export type { Architecture } from './compiled-space.ts';
export { DataError } from './data/error.ts';
export { Net } from './net.ts';
export { search } from './evaluated-search.ts';
export type { Budget, SearchOptions, SearchTrial } from './evaluated-search.ts';
export { TrainError } from './train/config.ts';

/** Data sets: `data.mnist()`, `data.idx(images, labels)`, `data.csv(file, { label, task })`. */
export const data = { mnist, idx, csv } as const;
