/** Everything that a space, or a part of one, is made of: each object once. Texts and layers are left out. */
export function* partsOf<P extends object>(root: object): Iterable<P> {
  const seen = new Set<object>([root]);
  const stack: object[] = [root];
  for (let top = stack.pop(); top; top = stack.pop()) {
    yield top as P;
    for (const [key, value] of Object.entries(top)) {
      if (key === 'span' || key === 'layer' || typeof value !== 'object' || value === null) continue;
      const part = value as object;
      if (seen.has(part)) continue;
      seen.add(part);
      stack.push(part);
    }
  }
}
