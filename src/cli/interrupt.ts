/** Aborted at the first Ctrl-C or SIGTERM; the second ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}

/** Two steps: the first Ctrl-C drains, the second releases, the third ends the process. */
export function drainAndRelease(): { readonly drain: AbortSignal; readonly release: AbortSignal } {
  const drain = new AbortController();
  const release = new AbortController();
  const onInterrupt = (): void => {
    if (release.signal.aborted) process.exit(130);
    (drain.signal.aborted ? release : drain).abort();
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', () => {
    drain.abort();
    release.abort();
  });
  return { drain: drain.signal, release: release.signal };
}
