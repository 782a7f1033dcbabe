import { chmodSync, existsSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';

/** Makes a file whole or not at all: `make` writes it beside the target, then it takes the target's place. Devices and pipes are written as they are. */
export function replaceFile(target: string, make: (path: string) => void): void {
  const path = existsSync(target) ? realpathSync(target) : target;
  if (existsSync(path) && !statSync(path).isFile()) return make(path);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    make(temporary);
    if (existsSync(path)) chmodSync(temporary, statSync(path).mode);
    renameSync(temporary, path);
  } catch (e) {
    rmSync(temporary, { force: true });
    throw e;
  }
}

export const replaceText = (target: string, text: string): void =>
  replaceFile(target, (path) => writeFileSync(path, text));
