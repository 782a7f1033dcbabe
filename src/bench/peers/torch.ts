import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { packageRoot } from '../../native/load.ts';
import type { PeerDef, PeerTime } from '../peer.ts';

const START_MS = 60_000;

/** PyTorch in a process of its own, of `python3` or what TENON_PYTHON names, that is asked for one case after the other. */
export const torch: PeerDef = {
  name: 'torch',
  open: async (threads) => {
    const python = process.env['TENON_PYTHON'] || 'python3';
    const child = spawn(python, [join(packageRoot(), 'scripts', 'bench-torch.py'), String(threads)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (d) => (said += String(d)));
    child.stdin.on('error', () => {});
    const failed = new Promise<string>((resolve) => {
      child.on('error', (e) => resolve(`does not start (${e.message})`));
      child.on('exit', () => resolve(said.trim().split('\n').at(-1) || 'ended without a word'));
      setTimeout(() => resolve(`no answer in ${START_MS / 1000} s`), START_MS).unref();
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<unknown> => {
      const line = await Promise.race([lines.next(), failed]);
      if (typeof line !== 'string' && !line.done) return JSON.parse(line.value);
      throw new Error(await failed);
    };
    const hello = await next().catch((e: unknown) => (e as Error).message);
    if (typeof hello === 'string') {
      child.kill();
      return `${python}: ${hello}`;
    }
    return {
      name: 'torch',
      version: (hello as { version: string }).version,
      measure: async (line, seconds) => {
        child.stdin.write(`${JSON.stringify({ ...line, seconds })}\n`);
        return (await next()) as readonly PeerTime[];
      },
      close: () => void child.kill(),
    };
  },
};
