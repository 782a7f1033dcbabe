import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sameType } from '../src/base/tensor-type.ts';
import type { TensorType } from '../src/base/tensor-type.ts';
import { Unfit } from '../src/base/unfit.ts';
import { checkAttrs } from '../src/ir/attrs.ts';
import { evaluateDecomposed, evaluateOp } from '../src/ir/evaluate.ts';
import { inferTypes } from '../src/ir/infer.ts';
import type { NdArray, OpDef, Sample } from '../src/ir/op.ts';
import { checkOpTable, info } from '../src/native/native.ts';
import { OPS } from '../src/ops/index.ts';
import { hashText, opTable } from '../src/plan/op-table.ts';
import { drawInputs } from './support/draw.ts';
import { gradientError, scalarOf } from './support/gradient.ts';
import { attrsOf, bytesOf, casesOf, elements, expected, named, typesOf, wrongIn } from './support/op-cases.ts';
import type { Case } from './support/op-cases.ts';
import { OP_ERRORS } from './support/op-errors.ts';
import { prepareOp, runOp } from './support/run-op.ts';
import type { NativeArray, PreparedOp, RunOpOptions } from './support/run-op.ts';

// `node --import tsx test/ops.test.ts pool` looks only at ops whose names hold the word.
const word = process.argv[2] ?? '';
const CHOSEN = OPS.filter((op) => op.name.includes(word));

/** Largest difference, relative to the largest number of each output; unequal infinities and NaN are infinitely different. */
function difference(a: readonly NdArray[], b: readonly NdArray[]): number {
  let worst = 0;
  a.forEach((x, k) => {
    const y = b[k]!.data;
    const scale = x.data.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 1);
    x.data.forEach((v, i) => {
      if (Object.is(v, y[i]) || v === y[i]) return;
      const off = Math.abs(v - y[i]!) / scale;
      worst = Math.max(worst, Number.isNaN(off) ? Infinity : off);
    });
  });
  return worst;
}

const records = suite('ops: records');
for (const op of CHOSEN) {
  records(`${op.name}: samples infer, evaluate and give numbers`, () => {
    assert.ok(op.samples.length >= 3, 'three samples at least');
    assert.ok(op.doc.endsWith('.'), 'a doc of whole sentences');
    op.samples.forEach((sample, seed) => {
      const types = typesOf(op, sample);
      assert.is(types.length, Object.keys(op.outputs).length);
      if (elements(sample) > 20_000) return;
      const results = expected(op, sample, drawInputs(op, sample, seed));
      results.forEach((array, i) => {
        const what = `${named(op, sample)} output ${i}`;
        assert.equal(array.shape, types[i]!.shape, what);
        assert.not.ok(array.data.some(Number.isNaN), `${what} has NaN`);
        if (types[i]!.dtype === 'i32') assert.ok(array.data.every(Number.isInteger), what);
      });
    });
  });

  records(`${op.name}: in place only where the sizes agree`, () => {
    op.inPlace?.forEach((input, output) => {
      if (input === null) return;
      const types = op.samples.map((s) => [s.inputs[input], typesOf(op, s)[output]!] as const);
      assert.ok(types.some(([x, y]) => x && sameType(x, y)));
    });
  });

  records(`${op.name}: cost is not negative and grows with size`, () => {
    for (const sample of op.samples) {
      const { flops, macs } = op.cost(sample.inputs, typesOf(op, sample), attrsOf(op, sample));
      assert.ok(Number.isInteger(flops) && Number.isInteger(macs), named(op, sample));
      assert.ok(macs >= 0 && flops >= 2 * macs, named(op, sample));
    }
    for (const [small, large] of nested(op)) {
      const [a, b] = [small, large].map((s) => op.cost(s.inputs, typesOf(op, s), attrsOf(op, s)));
      assert.ok(a!.flops <= b!.flops && a!.macs <= b!.macs, `${named(op, small)} and ${named(op, large)}`);
    }
  });
}

/** Pairs of samples of the same attributes of which one is nowhere larger than the other. */
function* nested(op: OpDef): Generator<readonly [Sample, Sample]> {
  const key = (s: Sample): string =>
    JSON.stringify(s.attrs ?? {}) + s.inputs.map((t) => t?.shape.length ?? 'null').join();
  for (const small of op.samples) {
    for (const large of op.samples) {
      if (small === large || key(small) !== key(large)) continue;
      const fits = small.inputs.every((t, i) => !t || t.shape.every((d, axis) => d <= large.inputs[i]!.shape[axis]!));
      if (fits) yield [small, large];
    }
  }
}
records.run();

const gradientsSuite = suite('ops: gradients against central differences in float64');
const SMALL = 700;
// Rounding of operands is a staircase.
const isSmooth = (sample: Sample): boolean =>
  sample.note !== 'ties' &&
  sample.attrs?.['precision'] !== 'bf16' &&
  Object.values(sample.attrs ?? {}).every((v) => typeof v !== 'number' || Number.isFinite(v));
for (const op of CHOSEN.filter((o) => !o.stopsGradient)) {
  for (const order of [1, 2] as const) {
    gradientsSuite(`${op.name}: order ${order}`, () => {
      const small = op.samples.filter((s) => elements(s) <= SMALL && isSmooth(s));
      assert.ok(small.length > 0);
      small.forEach((sample, seed) => {
        const scalar = scalarOf(op, sample, drawInputs(op, sample, seed), order);
        if (!scalar) return;
        const error = gradientError(scalar, order === 1 ? 12 : 5);
        assert.ok(error < 1e-6, `${named(op, sample)}: off by ${error}`);
      });
    });
  }
}
gradientsSuite.run();

const fused = suite('ops: fused equals decomposed');
for (const op of CHOSEN.filter((o) => o.decompose && o.reference)) {
  fused(op.name, () => {
    op.samples.forEach((sample, seed) => {
      if (elements(sample) > 20_000) return;
      const inputs = drawInputs(op, sample, seed);
      const found = evaluateDecomposed(op, inputs, sample.inputs, attrsOf(op, sample));
      const error = difference(expected(op, sample, inputs), found);
      assert.ok(error < 1e-12, `${named(op, sample)}: off by ${error}`);
    });
  });
}
fused.run();

const errors = suite('ops: errors');
for (const [op, inputs, attrs, message] of OP_ERRORS.filter(([op]) => CHOSEN.includes(op))) {
  errors(`${op.name}: ${message.source}`, () => {
    try {
      inferTypes(op, inputs, checkAttrs(op, attrs));
    } catch (error) {
      assert.ok(error instanceof Unfit, String(error));
      assert.match(error.message, message);
      return;
    }
    assert.unreachable(`${op.name} takes what it must refuse`);
  });
}

errors('every op that can refuse is refused something', () => {
  const refused = new Set(OP_ERRORS.map(([op]) => op));
  // Broadcasting ops share one rule; fill and random_normal only copy their attribute.
  const rules = new Set(OPS.filter((op) => op.infer || op.check).map((op) => String(op.infer) + String(op.check)));
  for (const op of refused) rules.delete(String(op.infer) + String(op.check));
  assert.equal([...rules], []);
});
errors.run();

const kernels = suite('ops: kernels against references');

// Every further run must give the same bits, however many threads share the work and wherever the arrays lie.
const RERUNS: readonly RunOpOptions[] = [
  { threads: 1 },
  { threads: 2 },
  { threads: 3 },
  { threads: 5 },
  { threads: 1, misaligned: true },
];

function checkReruns(prepared: PreparedOp, inputs: readonly (NdArray | null)[], first: readonly NativeArray[]): void {
  for (const options of RERUNS) {
    prepared.run(inputs, options).forEach((again, i) => {
      assert.ok(bytesOf(again).equals(bytesOf(first[i]!)), `other bits in output ${i} with ${JSON.stringify(options)}`);
    });
  }
}

function checkKernel(op: OpDef, one: Case, isa: string): void {
  const { sample, inputs } = one;
  const prepared = prepareOp(op, sample.inputs, attrsOf(op, sample), { isa });
  try {
    const first = prepared.run(inputs);
    assert.is(wrongIn(op, one, first), null);
    checkReruns(prepared, inputs, first);
  } finally {
    prepared.close();
  }
}

// What IEEE arithmetic makes special, but for subnormals, which kernels may take as 0.
const SPECIAL = [0, -0, 1, -1, NaN, Infinity, -Infinity, 1e15, -1e15, 88.8, -104, 1e-30, 20, -20];
const HUGE = [3e38, -3e38];
const isElementwise = (op: OpDef): boolean =>
  Object.values({ ...op.inputs, ...op.outputs }).every((p) => /^f32\[\.\.\.\w+\]$/.test(p)) &&
  Object.keys(op.attrs).length === 0;

function checkSpecial(op: OpDef, isa: string): void {
  const count = Object.keys(op.inputs).length;
  const isGrad = op.name.endsWith('_grad');
  // Outputs that gradients are taken from are never huge; where a slope is 0, what flows in may be ignored.
  const special = isGrad ? SPECIAL : [...SPECIAL, ...HUGE];
  const size = special.length ** count;
  const draw = (i: number, k: number): number => {
    const value = special[Math.floor(k / special.length ** i) % special.length]!;
    return isGrad && i === 1 && !Number.isFinite(value) ? 2 : Math.fround(value);
  };
  const data = (i: number): Float64Array => Float64Array.from({ length: size }, (_, k) => draw(i, k));
  const inputs = Array.from({ length: count }, (_, i) => ({ shape: [size], data: data(i) }));
  const types = inputs.map((x): TensorType => ({ dtype: 'f32', shape: x.shape }));
  const found = runOp(op, types, inputs, {}, { isa })[0]!;
  const exact = evaluateOp(op, inputs, types, {}, inferTypes(op, types, {}))[0]!.data;
  exact.forEach((value, k) => {
    const largest = inputs.reduce((m, x) => Math.max(m, Math.abs(x.data[k]!)), 1);
    const near = Math.abs(found[k]! - value) <= 1e-6 * Math.abs(value) + 1e-37 * largest;
    const over = Math.abs(value) > 3.4e38 && Math.abs(found[k]!) > 3.4e38 && value > 0 === found[k]! > 0;
    const same = Number.isNaN(value) ? Number.isNaN(found[k]!) : found[k] === value || near || over;
    assert.ok(same, `${op.name}(${inputs.map((x) => x.data[k]).join(', ')}) is ${found[k]}, not ${value}`);
  });
}

// The same bits where outputs stand in the memory of inputs.
function checkInPlace(op: OpDef, { sample, inputs }: Case, isa: string): boolean {
  const attrs = attrsOf(op, sample);
  const [direct, staged] = [false, true].map((s) => prepareOp(op, sample.inputs, attrs, { isa, staged: s }));
  try {
    const [first, again] = [direct!, staged!].map((p) => p.run(inputs, { threads: 2 }));
    first!.forEach((array, i) =>
      assert.ok(bytesOf(array).equals(bytesOf(again![i]!)), `${named(op, sample)} output ${i}`),
    );
    return staged!.inPlace.some((input) => input !== null);
  } finally {
    direct!.close();
    staged!.close();
  }
}

kernels('the addon is of these records', () => checkOpTable(hashText(opTable(OPS).hash)));
for (const op of CHOSEN.filter((o) => !o.alias)) {
  let cases: readonly Case[] | null = null;
  for (const isa of info().isas) {
    kernels(`${op.name} on ${isa}`, () => {
      for (const one of (cases ??= casesOf(op))) checkKernel(op, one, isa);
      if (isElementwise(op)) checkSpecial(op, isa);
    });
    if (!op.inPlace) continue;
    kernels(`${op.name} in place on ${isa}`, () => {
      const stood = (cases ??= casesOf(op)).map((one) => checkInPlace(op, one, isa));
      assert.ok(stood.includes(true), 'some output stands in the memory of an input');
    });
  }
}
kernels.run();

// CUDA kernels are a library of their own, which the addon does not know yet: nothing to compare.
console.log(`ops: CUDA against CPU: skipped for ${CHOSEN.length} ops: the addon has no CUDA device`);
