import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Who holds a study: told apart from a later process with the same number by its start time. */
export interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly started: string;
}

// Field 22 of /proc/PID/stat is the start time in ticks since boot; the boot itself has an id.
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    return state === 'Z' ? 'dead' : `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${ticks}`;
  } catch {
    return '';
  }
}

export const thisHolder = (): Holder => ({ host: hostname(), pid: process.pid, started: startTime(process.pid) });

/** Whether the process still lives. Of another host nothing is known: it counts as alive. */
export function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = startTime(holder.pid);
  return now === '' || holder.started === '' || now === holder.started;
}
