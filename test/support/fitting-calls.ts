// Arguments of kernels whose sizes depend on each other in ways that their patterns do not say: drawn so that they fit.
import fc from 'fast-check';

export type ArgsOf = Record<string, unknown>;
type Shapes = Readonly<Record<string, readonly number[] | readonly (readonly number[] | null)[] | null>>;
/** What fits, before it is filled: shapes of tensors, and options as they are. */
interface Fitting {
  readonly shapes: Shapes;
  readonly options?: ArgsOf;
}

const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const seldomEmpty = (max: number): fc.Arbitrary<number> => fc.oneof({ arbitrary: size(max), weight: 9 }, { arbitrary: fc.constant(0), weight: 1 }); // prettier-ignore
const scale = fc.constantFrom(1, 1, 0, -0.5, 3);

const kronLinear: fc.Arbitrary<Fitting> = fc
  .record({ rows: seldomEmpty(9), n: size(4), outs: seldomEmpty(6), ins: size(6), bias: fc.boolean() })
  .map(({ rows, n, outs, ins, bias }) => ({
    shapes: { x: [rows, n * ins], A: [n, n, n], F: [n, outs, ins], ...(bias ? { bias: [n * outs] } : {}) },
  }));

// Axes of an image with the window over each of them: most windows lie inside.
const axes = fc.array(
  fc.record({ taps: size(3), more: size(6), stride: size(3), padding: fc.nat(2), dilation: size(2) }),
  { minLength: 1, maxLength: 3 },
);
type Axes = typeof axes extends fc.Arbitrary<infer T> ? T : never;
const windowOf = (all: Axes, listed: boolean): ArgsOf =>
  Object.fromEntries(
    (['stride', 'padding', 'dilation'] as const).map((name) => [
      name,
      listed ? all.map((a) => a[name]) : all[0]![name],
    ]),
  );
const sizesOf = (all: Axes, listed: boolean): readonly number[] =>
  all.map((a) => (listed ? a : all[0]!).dilation * (a.taps - 1) + a.more);

const kronConv: fc.Arbitrary<Fitting> = fc
  .record({
    batch: seldomEmpty(3),
    n: size(3),
    groups: size(2),
    outs: size(3),
    ins: size(3),
    bias: fc.boolean(),
    axes,
    listed: fc.boolean(),
  }) // prettier-ignore
  .map(({ batch, n, groups, outs, ins, bias, axes: all, listed }) => ({
    shapes: {
      x: [batch, ...sizesOf(all, listed), n * groups * ins],
      A: [n, n, n],
      F: [n, groups * outs, ...all.map((a) => a.taps), ins],
      ...(bias ? { bias: [n * groups * outs] } : {}),
    },
    options: { ...windowOf(all, listed), groups },
  }));

// An axis of a Tucker product: its size, its rank, and whether it has a factor.
const mode = (max: number) =>
  fc
    .record({ rank: size(max), more: fc.nat(max), given: fc.boolean() })
    .map(({ rank, more, given }) => ({ rank, size: given ? rank + more : rank, given }));
type Mode = ReturnType<typeof mode> extends fc.Arbitrary<infer T> ? T : never;
const factor = (m: Mode): readonly number[] | null => (m.given ? [m.size, m.rank] : null);

const tuckerReconstruct: fc.Arbitrary<Fitting> = fc
  .record({ modes: fc.array(mode(4), { minLength: 1, maxLength: 5 }), scale })
  .map(({ modes, scale }) => ({
    shapes: { core: modes.map((m) => m.rank), factors: modes.map(factor) },
    options: { scale },
  }));

const tuckerLinear: fc.Arbitrary<Fitting> = fc
  .record({ rows: seldomEmpty(20), ins: mode(8), out: mode(8), base: fc.boolean(), scale })
  .map(({ rows, ins, out, base, scale }) => ({
    shapes: {
      x: [rows, ins.size],
      core: [out.rank, ins.rank],
      uIn: factor(ins),
      uOut: factor(out),
      base: base ? [out.size, ins.size] : null,
    },
    options: { scale },
  }));

const tuckerConv: fc.Arbitrary<Fitting> = fc
  .record({
    batch: seldomEmpty(3),
    ins: mode(4),
    out: mode(4),
    axes,
    given: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    base: fc.boolean(),
    listed: fc.boolean(),
    scale,
  }) // prettier-ignore
  .chain((d) => fc.tuple(fc.constant(d), ...d.axes.map((a) => size(a.taps))))
  .map(([{ batch, ins, out, axes: all, given, base, listed, scale }, ...ranks]) => {
    const taps = all.map((a, i): Mode => ({ size: a.taps, rank: given[i]! ? ranks[i]! : a.taps, given: given[i]! }));
    return {
      shapes: {
        x: [batch, ...sizesOf(all, listed), ins.size],
        core: [out.rank, ...taps.map((t) => t.rank), ins.rank],
        uOut: factor(out),
        uK: taps.map(factor),
        uIn: factor(ins),
        base: base ? [out.size, ...taps.map((t) => t.size), ins.size] : null,
      },
      options: { ...windowOf(all, listed), scale },
    };
  });

export const FITTING: ReadonlyMap<string, fc.Arbitrary<Fitting>> = new Map([
  ['kronecker.linear', kronLinear],
  ['kronecker.conv', kronConv],
  ['tucker.reconstruct', tuckerReconstruct],
  ['tucker.linear', tuckerLinear],
  ['tucker.conv', tuckerConv],
]);

/** A fitting call: `fill` makes the tensor of a shape. */
export function fittingCall({ shapes, options = {} }: Fitting, fill: (shape: readonly number[]) => unknown): ArgsOf {
  const made = (shape: Shapes[string]): unknown =>
    shape === null ? null : isShape(shape) ? fill(shape) : shape.map((s) => (s === null ? null : fill(s)));
  return { ...options, ...Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, made(shape)])) };
}

const isShape = (value: NonNullable<Shapes[string]>): value is readonly number[] => typeof value[0] === 'number';
