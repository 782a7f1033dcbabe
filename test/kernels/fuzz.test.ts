// Every kernel with arguments of every kind: a result, or an error that names the argument; never anything else. Kernels are found by their definitions.
import { inspect } from 'node:util';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { numel } from '../../src/base/tensor-type.ts';
import { parsePattern } from '../../src/ir/pattern.ts';
import type { AnyArg, Args } from '../../src/kernels/args.ts';
import type { Outputs } from '../../src/kernels/def.ts';
import { TenonError } from '../../src/kernels/index.ts';
import { backwardOf, kernels } from '../../src/kernels/kernel.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import type { Data, Tensor } from '../../src/kernels/tensor.ts';
import { FITTING, fittingCall } from '../support/fitting-calls.ts';

type Drawn = fc.Arbitrary<unknown>;
type Sizes = ReadonlyMap<string, number>;
const RUNS = 300;

const floats = [0, 1, -1, 0.5, -2.25, 3, 1e-30, NaN, Infinity, -Infinity, 3e38, -0];
const integers = [0, 1, 2, 3, -1, 7, 2 ** 31 - 1, -(2 ** 31)];
// Nothing between 64 and 2^32 - 1, which might be done, and take all memory.
const numbers = [0, 1, 2, 3, 4, 7, 16, 64, -1, 0.5, NaN, Infinity, -0, 2 ** 32 - 1, 2 ** 53, 2 ** 53 + 2, -Infinity];
const junk = [null, undefined, 'x', '', true, 5n, 2n ** 64n, [], [1, 2], [0.5], {}, () => 1, Symbol('s'), new Map()];

function filled(isFloat: boolean, length: number, pick: number): Data {
  const values = isFloat ? floats : integers;
  const nice = pick % 3 > 0;
  const at = (i: number): number => values[(i * 5 + pick) % (nice ? 6 : values.length)]!;
  return isFloat ? Float32Array.from({ length }, (_, i) => at(i)) : Int32Array.from({ length }, (_, i) => (nice ? (i + pick) % 4 : at(i))); // prettier-ignore
}

function detached(): Float32Array {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

// Things that are nearly tensors.
const spoilt: Drawn = fc.constantFrom<unknown>(
  detached(),
  { data: detached(), shape: [0] },
  new Float32Array(new SharedArrayBuffer(16)),
  new Float32Array(Reflect.construct(ArrayBuffer, [16, { maxByteLength: 32 }]) as ArrayBuffer),
  new Float64Array(4),
  { data: new Float32Array(4), shape: [2 ** 53, 0] },
  { data: new Float32Array(4), shape: [-2, -2] },
  { data: new Float32Array(4), shape: [2, 2, 1, 1, 1, 1, 1, 1, 1] },
  { data: new Float32Array(4) },
  { data: new Float32Array(0), shape: [0, 2 ** 40] },
  { data: new Float32Array(4), shape: [3] },
  new DataView(new ArrayBuffer(16)),
  ...junk,
);

function tensorFor(pattern: string, sizes: Sizes): Drawn {
  const { lead, dims } = parsePattern(pattern);
  const dim = (d: string | number): fc.Arbitrary<number> =>
    fc.constant(typeof d === 'number' ? d : (sizes.get(d) ?? 2));
  const leading = lead === null ? fc.constant([]) : fc.array(fc.constantFrom(1, 1, 1, 2, 3, 0), { maxLength: 4 });
  return fc
    .tuple(leading, fc.tuple(...dims.map(dim)), fc.nat(100))
    .map(([a, b, pick]) => [[...a, ...b], pick] as const)
    .map(([shape, pick]) => ({ data: filled(!pattern.startsWith('i32'), numel(shape), pick), shape }));
}

// The names that an option takes stand in its error.
function choicesOf(arg: Extract<AnyArg, { kind: 'option' }>): readonly string[] {
  try {
    arg.read('?', 'x');
  } catch (error) {
    if (error instanceof TenonError) return [...error.expected.matchAll(/'([^']+)'/g)].map(([, name]) => name!);
  }
  return [];
}

function optionFor(arg: Extract<AnyArg, { kind: 'option' }>, sizes: Sizes): Drawn {
  const choices = choicesOf(arg);
  if (choices.length > 0) return fc.constantFrom<unknown>(...choices);
  const near = [...sizes.values(), ...numbers.slice(0, 8)];
  const lists = fc.array(fc.constantFrom(...near), { maxLength: 4 });
  return fc.oneof({ arbitrary: fc.constantFrom<unknown>(...near, true), weight: 6 }, { arbitrary: lists, weight: 1 });
}

function argFor(arg: AnyArg, sizes: Sizes): Drawn {
  if (arg.kind === 'option') return optionFor(arg, sizes);
  const one = tensorFor(arg.pattern, sizes);
  return arg.kind === 'tensor' ? one : fc.array(fc.oneof(one, fc.constant(null)), { maxLength: 4 });
}

const spoiltFor = (arg: AnyArg): Drawn =>
  arg.kind === 'option' ? fc.constantFrom<unknown>(...numbers, ...junk) : fc.oneof(spoilt, tensorFor('f32[...any]', new Map())); // prettier-ignore

const namesIn = (args: Args): readonly string[] =>
  Object.values(args).flatMap((arg) =>
    arg.kind === 'option' ? [] : parsePattern(arg.pattern).dims.filter((d) => typeof d === 'string'),
  );

function callOf(name: string, args: Args): fc.Arbitrary<Record<string, unknown>> {
  const fitting = FITTING.get(name);
  const fits = fitting && fc.tuple(fitting, fc.nat(100)).map(([call, pick]) => fittingCall(call, (shape) => ({ data: filled(true, numel(shape), pick), shape }))); // prettier-ignore
  const names = [...new Set(namesIn(args))];
  const sizes = fc
    .tuple(...names.map(() => fc.constantFrom(1, 1, 1, 2, 2, 4, 8, 3, 0)))
    .map((list) => new Map(names.map((name, i) => [name, list[i]!])));
  const any = sizes.chain((s) => {
    const seldom = (arb: Drawn): Drawn => fc.option(arb, { nil: undefined, freq: 1 });
    return fc.record(mapped(args, (arg) => (arg.optional ? seldom(argFor(arg, s)) : argFor(arg, s))));
  });
  const drawn = fits ? fc.oneof({ arbitrary: fits, weight: 4 }, { arbitrary: any, weight: 1 }) : any;
  // One argument of half the calls is spoilt.
  const entries = Object.entries(args).map(([name, arg]) => spoiltFor(arg).map((value) => ({ [name]: value })));
  const spoils = fc.oneof(
    { arbitrary: fc.constant({}), weight: 1 },
    { arbitrary: fc.oneof(...entries), weight: 1 },
  ) as fc.Arbitrary<Record<string, unknown>>;
  return fc.tuple(drawn, spoils).map(([call, spoil]) => ({ ...call, ...spoil }));
}

const mapped = <A, B>(all: Readonly<Record<string, A>>, fn: (a: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(all).map(([name, a]) => [name, fn(a)]));

const ARGUMENT = /^(\w+)(\[\d+\])?(\.(data|shape(\[\d+\])?))?$/;

function check(run: () => unknown, known: readonly string[]): unknown {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof TenonError)) throw error;
    const [, name] = ARGUMENT.exec(error.argument.replace(/^out\./, '')) ?? [];
    assert.ok(name !== undefined && known.includes(name), `${error.argument} is no argument: ${error.message}`);
    assert.match(error.code, /^TENON_/);
    assert.ok(error.expected && error.found, error.message);
    assert.not.match(error.message, /\bbug\b|\[object/);
    return null;
  }
}

const bytesOf = ({ data }: Tensor<Data>): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'); // prettier-ignore

function checkResults(first: Record<string, unknown>, second: Record<string, unknown>, outputs: Outputs): void {
  for (const name of Object.keys(outputs)) {
    const [a, b] = [first[name], second[name]] as (Tensor<Data> | number)[];
    if (typeof a !== 'object' || typeof b !== 'object') {
      assert.ok(Object.is(a, b), `${name} is the same again`);
      continue;
    }
    assert.is(a.data.length, numel(a.shape), name);
    assert.is(bytesOf(a), bytesOf(b), `${name} is the same again`);
  }
}

function fuzz(kernel: Kernel<Args, Outputs>, args: Record<string, unknown>): boolean {
  const { def } = kernel;
  const known = [...Object.keys(def.args), ...Object.keys(def.outputs), 'arguments', 'threads', 'wrt', 'out'];
  const call = (): unknown => kernel.callSync({ ...args, threads: 1 });
  const first = check(call, known) as Record<string, unknown> | null;
  if (!first) return false;
  checkResults(first, call() as Record<string, unknown>, def.outputs);
  const lapping = Object.values(args).find((a) => (a as Tensor | null)?.data instanceof Float32Array);
  check(() => kernel.callSync({ ...args, out: lapping } as never), known);
  if (!first['ctx']) return true;
  const flows = Object.entries(def.outputs).flatMap(([name, flow]) => typeof flow === 'string' ? [[flow, first[name]]] : []); // prettier-ignore
  const gradients = backwardOf(kernel).backwardSync(first['ctx'] as never, Object.fromEntries(flows) as never);
  for (const [name, given] of Object.entries(args)) {
    const d = (gradients as Record<string, Tensor | undefined>)[`d${name}`];
    if (d && !Array.isArray(d)) assert.equal([...d.shape], [...((given as Tensor).shape ?? [(given as Data).length])]);
  }
  return true;
}

const fuzzing = suite('kernels: arguments of every kind');

for (const kernel of kernels()) {
  fuzzing(kernel.def.name, () => {
    let done = 0;
    const property = fc.property(callOf(kernel.def.name, kernel.def.args), (args) => {
      if (fuzz(kernel, args)) done++;
    });
    const { failed, errorInstance, counterexample } = fc.check(property, { numRuns: RUNS, seed: 7 });
    if (failed)
      assert.unreachable(
        `${String((errorInstance as Error).stack)}\n${inspect(counterexample, { depth: 5, maxArrayLength: 8 })}`,
      );
    assert.ok(done >= RUNS / 6, `only ${done} of ${RUNS} calls were good: sizes that fit each other are to be drawn`);
  });
}

fuzzing.run();
