import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// From src/ and from dist/src/ alike.
function ownPackage(): { readonly version: string } {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const found = require(path) as { readonly name?: string; readonly version: string };
      if (found.name === 'tenon') return found;
    } catch {
      // looked for one folder up
    }
  }
  throw new Error('bug: package.json of tenon is missing');
}

export const VERSION = ownPackage().version;
