import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allocate, release } from '../../src/native/native.ts';
import { hadamard, hadamardSync, release as releaseTensors, tensor, TenonError } from '../../src/kernels/index.ts';

const memory = suite('memory that is given back');
const LENGTH = 2 ** 19;

memory('what is released is empty, and the next is zeroed all the same', () => {
  const buffer = allocate(4 * LENGTH);
  const view = new Float32Array(buffer, 64, 16);
  new Float32Array(buffer).fill(7);
  release(buffer);
  assert.is(buffer.byteLength, 0);
  assert.is(view.length, 0);
  release(buffer); // once more does nothing
  assert.ok(new Float32Array(allocate(4 * LENGTH)).every((x) => x === 0));
  const foreign = new ArrayBuffer(8);
  release(foreign);
  assert.is(foreign.byteLength, 8);
});

memory('nobody sees memory that another still has', () => {
  const held: Float32Array[] = [];
  for (let i = 0; i < 20; i++) {
    const [kept, gone] = [allocate(4 * LENGTH, false), allocate(4 * LENGTH, false)];
    held.push(new Float32Array(kept).fill(i));
    new Float32Array(gone).fill(-1);
    release(gone);
  }
  held.forEach((array, i) => assert.ok(array.every((x) => x === i)));
});

memory('tensors: results too, while a run still reads them', async () => {
  const x = tensor(new Float32Array(LENGTH).fill(1), [1, LENGTH]);
  const running = hadamard({ x });
  releaseTensors(x);
  assert.is(x.data.length, 0);
  const other = tensor(new Float32Array(LENGTH).fill(2), [1, LENGTH]);
  const { y } = await running;
  assert.is(y.data[0], LENGTH);
  assert.ok(y.data.subarray(1).every((v) => v === 0));
  releaseTensors(y, other.data);
  assert.is(y.data.length + other.data.length, 0);
  assert.throws(() => hadamardSync({ x }), /detached/);
  const small = new Float32Array(4);
  releaseTensors(small);
  assert.is(small.length, 4);
  assert.throws(
    () => releaseTensors({ data: [1] } as never),
    (e: unknown) => e instanceof TenonError && e.argument === 'tensors[0]',
  );
});

memory.run();
