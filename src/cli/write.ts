import { chmodSync, existsSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, Exit } from './io.ts';

const WHY: Readonly<Record<string, { readonly code: number; readonly text: string }>> = {
  ENOENT: { code: EXIT.input, text: 'there is no such folder' },
  ENOTDIR: { code: EXIT.input, text: 'a part of the path is no folder' },
  EISDIR: { code: EXIT.input, text: 'it is a folder' },
  EACCES: { code: EXIT.machine, text: 'it may not be written' },
  EPERM: { code: EXIT.machine, text: 'it may not be written' },
  EROFS: { code: EXIT.machine, text: 'its disk is read-only' },
  ENOSPC: { code: EXIT.machine, text: 'the disk is full' },
};

/** Makes a file whole or not at all: `make` writes it beside the target, then it takes the target's place. Devices and pipes are written as they are. */
export function replaceFile(target: string, make: (path: string) => void): void {
  try {
    const path = existsSync(target) ? realpathSync(target) : target;
    if (existsSync(path) && !statSync(path).isFile()) make(path);
    else replaceWhole(path, make);
  } catch (e) {
    const why = WHY[(e as NodeJS.ErrnoException).code ?? ''];
    throw why ? new Exit(why.code, `error: ${target}: ${why.text}`) : e;
  }
}

function replaceWhole(path: string, make: (path: string) => void): void {
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

/** Before long work whose result goes there: whether its folder is there. */
export function checkTarget(target: string): void {
  if (!existsSync(dirname(target))) throw new Exit(EXIT.input, `error: ${target}: there is no such folder`);
  if (existsSync(target) && statSync(target).isDirectory())
    throw new Exit(EXIT.input, `error: ${target}: it is a folder`);
}
