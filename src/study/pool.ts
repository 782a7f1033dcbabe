import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Began, Job, Outcome, Report, Verdict } from './protocol.ts';
import type { Cause } from './trial.ts';

export interface PoolOptions {
  /** Path of the worker's module. */
  readonly entry: string;
  readonly workers: number;
  /** Resident bytes a worker may use. */
  readonly memory: number;
  /** Seconds a job may take. */
  readonly timeout: number;
}

const WATCH_MS = 100;
const PAGE = 4096;
const STDERR_KEPT = 4096;
/** Processes that may die before they begin with a job. */
const STARTS = 3;

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
  readonly settle: (o: Outcome | 'never began') => void;
  readonly started: number;
  /** Whether the process said that it has the job: a death before that is none of the trial's. */
  began: boolean;
  /** Why this process was ended, where we did it. */
  verdict: { readonly cause: Cause; readonly message: string } | null;
}

/** One process, which does one job at a time until it dies. */
class Worker {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  private running: Running | null = null;
  private stderr = '';
  /** How it ended. */
  lastWords = '';
  private readonly options: PoolOptions;

  constructor(options: PoolOptions) {
    this.options = options;
    // In a session of its own: Ctrl-C of the terminal reaches the coordinator alone, which decides. Workers end when their channel closes.
    this.child = fork(options.entry, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true,
      // A debugger's port serves one process.
      execArgv: process.execArgv.filter((a) => !a.startsWith('--inspect')),
    });
    const watch = setInterval(() => this.watch(), WATCH_MS);
    watch.unref();
    this.child.stderr!.on('data', (d: Buffer) => (this.stderr = (this.stderr + d.toString()).slice(-STDERR_KEPT)));
    this.child.on('message', (m) => this.hear(m as Began | Report | Verdict));
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        clearInterval(watch);
        this.died(how);
        resolve();
      };
      this.child.on('error', (e) => {
        if (this.child.pid === undefined) end(`the worker could not be started (${e.message})`);
        else this.kill();
      });
      // 'close' comes after the last message and the last of stderr.
      this.child.on('close', (code, signal) =>
        end(signal ? `the worker was ended by ${signal}` : `the worker ended with code ${code}`),
      );
    });
  }

  get idle(): boolean {
    return this.running === null;
  }

  /** Whether it can be given a job: a process may have died without its end being known yet. */
  get usable(): boolean {
    return this.child.connected && this.child.exitCode === null && this.child.signalCode === null;
  }

  run(job: Job, onReport: (r: Report) => void): Promise<Outcome | 'never began'> {
    return new Promise((settle) => {
      this.stderr = '';
      this.running = { onReport, settle, started: performance.now(), began: false, verdict: null };
      this.child.send(job, (error) => {
        if (error) this.kill();
      });
    });
  }

  private seconds(running: Running): number {
    return (performance.now() - running.started) / 1000;
  }

  private hear(said: Began | Report | Verdict): void {
    const { running } = this;
    if (!running) return;
    running.began = true;
    if (said.kind === 'began') return;
    if (said.kind === 'epoch' || said.kind === 'progress') return running.onReport(said);
    this.running = null;
    running.settle(said);
  }

  private died(how: string): void {
    const { running } = this;
    if (!running) return;
    this.running = null;
    const last = this.stderr.trim().split('\n').at(-1) ?? '';
    this.lastWords = last === '' ? how : `${how}: ${last}`;
    if (!running.began && !running.verdict) return running.settle('never began');
    const verdict = running.verdict ?? { cause: 'crash' as const, message: this.lastWords };
    running.settle({ kind: 'died', ...verdict, seconds: this.seconds(running) });
  }

  private watch(): void {
    const { running } = this;
    if (!running || running.verdict || this.child.pid === undefined) return;
    const { memory, timeout } = this.options;
    const used = residentBytes(this.child.pid);
    if (used > memory) running.verdict = { cause: 'memory', message: `used ${gib(used)}, the limit is ${gib(memory)}` };
    else if (this.seconds(running) > timeout)
      running.verdict = { cause: 'timeout', message: `took more than ${timeout} s` };
    if (running.verdict) this.kill();
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** Workers are processes: a crash, a leak or a limit ends one attempt at one trial; a fresh process takes the place. They end when the coordinator does. */
export class WorkerPool {
  private readonly options: PoolOptions;
  private readonly workers = new Set<Worker>();
  private jobs = 0;
  private closed = false;

  constructor(options: PoolOptions) {
    this.options = options;
  }

  get idle(): number {
    return this.options.workers - this.jobs;
  }

  /** Numbers of the live processes. */
  get pids(): readonly number[] {
    return [...this.workers].flatMap((w) => (w.usable && w.child.pid !== undefined ? [w.child.pid] : []));
  }

  async run(job: Job, onReport: (r: Report) => void = () => {}): Promise<Outcome> {
    if (this.closed) throw new Error('bug: the pool is closed');
    if (this.idle === 0) throw new Error('bug: no worker is idle');
    this.jobs++;
    try {
      return await this.attempt(job, onReport);
    } finally {
      this.jobs--;
    }
  }

  private async attempt(job: Job, onReport: (r: Report) => void): Promise<Outcome> {
    let lastWords = '';
    for (let i = 0; i < STARTS && !this.closed; i++) {
      const worker = [...this.workers].find((w) => w.idle && w.usable) ?? this.start();
      const outcome = await worker.run(job, onReport);
      if (outcome !== 'never began') return outcome;
      ({ lastWords } = worker);
    }
    return { kind: 'died', cause: 'crash', message: `the worker does not start: ${lastWords}`, seconds: 0 };
  }

  private start(): Worker {
    const worker = new Worker(this.options);
    this.workers.add(worker);
    void worker.ended.then(() => this.workers.delete(worker));
    return worker;
  }

  /** Ends every process; jobs in progress settle as `died`. */
  async close(): Promise<void> {
    this.closed = true;
    const all = [...this.workers];
    for (const w of all) w.kill();
    await Promise.all(all.map((w) => w.ended));
  }
}
