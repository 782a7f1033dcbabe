import { EXIT } from './io.ts';

const ENDS = ['SIGTERM', 'SIGHUP'] as const;

/** Aborted at the first Ctrl-C, SIGTERM or SIGHUP; the second ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  for (const signal of ['SIGINT', ...ENDS] as const) process.on(signal, onSignal);
  return controller.signal;
}

/** Three steps: the first Ctrl-C drains, the second releases, the third ends the process. SIGTERM and SIGHUP release at once. */
export function drainAndRelease(onDrain: () => void): { readonly drain: AbortSignal; readonly release: AbortSignal } {
  const drain = new AbortController();
  const release = new AbortController();
  process.on('SIGINT', () => {
    if (release.signal.aborted) process.exit(EXIT.interrupted);
    if (drain.signal.aborted) return release.abort();
    drain.abort();
    onDrain();
  });
  for (const signal of ENDS) {
    process.on(signal, () => {
      if (release.signal.aborted) process.exit(EXIT.interrupted);
      drain.abort();
      release.abort();
    });
  }
  return { drain: drain.signal, release: release.signal };
}
