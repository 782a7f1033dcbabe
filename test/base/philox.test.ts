import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keyOf, philox, Random } from '../../src/base/philox.ts';

const hex = (words: Uint32Array): string => [...words].map((w) => w.toString(16).padStart(8, '0')).join(' ');

const generator = suite('Philox4x32-10');

generator('the published vectors', () => {
  assert.is(hex(philox([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  assert.is(
    hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  );
  const ones = 0xffffffff;
  assert.is(hex(philox([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd');
});

generator('streams repeat for a seed and differ between seeds', () => {
  const draw = (...seed: (string | number)[]): number[] => {
    const r = new Random(...seed);
    return Array.from({ length: 9 }, () => r.word());
  };
  assert.equal(draw('a', 1), draw('a', 1));
  assert.not.equal(draw('a', 1), draw('a', 2));
  assert.not.equal(draw('a', 12), draw('a1', 2));
  assert.not.equal(keyOf(1), keyOf('1'));
});

generator('whole numbers are uniform: chi-square over 7 cells', () => {
  const r = new Random('uniform');
  const cells = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) cells[r.below(7)]!++;
  const chi = cells.reduce((s, c) => s + (c - 10_000) ** 2 / 10_000, 0);
  assert.ok(chi < 22.5, `chi-square ${chi} on 6 degrees of freedom`); // p = 0.001
});

generator('numbers beyond 2^64 stay in range', () => {
  const r = new Random('big');
  const n = 3n ** 60n;
  for (let i = 0; i < 100; i++) {
    const v = r.belowBig(n);
    assert.ok(v >= 0n && v < n);
  }
});

generator('normals have mean 0 and variance 1', () => {
  const r = new Random('normal');
  const v = Array.from({ length: 40_000 }, () => r.normal());
  const mean = v.reduce((s, x) => s + x, 0) / v.length;
  const variance = v.reduce((s, x) => s + (x - mean) ** 2, 0) / v.length;
  assert.ok(Math.abs(mean) < 0.02, `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 0.03, `variance ${variance}`);
});

generator('permutations hold every number once', () => {
  for (const n of [0, 1, 2, 100]) {
    const order = new Random('p', n).permutation(n);
    assert.equal(
      [...order].sort((a, b) => a - b),
      Array.from({ length: n }, (_, i) => i),
    );
  }
});

generator.run();
