/** Made at the first call, and remembered. */
export function lazily<V>(make: () => V): () => V {
  let done: { readonly value: V } | null = null;
  let busy = false;
  return () => {
    if (done) return done.value;
    if (busy) throw new Error('bug: something is defined by itself');
    busy = true;
    try {
      done = { value: make() };
    } finally {
      busy = false;
    }
    return done.value;
  };
}
