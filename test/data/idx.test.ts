import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/data/error.ts';
import { idx, mnist } from '../../src/data/image-files.ts';
import { parseIdx, readBytes } from '../../src/data/idx.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenon-idx-'));
const file = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

function encode(shape: readonly number[], data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  bytes.set([0, 0, 8, shape.length]);
  const view = new DataView(bytes.buffer);
  shape.forEach((d, i) => view.setUint32(4 + 4 * i, d));
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

const failsWith = (code: DataError['code'], body: () => unknown): DataError => {
  try {
    body();
  } catch (e) {
    assert.instance(e, DataError);
    assert.is((e as DataError).code, code);
    return e as DataError;
  }
  assert.unreachable(`expected a DataError ${code}`);
  throw new Error('unreachable');
};

const reading = suite('IDX');

reading('reads plain and gzipped files alike', () => {
  const bytes = encode([2, 2, 1], [1, 2, 3, 4]);
  for (const path of [file('plain', bytes), file('packed.gz', gzipSync(bytes))]) {
    const found = parseIdx(readBytes(path), path);
    assert.equal(found.shape, [2, 2, 1]);
    assert.equal([...found.data], [1, 2, 3, 4]);
  }
});

reading('says what is wrong, and where', () => {
  const good = encode([2, 3], [1, 2, 3, 4, 5, 6]);
  assert.match(
    failsWith('missing', () => readBytes(join(folder, 'nothing'))).message,
    /nothing: there is no such file/,
  );
  failsWith('format', () => parseIdx(new Uint8Array([1, 2, 3, 4]), 'f'));
  failsWith('format', () => parseIdx(new Uint8Array([0, 0, 0x0d, 1, 0, 0, 0, 0]), 'f'));
  failsWith('format', () => parseIdx(new Uint8Array([0, 0, 8, 0]), 'f'));
  assert.match(
    failsWith('truncated', () => parseIdx(good.slice(0, -1), 'f')).message,
    /needs 6 bytes after the header, found 5/,
  );
  failsWith('truncated', () => parseIdx(good.slice(0, 6), 'f'));
  failsWith('format', () => parseIdx(new Uint8Array([...good, 0]), 'f'));
  failsWith('truncated', () => readBytes(file('cut.gz', gzipSync(good).subarray(0, -6))));
  const claims = encode([0xffffffff, 0xffffffff], []);
  failsWith('truncated', () => parseIdx(claims, 'f'));
});

reading('a gzip bomb is stopped at the size it claims', () => {
  const bomb = gzipSync(new Uint8Array(1 << 20));
  bomb.writeUInt32LE(100, bomb.length - 4);
  failsWith('truncated', () => readBytes(file('bomb.gz', bomb)));
});

reading('any bytes are read or refused, never worse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const found = parseIdx(bytes, 'f');
        assert.is(
          found.data.length,
          found.shape.reduce((n, d) => n * d, 1),
        );
      } catch (e) {
        assert.instance(e, DataError);
      }
    }),
    { numRuns: 2000 },
  );
});

reading('images and labels must agree', () => {
  const images = file('images', encode([2, 2, 2], [0, 255, 51, 0, 1, 2, 3, 4]));
  const labels = file('labels', encode([2], [1, 0]));
  const set = idx(images, labels);
  assert.is(set.classes, 2);
  assert.is(set.train.examples, 2);
  assert.equal(set.train.features[0]!.shape, [2, 2]);
  failsWith('mismatch', () => idx(images, file('three', encode([3], [0, 1, 2]))));
  failsWith('format', () => idx(images, images));
});

reading('a test set needs both of its files, and images of the same shape', () => {
  const images = file('images', encode([2, 2, 2], [0, 255, 51, 0, 1, 2, 3, 4]));
  const labels = file('labels', encode([2], [1, 0]));
  assert.match(failsWith('missing', () => idx(images, labels, images)).message, /test images, but no test labels/);
  assert.match(
    failsWith('missing', () => idx(images, labels, undefined, labels)).message,
    /test labels, but no test images/,
  );
  const wide = file('wide', encode([1, 3, 2], [1, 2, 3, 4, 5, 6]));
  assert.match(
    failsWith('mismatch', () => idx(images, labels, wide, file('one', encode([1], [0])))).message,
    /wide: test images are \[3, 2\], those for training \[2, 2\]/,
  );
});

reading('a label of MNIST out of range names file and example', () => {
  const place = mkdtempSync(join(folder, 'mnist-'));
  for (const part of ['train', 't10k']) {
    writeFileSync(join(place, `${part}-images-idx3-ubyte`), encode([2, 1, 1], [1, 2]));
    writeFileSync(join(place, `${part}-labels-idx1-ubyte.gz`), gzipSync(encode([2], [3, 10])));
  }
  assert.match(
    failsWith('mismatch', () => mnist(place)).message,
    /train-labels-idx1-ubyte.gz: the label of example 1 \(from 0\) is 10, expected a class from 0 to 9/,
  );
  rmSync(join(place, 'train-images-idx3-ubyte'));
  assert.match(failsWith('missing', () => mnist(place)).message, /train-images-idx3-ubyte: there is no such file/);
});

reading('MNIST is 60,000 and 10,000 images of ten classes', () => {
  const set = mnist();
  assert.is(set.train.examples, 60_000);
  assert.is(set.test!.examples, 10_000);
  assert.equal(set.train.features[0]!.shape, [28, 28]);
  assert.is(set.classes, 10);
  assert.equal([...set.train.label.data.slice(0, 10)], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
});

reading.after(() => rmSync(folder, { recursive: true }));
reading.run();
