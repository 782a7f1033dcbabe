import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { csv } from '../../src/data/csv.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenon-csv-'));
const file = (text: string): string => {
  const path = join(folder, 'table.csv');
  writeFileSync(path, text);
  return path;
};
const classes = { label: 'y', task: 'classes' } as const;

const tables = suite('CSV');

tables('features are standardised, classes numbered in sorted order', () => {
  const set = csv(file('\ufeffa,y,b\r\n1,"cat",5\r\n3,ant,5\r\n'), classes);
  assert.is(set.classes, 2);
  assert.equal([...set.train.features[0]!.data], [-1, 0, 1, 0]);
  assert.equal([...set.train.label.data], [1, 0]);
});

tables('numeric classes sort as numbers', () => {
  assert.equal([...csv(file('x,y\n1,10\n2,9\n3,2\n'), classes).train.label.data], [2, 1, 0]);
});

tables('labels may be numbers to regress', () => {
  const set = csv(file('x,y\n1,0.5\n2,-1.5\n'), { label: 'y', task: 'numbers' });
  assert.is(set.classes, null);
  assert.equal([...set.train.label.data], [0.5, -1.5]);
});

tables('a mixture of classes is in the order of text, whatever the order of the rows', () => {
  const order = (labels: readonly string[]): readonly string[] => {
    const set = csv(file(`x,y\n${labels.map((l, i) => `${i},${l}\n`).join('')}`), classes);
    const found: string[] = [];
    set.train.label.data.forEach((at, i) => (found[at] = labels[i]!));
    return found;
  };
  // As numbers 20 < 100, as texts 100 < 1a < 20.
  for (const labels of [
    ['100', '20', '1a'],
    ['1a', '20', '100'],
    ['20', '100', '1a'],
  ])
    assert.equal(order(labels), ['100', '1a', '20']);
  assert.equal(order(['1e1', '9', '-3']), ['-3', '9', '1e1']);
});

tables('a constant column becomes 0, whatever its mean rounds to', () => {
  const set = csv(file(`a,y\n${'0.1,p\n'.repeat(7)}`), classes);
  assert.equal([...set.train.features[0]!.data], [0, 0, 0, 0, 0, 0, 0]);
});

tables('whole features are kept as they are', () => {
  const set = csv(file('a,b,y\n3,-4,p\n0,2147483647,q\n'), { ...classes, features: 'whole' });
  assert.instance(set.train.features[0]!.data, Int32Array);
  assert.equal([...set.train.features[0]!.data], [3, -4, 0, 2147483647]);
  for (const cell of ['1.5', '2147483648', 'x', '']) {
    const path = file(`a,b,y\n1,1,p\n${cell},1,q\n`);
    assert.throws(() => csv(path, { ...classes, features: 'whole' }), /line 3, column a: expected a whole number/);
  }
});

tables('tables may be gzipped, without an end of line, with odd line ends; classes unless said', () => {
  const packed = join(folder, 'packed.csv.gz');
  writeFileSync(packed, gzipSync('x,y\r\n1,a\r\n\r\n3,b'));
  const set = csv(packed, { label: 'y' });
  assert.is(set.classes, 2);
  assert.equal([...set.train.features[0]!.data], [-1, 1]);
});

tables('faults count lines, not rows', () => {
  assert.throws(() => csv(file('x,y\n\n1,"a\nb"\n\nz,c\n'), classes), /line 6, column x: expected a number/);
});

tables('faults name row and column', () => {
  assert.throws(
    () => csv(file('x,y\n1,a\nz,b\n'), classes),
    /table.csv: line 3, column x: expected a number, found "z"/,
  );
  assert.throws(() => csv(file('x,y\n,a\n'), classes), /line 2, column x: expected a number, found ""/);
  assert.throws(() => csv(file('x,y\n1,q\n'), { label: 'y', task: 'numbers' }), /line 2, column y: expected a number/);
  assert.throws(() => csv(file('x,z\n1,2\n'), classes), /no column "y"; there are x, z/);
  assert.throws(() => csv(file('x,x,y\n1,2,3\n'), classes), /"x" stands twice/);
  assert.throws(() => csv(file('x,y\n'), classes), /at least one row/);
  assert.throws(() => csv(file('x,y\n1,a\n2,\n'), classes), /line 3, column y: expected a class, found ""/);
  assert.throws(() => csv(file('x,y\n1e39,a\n'), classes), /line 2, column x: expected a number, found "1e39"/);
  assert.throws(() => csv(file(''), classes), /expected a header line/);
  writeFileSync(join(folder, 'latin.csv'), Buffer.from([0x78, 0x2c, 0x79, 0x0a, 0xe9, 0x2c, 0x31]));
  assert.throws(() => csv(join(folder, 'latin.csv'), classes), /latin.csv: .*utf-8/);
  assert.throws(() => csv(file('y\n1\n'), classes), /no column but the label/);
  assert.throws(() => csv(file('x,y\n1,2,3\n'), classes), /table.csv: /);
  assert.throws(() => csv(file('x,"y\n1,2'), classes), /table.csv: /);
  assert.throws(() => csv(join(folder, 'none.csv'), classes), /there is no such file/);
});

tables.after(() => rmSync(folder, { recursive: true }));
tables.run();
