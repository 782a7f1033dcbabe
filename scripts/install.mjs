// Runs at `npm install`: takes the prebuilt binary of this platform if its package is there and loads, else compiles; and has V8 compile `tenon/kernels`.
import { createRequire } from 'node:module';

function prebuiltLoads() {
  try {
    createRequire(import.meta.url)(`@tenon/${process.platform}-${process.arch}`);
    return true;
  } catch {
    return false;
  }
}

if (!prebuiltLoads()) await import('./build-native.mjs');
await import('./compile-kernels.mjs');
