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
    this.timer = setInterval(() => this.redraw(), FRAME_MS);
  }

  // Longer lines would wrap, and leave traces when they are erased.
  private redraw(): void {
    const width = Math.max(20, (process.stdout.columns || 80) - 1);
    this.update(
      this.draw()
        .map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line))
        .join('\n'),
    );
  }

  /** A line that stays. */
  say(line: string): void {
    if (this.timer) this.update.clear();
    this.io.out(line);
    if (this.timer) this.redraw();
  }

  stop(): void {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.update.clear();
    this.update.done();
  }
}

/** Time left by the share that is done; `startedMs` by performance.now. */
export function eta(startedMs: number, share: number): string {
  if (share <= 0) return '';
  const passed = (performance.now() - startedMs) / 1000;
  return `ETA ${duration((passed / share) * (1 - share))}`;
}
