import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/data/error.ts';
import { decodeSafetensors, encodeSafetensors, readSafetensors, writeSafetensors } from '../../src/data/safetensors.ts';
import type { StoredTensor, Tensors } from '../../src/data/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenon-st-'));

const join1 = (parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
const file = (header: string, data = new Uint8Array(0)): Uint8Array => {
  const text = new TextEncoder().encode(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return join1([length, text, data]);
};

const tensor = fc
  .record({
    dtype: fc.constantFrom('f32' as const, 'i32' as const, 'u8' as const),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
  })
  .map(({ dtype, shape }): StoredTensor => {
    const elements = shape.reduce((n, d) => n * d, 1);
    return { dtype, shape, bytes: Uint8Array.from({ length: elements * (dtype === 'u8' ? 1 : 4) }, (_, i) => i) };
  });
const tensors = fc.record({
  tensors: fc
    .dictionary(
      fc.string({ minLength: 1 }).filter((s) => s !== '__metadata__' && s !== '__proto__'),
      tensor,
    )
    .map((d) => new Map(Object.entries(d))),
  metadata: fc.dictionary(
    fc.string().filter((s) => s !== '__proto__'),
    fc.string(),
  ),
});

const format = suite('safetensors');

format('what is written is read back', () => {
  fc.assert(
    fc.property(tensors, (t: Tensors) => {
      const back = decodeSafetensors(join1(encodeSafetensors(t)), 'f');
      assert.equal([...back.tensors].sort(), [...t.tensors].sort());
      assert.equal({ ...back.metadata }, { ...t.metadata });
    }),
  );
});

format('files are whole or absent', () => {
  const path = join(folder, 'w.safetensors');
  const t: Tensors = {
    tensors: new Map([['a', { dtype: 'f32', shape: [1], bytes: new Uint8Array(4) }]]),
    metadata: {},
  };
  writeSafetensors(path, t);
  assert.is(readSafetensors(path).tensors.size, 1);
  assert.throws(() => writeSafetensors(join(folder, 'no', 'w'), t), /there is no such folder/);
  assert.equal(readdirSync(folder), ['w.safetensors']);
});

format('hostile headers are refused', () => {
  const f32 = (range: string, shape = '[1]'): string =>
    `{"a":{"dtype":"F32","shape":${shape},"data_offsets":${range}}}`;
  const four = new Uint8Array(4);
  const refused: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(4), /at least 8 bytes/],
    [new Uint8Array(8).fill(255), /header claims/],
    [file('[]'), /not an object/],
    [file('{'), /not JSON/],
    [file(f32('[0,4]')), /need 4 bytes, it has 0/],
    [file(f32('[0,8]'), four), /needs 4 bytes, its range has 8/],
    [file(f32('[4,8]'), new Uint8Array(8)), /gap/],
    [file(f32('[-4,0]'), four), /not two whole numbers/],
    [file(f32('[0,4]', '[9007199254740992, 2]'), four), /not a list of whole numbers|needs/],
    [
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}',
        four,
      ),
      /stands twice/,
    ],
    [file('{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}', new Uint8Array(8)), /expected dtype/],
    [file(f32('[0,4]'), new Uint8Array(5)), /it has 5/],
  ];
  for (const [bytes, message] of refused)
    assert.throws(
      () => decodeSafetensors(bytes, 'f'),
      (e: Error) => e instanceof DataError && message.test(e.message),
    );
});

format('any bytes are read or refused', () => {
  const good = join1(
    encodeSafetensors({
      tensors: new Map([['w', { dtype: 'f32', shape: [2, 2], bytes: new Uint8Array(16) }]]),
      metadata: { k: 'v' },
    }),
  );
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, cut) => {
      const bytes = good.slice(0, Math.max(cut, good.length - 3));
      bytes[at % bytes.length] = value;
      try {
        decodeSafetensors(bytes, 'f');
      } catch (e) {
        assert.instance(e, DataError);
      }
    }),
    { numRuns: 3000 },
  );
});

format.after(() => rmSync(folder, { recursive: true }));
format.run();
