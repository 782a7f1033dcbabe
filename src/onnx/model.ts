import { VERSION } from '../version.ts';
import { encodeModel } from './schema.ts';

/** A tensor of f32 at a model's border. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** One application of an ONNX operator; attributes are whole numbers or lists of them. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs?: Readonly<Record<string, number | readonly number[]>>;
}

const FLOAT = 1;
const OPSET = 17;
const IR_VERSION = 8;
const ATTRIBUTE = { int: 2, ints: 7 };

/** The bytes of an ONNX model: opset 17, tensors of f32. */
export function onnxModel(
  inputs: readonly OnnxTensor[],
  outputs: readonly OnnxTensor[],
  nodes: readonly OnnxNode[],
): Uint8Array {
  return encodeModel({
    irVersion: IR_VERSION,
    producerName: 'tenon',
    producerVersion: VERSION,
    opsetImport: [{ version: OPSET }],
    graph: { name: 'model', input: inputs.map(valueInfo), output: outputs.map(valueInfo), node: nodes.map(nodeProto) },
  });
}

const valueInfo = ({ name, shape }: OnnxTensor): object => ({
  name,
  type: { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
});

const nodeProto = ({ op, inputs, outputs, attrs = {} }: OnnxNode): object => ({
  opType: op,
  input: inputs,
  output: outputs,
  attribute: Object.entries(attrs).map(([name, value]) =>
    typeof value === 'number' ? { name, type: ATTRIBUTE.int, i: value } : { name, type: ATTRIBUTE.ints, ints: value },
  ),
});
