import { distance } from 'fastest-levenshtein';

/** The nearest of `names`, where it is near enough to have been meant, at `most` so many letters off; else null. */
export function nearest(name: string, names: Iterable<string>, most = 3): string | null {
  if (name.length < 2) return null;
  let best: string | null = null;
  let least = Infinity;
  const wanted = name.toLowerCase();
  for (const candidate of names) {
    if (candidate === name || Math.abs(candidate.length - name.length) > 3) continue;
    const d = edits(wanted, candidate.toLowerCase());
    if (d < least || (d === least && best !== null && candidate < best)) {
      least = d;
      best = candidate;
    }
  }
  const limit = Math.min(most, name.length < 4 ? 1 : name.length < 8 ? 2 : 3);
  return least <= limit && least < name.length / 2 ? best : null;
}

// Two neighbours that changed places are one mistake.
function edits(a: string, b: string): number {
  if (a.length === b.length) {
    const i = [...a].findIndex((c, k) => c !== b[k]);
    if (i >= 0 && a.slice(0, i) + (a[i + 1] ?? '') + a[i]! + a.slice(i + 2) === b) return 1;
  }
  return distance(a, b);
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
