import { createRequire } from 'node:module';
import { join } from 'node:path';
import { onnxModel } from '../../onnx/model.ts';
import type { CaseLine } from '../case.ts';
import { medianOf } from '../measure.ts';
import type { Peer, PeerDef } from '../peer.ts';

/** As far as it is used here; the package is no dependency of ours. */
interface Runtime {
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<Session>;
  };
  readonly env?: { readonly versions?: { readonly node?: string } };
}
interface Session {
  run(feeds: Readonly<Record<string, object>>): Promise<unknown>;
  release(): Promise<void>;
}

interface Model {
  readonly case: string;
  readonly bytes: Uint8Array;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
}

/** A model of one operator. */
function modelOf({ name, kind, words }: CaseLine): Model | null {
  const model = (
    op: string,
    inputs: Readonly<Record<string, readonly number[]>>,
    output: readonly number[],
    attrs: Readonly<Record<string, readonly number[]>> = {},
  ): Omit<Model, 'case'> => ({
    inputs,
    bytes: onnxModel(
      Object.entries(inputs).map(([input, shape]) => ({ name: input, shape })),
      [{ name: 'y', shape: output }],
      [{ op, inputs: Object.keys(inputs), outputs: ['y'], attrs }],
    ),
  });
  const n = words.map(Number);
  if (kind === 'gemm') {
    const [rows, cols, inner] = n as [number, number, number];
    return { case: name, ...model('MatMul', { a: [rows, inner], b: [inner, cols] }, [rows, cols]) };
  }
  if (kind === 'conv') {
    const [batch, cin, h, w, cout, k, pad] = n as [number, number, number, number, number, number, number];
    const output = [batch, cout, h + 2 * pad - k + 1, w + 2 * pad - k + 1];
    const attrs = { kernel_shape: [k, k], pads: [pad, pad, pad, pad] };
    const inputs = { x: [batch, cin, h, w], w: [cout, cin, k, k], b: [cout] };
    return { case: `${name}/fwd`, ...model('Conv', inputs, output, attrs) };
  }
  return null;
}

const PACKAGE = 'onnxruntime-node';

// From the working folder, then from Tenon.
function load(): Runtime | null {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(from)(PACKAGE) as Runtime;
    } catch {
      // looked for in the next place
    }
  }
  return null;
}

const numbers = (shape: readonly number[]): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7919) % 1000) / 500 - 1);

/** ONNX Runtime, where `onnxruntime-node` is installed: inference only. */
export const onnxruntime: PeerDef = {
  name: 'onnxruntime',
  open: (threads) => Promise.resolve(open(threads)),
};

function open(threads: number): Peer | string {
  const runtime = load();
  if (runtime === null) return `${PACKAGE} is not installed`;
  return {
    name: 'onnxruntime',
    version: runtime.env?.versions?.node ?? '',
    measure: async (line, seconds) => {
      const model = modelOf(line);
      if (!model) return [];
      const session = await runtime.InferenceSession.create(model.bytes, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'all',
      });
      const feeds = Object.fromEntries(
        Object.entries(model.inputs).map(([input, dims]) => [
          input,
          new runtime.Tensor('float32', numbers(dims), dims),
        ]),
      );
      const ms = await medianOf(() => session.run(feeds), seconds);
      await session.release();
      return [{ case: model.case, ms }];
    },
    close: () => {},
  };
}
