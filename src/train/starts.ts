import { DataError } from '../data/error.ts';
import { readSafetensors, tensorFile } from '../data/safetensors.ts';
import type { StoredTensor, Tensors } from '../data/safetensors.ts';
import type { Given } from '../ir/leaf.ts';
import type { Store } from '../native/native.ts';
import { initialGraph } from './graphs.ts';
import type { StoreLeaf } from './graphs.ts';
import { Runnable } from './session.ts';
import { floatsOf } from './tensors.ts';

/**
 * Puts every tensor into the store: those of `weights`, and the starts of the rest; fixed ones are always made anew. Throws DataError where a file does not
 * hold what the program was checked with.
 */
export async function startStore(
  store: Store,
  leaves: readonly StoreLeaf[],
  weights: ReadonlyMap<string, StoredTensor> | null,
  run: { readonly seed: number; readonly threads: number },
): Promise<void> {
  const files = new Map<string, Tensors>();
  const drawn: StoreLeaf[] = [];
  for (const leaf of leaves) {
    const { name, type } = leaf;
    const known = leaf.kind === 'fixed' ? given(leaf, files) : weights?.get(name);
    const floats = known instanceof Float32Array ? known : known ? floatsOf(known) : null;
    if (!floats) drawn.push(leaf);
    store.write(name, 'f32', type.shape, floats);
  }
  if (drawn.length === 0) return;
  const start = new Runnable(initialGraph(drawn, run.seed));
  await start.run(store, {}, { steps: 1, threads: run.threads }).finally(() => start.close());
}

// Null: numbers that are drawn.
function given(
  { name, init }: { readonly name: string; readonly init: Given },
  files: Map<string, Tensors>,
): Float32Array | StoredTensor | null {
  if (init.kind === 'normal' || init.kind === 'norms') return null;
  if (init.kind === 'table') return Float32Array.from(init.values);
  const { path, hash } = init.file;
  let file = files.get(path);
  if (!file) {
    if (tensorFile(path).hash !== hash)
      throw new DataError('mismatch', path, 'it has changed since the program was checked');
    files.set(path, (file = readSafetensors(path)));
  }
  const found = file.tensors.get(init.tensor ?? name);
  if (!found) throw new DataError('mismatch', path, `there is no tensor ${init.tensor ?? name}`);
  return found;
}
