import { distance } from 'fastest-levenshtein';

/** The nearest of `names`, where it is near enough to have been meant; else null. */
export function nearest(name: string, names: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Infinity;
  const wanted = name.toLowerCase();
  for (const candidate of names) {
    if (candidate === name || Math.abs(candidate.length - name.length) > 3) continue;
    const d = distance(wanted, candidate.toLowerCase());
    if (d < least || (d === least && best !== null && candidate < best)) {
      least = d;
      best = candidate;
    }
  }
  const limit = name.length < 4 ? 1 : name.length < 8 ? 2 : 3;
  return least <= limit ? best : null;
}

/** A hint with the nearest name, or ''. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = nearest(name, names);
  return near === null ? '' : `did you mean \`${near}\`?`;
}

/** `a, b, c or d`. */
export function oneOf(names: readonly string[]): string {
  if (names.length <= 1) return names.join('');
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)!}`;
}
