// Kernels of an instruction set that this machine has only by emulation, against the references: every sample of every op.
// `TENON_REPLAY="qemu-aarch64 build-neon/replay" node --import tsx test/replay.test.ts [op]`; scripts/check-neon.sh builds and runs it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OPS } from '../src/ops/index.ts';
import { attrsOf, bytesOf, casesOf, named, wrongIn } from './support/op-cases.ts';
import { replay } from './support/replay.ts';
import { planOp } from './support/run-op.ts';

const command = process.env['TENON_REPLAY'];
const word = process.argv[2] ?? '';

// The first run is compared with the reference, the others with its bits.
const RUNS = [
  { threads: 1, offset: 0 },
  { threads: 1, offset: 4 },
  { threads: 3, offset: 0 },
];

const kernels = suite('ops: emulated kernels against references');
if (!command) console.log('skipped: emulated kernels: TENON_REPLAY names no program');
kernels('a program that fails is reported', () => assert.throws(() => replay('false', []), /false: exit 1/));
for (const op of command ? OPS.filter((o) => !o.alias && o.name.includes(word)) : []) {
  kernels(op.name, () => {
    const cases = casesOf(op).map((one) => ({ one, planned: planOp(op, one.sample.inputs, attrsOf(op, one.sample)) }));
    const runs = cases.flatMap(({ one, planned }) =>
      RUNS.map((how) => ({ ...how, plan: planned.bytes, externals: planned.externals(one.inputs) })),
    );
    const found = replay(command!, runs);
    cases.forEach(({ one, planned }, i) => {
      const [first, ...others] = RUNS.map((_, k) => planned.outputs(found[i * RUNS.length + k]!));
      assert.is(wrongIn(op, one, first!), null);
      others.forEach((again, k) =>
        again.forEach((array, output) => {
          const what = `other bits in output ${output} of ${named(op, one.sample)} with ${JSON.stringify(RUNS[k + 1])}`;
          assert.ok(bytesOf(array).equals(bytesOf(first![output]!)), what);
        }),
      );
    });
  });
}
kernels.run();
