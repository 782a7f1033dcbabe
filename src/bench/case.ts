/** FLOPs by the operands of their products. */
export interface Least {
  readonly f32: number;
  readonly bf16: number;
}

/** Something to time: one call does `steps` steps' work. */
export interface Case {
  readonly name: string;
  /** Useful floating-point operations of a step, as the plain way counts them; 0 where none are counted. */
  readonly flop: number;
  /** What multiply-add units must do of them at the least, unless it is all of them in f32. */
  readonly least?: Least;
  /** Bytes that a step must move between memory and core; where it is said, it is what limits the case. */
  readonly bytes?: number;
  /** Examples of a step of training; 0 where it is no training. */
  readonly items: number;
  readonly steps: number;
  readonly run: () => void;
}

/** What can be timed: a name, the kind of work, its sizes. */
export interface CaseLine {
  readonly name: string;
  readonly kind: string;
  readonly words: readonly string[];
}

/** A kind of work: its sizes unless others are asked for, and how a line becomes cases. */
export interface CaseKind {
  readonly kind: string;
  /** Lines `NAME WORD…`, as they stand behind the kind. */
  readonly lines: readonly string[];
  /** One line may be several cases (forward; forward and backward); none where the sizes are of something that we do not have. */
  readonly cases: (line: CaseLine, threads: number) => readonly Case[];
  /** The plain work that work of these sizes is measured by, as a text `KIND WORD…`; null where there is none. */
  readonly over?: (words: readonly string[]) => string | null;
}
