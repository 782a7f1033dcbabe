import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

// What was compiled serves while no source is younger; else the sources run as they are.
function isCompiled(): boolean {
  const main = join(root, 'dist', 'src', 'cli', 'main.js');
  if (!existsSync(main)) return false;
  const built = statSync(main).mtimeMs;
  return ['src', 'grammar'].every((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).every(
      (f) => !f.endsWith('.ts') || statSync(join(root, folder, f)).mtimeMs <= built,
    ),
  );
}

const command: readonly string[] = isCompiled()
  ? [join(root, 'bin', 'tenon.js')]
  : ['--import', import.meta.resolve('tsx'), join(import.meta.dirname, 'tenon.ts')];

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts `tenon` as a user would. */
export const startTenon = (args: readonly string[], options: RunOptions = {}): ChildProcess =>
  spawn(process.execPath, [...command, ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export function whenEnded(child: ChildProcess): Promise<Ended> {
  let [out, err] = ['', ''];
  child.stdout!.on('data', (d: Buffer) => (out += d.toString()));
  child.stderr!.on('data', (d: Buffer) => (err += d.toString()));
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, out, err })));
}

/** Runs `tenon` to its end. */
export const tenon = (args: readonly string[], options: RunOptions = {}): Promise<Ended> =>
  whenEnded(startTenon(args, options));

/** The command as a shell takes it. */
export const shellCommand = (args: readonly string[]): string =>
  [process.execPath, ...command, ...args].map((a) => `'${a}'`).join(' ');

/** Runs a line of bash in which TENON stands for the command. */
export function tenonShell(line: string, options: RunOptions = {}): Promise<Ended> {
  const script = `set -o pipefail\n${line.replaceAll('TENON', () => shellCommand([]))}`;
  return whenEnded(
    spawn('bash', ['-c', script], {
      cwd: options.cwd ?? root,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

/** Whatever a command printed with `--json`: every line must be JSON. */
export const jsonLines = (text: string): readonly Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Record<string, unknown>);

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until it holds; throws after `seconds`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(20);
  }
}

/** Numbers of the live workers of a search. Run from the sources it has other children too. */
export function workersOf(pid: number): readonly number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' }).trim().split('\n');
  return rows
    .map((r) => r.trim().split(/\s+/))
    .filter(
      ([, parent, state, ...args]) =>
        Number(parent) === pid && !state!.startsWith('Z') && /worker\.[jt]s/.test(args.join(' ')),
    )
    .map(([child]) => Number(child));
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  return state !== '' && !state.startsWith('Z');
}

/** A folder that is gone when the process ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `tenon-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
