import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Who holds a study: told apart from a later process of the same number by its start time, and from its own earlier hold by a token. */
export interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly started: string;
  readonly token: string;
  /** Milliseconds since 1970: when it last gave a sign of life. */
  readonly seen: number;
}

/** A holder gives a sign so often; on another host one without a sign for so long is taken for dead. */
export const BEAT_MS = 5_000;
const SILENT_MS = 60_000;

// Field 22 of /proc/PID/stat is the start time in ticks since boot; the boot itself has an id.
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z'
      ? 'dead'
      : `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
  } catch {
    return '';
  }
}

export const thisHolder = (): Holder => ({
  host: hostname(),
  pid: process.pid,
  started: startTime(process.pid),
  token: randomUUID(),
  seen: Date.now(),
});

/** Whether the process still lives. Of another host only its signs of life are known. */
export function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return Math.abs(Date.now() - holder.seen) < SILENT_MS;
  try {
    process.kill(holder.pid, 0);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = startTime(holder.pid);
  return now === '' || holder.started === '' || now === holder.started;
}

/** Who it is, and what to do, in words. */
export function describeHolder(holder: Holder): string {
  if (holder.host === hostname()) {
    return holder.pid === process.pid
      ? 'this process is running this search already'
      : `process ${holder.pid} is running this search`;
  }
  const ago = Math.round((Date.now() - holder.seen) / 1000);
  return `process ${holder.pid} on ${holder.host} is running this search (its last sign of life is ${ago} s old; ${SILENT_MS / 1000} s after the last one it may be taken over)`;
}
