import * as assert from 'uvu/assert';
import { TenonError } from '../../src/kernels/error.ts';

/** The TenonError that `run` throws. */
export function fault(run: () => unknown): TenonError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof TenonError, String(error));
    return error;
  }
  throw new Error('nothing was thrown');
}
