import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { DOOR_FUNCTIONS } from './door.ts';
import type { Door } from './door.ts';

/** The addon cannot be loaded; `reasons` has one line for each place that was tried. */
export class NativeUnavailable extends Error {
  override readonly name = 'NativeUnavailable';
  readonly code = 'TENON_NATIVE_UNAVAILABLE';
  readonly reasons: readonly string[];
  constructor(reasons: readonly string[]) {
    super(
      [
        'the native addon cannot be loaded',
        ...reasons.map((r) => `  ${r}`),
        '  build it with: npm run build:native',
      ].join('\n'),
    );
    this.reasons = reasons;
  }
}

const require = createRequire(import.meta.url);
let loaded: Door | null = null;

/** The addon: TENON_NODE if set, else what was built here, else the prebuilt package of this platform. Throws NativeUnavailable. */
export function door(): Door {
  return (loaded ??= load());
}

function load(): Door {
  const chosen = process.env['TENON_NODE'];
  const places = chosen
    ? [resolve(chosen)]
    : [join(packageRoot(), 'build', 'Release', 'tenon.node'), `@tenon/${process.platform}-${process.arch}`];
  const reasons: string[] = [];
  for (const place of places) {
    const found = tryLoad(place);
    if (typeof found !== 'string') return found;
    reasons.push(`${chosen ? 'TENON_NODE=' : ''}${place}: ${found}`);
  }
  throw new NativeUnavailable(reasons);
}

// The addon, or why not.
function tryLoad(place: string): Door | string {
  const isFile = place.endsWith('.node');
  if (isFile && !existsSync(place)) return 'no such file';
  try {
    const module = require(place) as Partial<Door>;
    const missing = DOOR_FUNCTIONS.filter((name) => typeof module[name] !== 'function');
    return missing.length === 0 ? (module as Door) : `built from other sources: it has no ${missing.join(', ')}`;
  } catch (error) {
    if (!isFile && (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return 'not installed';
    return (error as Error).message.split('\n')[0]!;
  }
}

/** The folder of package.json. Sources lie in src/native, compiled files in dist/src/native. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) return import.meta.dirname;
    folder = parent;
  }
  return folder;
}
