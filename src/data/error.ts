/** A data file or data set that cannot be used: what was expected, what was found, where. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly code: 'missing' | 'truncated' | 'format' | 'mismatch' | 'memory';
  readonly file: string;
  constructor(code: DataError['code'], file: string, message: string) {
    super(file === '' ? message : `${file}: ${message}`);
    this.code = code;
    this.file = file;
  }
}
