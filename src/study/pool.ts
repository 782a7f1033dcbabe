import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Cause } from './study.ts';
import type { Job, Outcome, Report } from './protocol.ts';

export interface PoolOptions {
  /** Path of the worker's module. */
  readonly entry: string;
  readonly workers: number;
  /** Resident bytes a worker may use. */
  readonly memory: number;
  /** Seconds a job may take. */
  readonly timeout: number;
}

const POLL_MS = 250;
const PAGE = 4096;
const STDERR_KEPT = 4096;

function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE;
  } catch {
    return 0;
  }
}

const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(2)} GiB`;

interface Running {
  readonly onReport: (r: Report) => void;
  readonly settle: (o: Outcome) => void;
  readonly started: number;
  verdict: { cause: Cause; message: string } | null;
}

/** One process that does one job at a time. A process that dies is replaced at the next job. */
class Worker {
  private child: ChildProcess | null = null;
  private running: Running | null = null;
  private stderr = '';
  private readonly options: PoolOptions;

  constructor(options: PoolOptions) {
    this.options = options;
  }

  get idle(): boolean {
    return this.running === null;
  }

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  run(job: Job, onReport: (r: Report) => void): Promise<Outcome> {
    const child = this.child ?? this.start();
    return new Promise((resolve) => {
      this.stderr = '';
      this.running = { onReport, settle: resolve, started: Date.now(), verdict: null };
      child.send(job, (error) => {
        if (error) child.kill('SIGKILL');
      });
    });
  }

  private start(): ChildProcess {
    const child = fork(this.options.entry, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child = child;
    const watch = setInterval(() => this.watch(child), POLL_MS);
    watch.unref();
    child.stderr!.on('data', (d: Buffer) => {
      this.stderr = (this.stderr + d.toString()).slice(-STDERR_KEPT);
    });
    child.on('message', (m) => this.hear(m as Report));
    child.on('error', () => child.kill('SIGKILL'));
    // 'close' comes after the last message and the last of stderr.
    child.on('close', (code, signal) => {
      clearInterval(watch);
      this.child = null;
      this.died(code, signal);
    });
    return child;
  }

  private hear(report: Report): void {
    const running = this.running;
    if (!running) return;
    if (report.kind !== 'done' && report.kind !== 'failed') return running.onReport(report);
    this.running = null;
    running.settle(report);
  }

  private died(code: number | null, signal: NodeJS.Signals | null): void {
    const running = this.running;
    if (!running) return;
    this.running = null;
    const last = this.stderr.trim().split('\n').at(-1) ?? '';
    const how = signal ? `the worker was ended by ${signal}` : `the worker ended with code ${code}`;
    const verdict = running.verdict ?? { cause: 'crash' as const, message: last === '' ? how : `${how}: ${last}` };
    running.settle({ kind: 'died', ...verdict, seconds: (Date.now() - running.started) / 1000 });
  }

  private watch(child: ChildProcess): void {
    const running = this.running;
    if (!running || running.verdict || child.pid === undefined) return;
    const used = residentBytes(child.pid);
    if (used > this.options.memory) {
      running.verdict = { cause: 'memory', message: `used ${gib(used)}, the limit is ${gib(this.options.memory)}` };
    } else if (Date.now() - running.started > this.options.timeout * 1000) {
      running.verdict = { cause: 'timeout', message: `took more than ${this.options.timeout} s` };
    }
    if (running.verdict) child.kill('SIGKILL');
  }

  close(): Promise<void> {
    const child = this.child;
    if (!child) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('close', () => resolve());
      child.kill('SIGKILL');
    });
  }
}

/** Workers are processes: a crash, a leak or a limit ends one attempt at one trial. They end when the coordinator does. */
export class WorkerPool {
  private readonly workers: readonly Worker[];

  constructor(options: PoolOptions) {
    this.workers = Array.from({ length: options.workers }, () => new Worker(options));
  }

  get idle(): number {
    return this.workers.filter((w) => w.idle).length;
  }

  /** Numbers of the live processes. */
  get pids(): readonly number[] {
    return this.workers.flatMap((w) => w.pid ?? []);
  }

  run(job: Job, onReport: (r: Report) => void = () => {}): Promise<Outcome> {
    const worker = this.workers.find((w) => w.idle);
    if (!worker) throw new Error('bug: no worker is idle');
    return worker.run(job, onReport);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((w) => w.close()));
  }
}
