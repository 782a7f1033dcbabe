import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { onnxModel } from '../../src/onnx/model.ts';
import { decodeModel } from '../../src/onnx/schema.ts';

const onnx = suite('onnx model');

const bytes = onnxModel(
  [{ name: 'x', shape: [2, 3] }],
  [{ name: 'y', shape: [3, 2] }],
  [{ op: 'Transpose', inputs: ['x'], outputs: ['y'], attrs: { perm: [1, 0], axis: 1 } }],
);

onnx('what is written is read back: opset, borders, nodes, attributes', () => {
  const model = decodeModel(bytes) as Record<string, unknown>;
  assert.is(model['irVersion'], 8);
  // No domain is the one of ONNX itself.
  assert.equal(model['opsetImport'], [{ version: 17 }]);
  const graph = model['graph'] as Record<string, readonly Record<string, unknown>[]>;
  const border = (name: string, dims: readonly number[]): object => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  assert.equal(graph['input'], [border('x', [2, 3])]);
  assert.equal(graph['output'], [border('y', [3, 2])]);
  assert.equal(graph['node'], [
    {
      opType: 'Transpose',
      input: ['x'],
      output: ['y'],
      attribute: [
        { name: 'perm', type: 7, ints: [1, 0] },
        { name: 'axis', type: 2, i: 1 },
      ],
    },
  ]);
});

// Field 1 (ir_version) as a varint, then field 2 (producer_name) as five bytes: the wire format of protobuf.
onnx('the bytes are those of protobuf', () => {
  assert.equal([...bytes.subarray(0, 9)], [0x08, 8, 0x12, 5, ...Buffer.from('tenon')]);
});

onnx.run();
