// How products are shared among 2 to 64 threads, more than this machine may have: the kernel's own tasks, given one by
// one to the pretended thread that is free first (shares.cpp).
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { linesOf } from '../support/kernel-program.ts';

const SIZES = [1, 7, 14, 32, 64, 100, 128, 200, 256, 333, 512, 784, 1000, 1024, 2048];
const MOST_WORK = 2 ** 25;

/** Worth a thread of its own. */
const LEAST_RESULTS = 640;
const LEAST_WORK = 2 ** 14;

interface Product {
  readonly rows: number;
  readonly cols: number;
  readonly inner: number;
  readonly count: number;
  readonly transposed: number;
  readonly made: number;
  readonly threads: number;
}
interface Made {
  readonly busiest: number;
  readonly all: number;
  readonly differ: number;
}

const results = (p: Product): number => p.rows * p.cols * p.count;
const work = (p: Product): number => results(p) * p.inner;

function randomProducts(n: number): Product[] {
  const random = new Random('shares', 1);
  const one = (of: readonly number[]): number => of[random.below(of.length)]!;
  const found: Product[] = [];
  while (found.length < n) {
    const p = { rows: one(SIZES), cols: one(SIZES), inner: one([3, 16, 64, 300, 700]), count: one([1, 1, 1, 4, 33]) };
    const shared = { ...p, transposed: random.below(2), made: random.below(2), threads: 2 + random.below(63) };
    if (work(shared) <= MOST_WORK) found.push(shared);
  }
  return found;
}

function makeAll(products: readonly Product[]): Made[] {
  const input = products.map((p) => Object.values(p).join(' ') + '\n').join('');
  return linesOf(join(import.meta.dirname, 'shares.cpp'), ['ops/gemm_tile.cpp'], input).map((line) => {
    const [busiest, all, differ] = line.split(' ').map(Number) as [number, number, number];
    return { busiest, all, differ };
  });
}

const shares = suite('ops: shares of products');
const products = randomProducts(1200);
const made = makeAll(products);
const text = (i: number): string => JSON.stringify(products[i]);

shares(
  'each result is made once, the same bits by 2 to 64 threads, and second caches of 256 KiB to 4 MiB, as by one',
  () => {
    assert.is(made.length, products.length);
    made.forEach(({ all, differ }, i) => {
      assert.is(all, results(products[i]!), text(i));
      assert.is(differ, 0, text(i));
    });
  },
);

shares(
  'the busiest thread has at most 1.3 times its share where there is work for all, and 1.05 times as a rule',
  () => {
    const busy: number[] = [];
    made.forEach(({ busiest, all }, i) => {
      const p = products[i]!;
      if (results(p) < LEAST_RESULTS * p.threads || work(p) < LEAST_WORK * p.threads) return;
      const times = (busiest * p.threads) / all;
      assert.ok(times <= 1.3, `${times}: ${text(i)}`);
      busy.push(times);
    });
    assert.ok(busy.length > 300, `${busy.length} products`);
    const median = busy.sort((a, b) => a - b)[busy.length >> 1]!;
    assert.ok(median <= 1.05, `${median}`);
  },
);

shares.run();
