import type { CaseLine } from './case.ts';

/** Median of a step of a case. */
export interface PeerTime {
  readonly case: string;
  readonly ms: number;
}

/** Another library on this machine, ready to be timed. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** The line's cases that it has, each timed for about `seconds`; none where it has none. */
  readonly measure: (line: CaseLine, seconds: number) => Promise<readonly PeerTime[]>;
  readonly close: () => void;
}

export interface PeerDef {
  readonly name: string;
  /** The peer, or why it cannot be had. */
  readonly open: (threads: number) => Promise<Peer | string>;
}
