import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { compileBounded } from '../../src/space/compile.ts';
import { trackedMeasures } from '../../src/space/requirement.ts';
import { meets, sample } from '../../src/space/sample.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import type { Space } from '../../src/space/space.ts';
import { drawTilted, makeTilt } from '../../src/space/tilt.ts';
import type { Tilt } from '../../src/space/tilt.ts';
import { tiltOf } from '../../src/space/tilted.ts';
import { spaceOf } from '../lang/compile.ts';
import { enumerate } from './brute.ts';

const tilts = suite('draws tilted by costs');

const tiltIn = (s: Space, pieces: number, byPrior = false): Tilt => {
  const { circuit } = compileBounded(s, pieces, { left: 1e6 })!;
  return makeTilt(circuit, trackedMeasures(s.requirements, 0), byPrior)!;
};

const chain = (body: string, requirements: string, lets = ''): Space =>
  spaceOf(`${lets}\nspace S {\n  input x: f32[B, 4]\n  output y = x -> ${body}\n  require ${requirements}\n}\n`);

const key = (a: Assignment): string => JSON.stringify(Object.entries(a).sort());

/** Pearson's statistic of accepted draws against the members' shares, and its mean and deviation if the draws are right. */
function distance(
  s: Space,
  tilt: Tilt,
  shareOf: (a: Assignment) => number,
): { found: number; mean: number; sd: number } {
  const members = enumerate(s, 20_000)!;
  const at = new Map(members.map((m, i) => [key(m.assignment), i]));
  const weights = members.map((m) => shareOf(m.assignment));
  const total = weights.reduce((a, b) => a + b, 0);
  const seen = new Array<number>(members.length).fill(0);
  const random = new Random('tilt', 1);
  const n = 25 * members.length;
  for (let i = 0; i < n;) {
    const found = drawTilted(tilt, random);
    if (!found || !meets(s, found)) continue;
    seen[at.get(key(found))!]!++;
    i++;
  }
  const found = seen.reduce((sum, c, i) => sum + (c - (n * weights[i]!) / total) ** 2 / ((n * weights[i]!) / total), 0);
  // The variance of the statistic has a part of rare cells.
  const rare = weights.reduce((sum, w) => sum + total / w, 0);
  return { found, mean: members.length - 1, sd: Math.sqrt(2 * (members.length - 1) + rare / n) };
}

const SPACES: readonly (readonly [string, Space])[] = [
  ['widths in pieces', chain('dense(4..40) -> dense(4..30)', 'params <= 260')],
  [
    'lets in pieces, compared',
    chain('dense(a) -> dense(b)', 'a < b and params <= 330', 'let a = 4..40\nlet b = 4..30'),
  ],
  ['two limits', chain('dense(4..40) -> (relu | tanh) -> dense(4..30)', 'params <= 260 and flops <= 500')],
  ['repetitions', chain('dense(2 | 4 | 8){0..5}', 'params <= 90')],
  ['a limit that does not bind', chain('dense(2 | 4){0..4}', 'params <= 1M')],
  ['memory', chain('dense(4..60) -> dense(4..9)', 'memory <= 9k')],
];

for (const [name, s] of SPACES) {
  tilts(`each member alike: ${name}`, () => {
    for (const pieces of [2, 16]) {
      const { found, mean, sd } = distance(s, tiltIn(s, pieces), () => 1);
      assert.ok(Math.abs(found - mean) < 5 * sd, `${found} is not ${mean} ± ${sd}`);
    }
  });
}

tilts('members by their prior', () => {
  const s = chain('dense(2 @5 | 4 | 8 @2){0..3}', 'params <= 90');
  const prior: Readonly<Record<string, number>> = { 2: 5, 4: 1, 8: 2 };
  const share = (a: Assignment): number =>
    Object.entries(a).reduce((p, [path, v]) => p * (path.endsWith('.out') ? prior[String(v)]! / 8 : 1), 1);
  const { found, mean, sd } = distance(s, tiltIn(s, 16, true), share);
  assert.ok(Math.abs(found - mean) < 5 * sd, `${found} is not ${mean} ± ${sd}`);
});

tilts('the bound holds, and is closer with more pieces', () => {
  for (const [name, s] of SPACES) {
    const log = Math.log(enumerate(s, 20_000)!.length);
    const bounds = [2, 8, 32].map((pieces) => tiltIn(s, pieces).bound);
    for (const bound of bounds) assert.ok(bound > log - 1e-9, name);
    assert.ok(bounds[2]! <= bounds[0]! + 0.1, name);
  }
});

tilts('a space of 10^140 members of which one of 10^34 fits is sampled', () => {
  const s = spaceOf(`space Wide {
    input x: f32[B, 784]
    def cell = dense(8..4000) -> relu
    output y = x -> cell{1..40} -> dense(10)
    require params <= 1M
  }`);
  const again = [0, 1, 2].map((seed) => sample(s, { seed, measure: 'uniform' }));
  for (const a of again) assert.ok(meets(s, a));
  assert.equal(sample(s, { seed: 1, measure: 'uniform' }), again[1]);
  // Nearly all that fit are deep: each further layer has tens of widths.
  for (const a of again) assert.ok(Number(a['cell.repeat'] ?? Object.values(a)[0]) > 30);
  assert.ok(tiltOf(s, false)!.bound < 110 * Math.LN10);
});

tilts('nothing is tilted where nothing is limited', () => {
  assert.is(tiltOf(chain('dense(4..40)', 'params >= 100'), false), null);
});

tilts.run();
