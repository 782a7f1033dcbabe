import protobuf from 'protobufjs/light.js';

// The part of onnx.proto (ONNX 1.x, proto2) that Tenon writes: names and numbers of fields as there.
const optional = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id });

const root = protobuf.Root.fromJSON({
  nested: {
    AttributeProto: {
      fields: {
        name: optional('string', 1),
        f: optional('float', 2),
        i: optional('int64', 3),
        s: optional('bytes', 4),
        floats: repeated('float', 7),
        ints: repeated('int64', 8),
        type: optional('int32', 20),
      },
    },
    NodeProto: {
      fields: {
        input: repeated('string', 1),
        output: repeated('string', 2),
        name: optional('string', 3),
        opType: optional('string', 4),
        attribute: repeated('AttributeProto', 5),
        domain: optional('string', 7),
      },
    },
    TensorProto: {
      fields: {
        dims: repeated('int64', 1),
        dataType: optional('int32', 2),
        name: optional('string', 8),
        rawData: optional('bytes', 9),
      },
    },
    Dimension: { fields: { dimValue: optional('int64', 1), dimParam: optional('string', 2) } },
    TensorShapeProto: { fields: { dim: repeated('Dimension', 1) } },
    TensorTypeProto: { fields: { elemType: optional('int32', 1), shape: optional('TensorShapeProto', 2) } },
    TypeProto: { fields: { tensorType: optional('TensorTypeProto', 1) } },
    ValueInfoProto: { fields: { name: optional('string', 1), type: optional('TypeProto', 2) } },
    GraphProto: {
      fields: {
        node: repeated('NodeProto', 1),
        name: optional('string', 2),
        initializer: repeated('TensorProto', 5),
        input: repeated('ValueInfoProto', 11),
        output: repeated('ValueInfoProto', 12),
      },
    },
    OperatorSetIdProto: { fields: { domain: optional('string', 1), version: optional('int64', 2) } },
    ModelProto: {
      fields: {
        irVersion: optional('int64', 1),
        producerName: optional('string', 2),
        producerVersion: optional('string', 3),
        graph: optional('GraphProto', 7),
        opsetImport: repeated('OperatorSetIdProto', 8),
      },
    },
  },
});

const modelProto = root.lookupType('ModelProto');

/** The bytes of a ModelProto. */
export const encodeModel = (model: object): Uint8Array => modelProto.encode(modelProto.fromObject(model)).finish();
/** The fields of a ModelProto, whole numbers as numbers. */
export const decodeModel = (bytes: Uint8Array): unknown =>
  modelProto.toObject(modelProto.decode(bytes), { longs: Number, arrays: false });
