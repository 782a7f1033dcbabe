/**
 * Thrown while a layer, an op or a weight is measured or built with shapes or arguments that do not fit.
 * A member of a space whose evaluation throws it does not exist; it is not a bug.
 */
export class Unfit extends Error {
  override readonly name = 'Unfit';
  readonly expected: string;
  readonly found: string;
  constructor(message: string, expected = '', found = '') {
    super(message);
    this.expected = expected;
    this.found = found;
  }
}
