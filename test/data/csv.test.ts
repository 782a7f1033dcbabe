import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

tables('faults name row and column', () => {
  assert.throws(() => csv(file('x,y\n1,a\nz,b\n'), classes), /row 3, column x: expected a number, found "z"/);
  assert.throws(() => csv(file('x,y\n,a\n'), classes), /row 2, column x: expected a number, found ""/);
  assert.throws(() => csv(file('x,y\n1,q\n'), { label: 'y', task: 'numbers' }), /row 2, column y: expected a number/);
  assert.throws(() => csv(file('x,z\n1,2\n'), classes), /no column "y"; there are x, z/);
  assert.throws(() => csv(file('x,x,y\n1,2,3\n'), classes), /"x" stands twice/);
  assert.throws(() => csv(file('x,y\n'), classes), /at least one row/);
  assert.throws(() => csv(file('y\n1\n'), classes), /no column but the label/);
  assert.throws(() => csv(file('x,y\n1,2,3\n'), classes), /table.csv: /);
  assert.throws(() => csv(file('x,"y\n1,2'), classes), /table.csv: /);
  assert.throws(() => csv(join(folder, 'none.csv'), classes), /there is no such file/);
});

tables.after(() => rmSync(folder, { recursive: true }));
tables.run();
