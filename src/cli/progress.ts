import { createLogUpdate } from 'log-update';
import { duration } from './format.ts';
import type { Io } from './io.ts';

/** `━━━━━╌╌╌` for a share of a width. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '━'.repeat(full) + '╌'.repeat(width - full);
}

const FRAME_MS = 100;

/** Live lines at the foot of the terminal, redrawn at most ten times a second; lines said meanwhile scroll above. Silent where nobody watches. */
export class LiveLines {
  private readonly update = createLogUpdate(process.stdout, { showCursor: false });
  private readonly io: Io;
  private readonly draw: () => readonly string[];
  private timer: NodeJS.Timeout | null = null;

  constructor(io: Io, draw: () => readonly string[]) {
    this.io = io;
    this.draw = draw;
  }

  start(): void {
    if (!this.io.isTerminal) return;
    this.timer = setInterval(() => this.update(this.draw().join('\n')), FRAME_MS);
  }

  /** A line that stays. */
  say(line: string): void {
    if (this.timer) this.update.clear();
    this.io.out(line);
    if (this.timer) this.update(this.draw().join('\n'));
  }

  stop(): void {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.update.clear();
    this.update.done();
  }
}

/** Time left by the share that is done. */
export function eta(startedMs: number, share: number): string {
  if (share <= 0) return '';
  const passed = (Date.now() - startedMs) / 1000;
  return `ETA ${duration((passed / share) * (1 - share))}`;
}
