import { numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { OpDef } from '../ir/op.ts';
import { rowsOf } from './rows.ts';

/** More steps than a segment may have; cpp/exec/plan.h says the same. */
const MAX_STEPS = 64;
/** Fewer rows than this are too few to share among threads, unless there is little to share. */
const FEW_ROWS = 32;
const LITTLE = 16384;

/** One place of a step, in whatever memory is spoken of. */
interface Operand<Memory> {
  readonly memory: Memory;
  readonly byRow: boolean;
  readonly written: boolean;
}

/** What a step is to a segment. */
export interface Candidate<Memory> {
  readonly op: OpDef;
  readonly inputs: readonly (readonly [Memory, TensorType] | null)[];
  readonly outputs: readonly (readonly [Memory, TensorType])[];
}

interface Member<Memory> {
  readonly operands: readonly Operand<Memory>[];
  readonly rows: number;
  readonly elements: number;
}

/** Members that see each other's rows: `rows` divides those of each. */
interface Chain {
  readonly rows: number;
  readonly elements: number;
}

/** How two memories meet: not at all, byte for byte, or some other way. */
export type Meeting = 'apart' | 'same' | 'askew';

/**
 * For each step, in order, whether it runs without a barrier after the one before: both are row-local, and where it meets what another step of the
 * segment writes, or writes what another reads, both see the same rows of it.
 */
export function joins<Memory>(
  steps: readonly Candidate<Memory>[],
  meet: (a: Memory, b: Memory) => Meeting,
): readonly boolean[] {
  let segment = new Map<Member<Memory>, Chain>();
  return steps.map((step) => {
    const member = memberOf(step);
    const joined = member && segment.size > 0 && segment.size < MAX_STEPS ? withMember(segment, member, meet) : null;
    segment = joined ?? new Map(member ? [[member, member]] : []);
    return joined !== null;
  });
}

function memberOf<Memory>({ op, inputs, outputs }: Candidate<Memory>): Member<Memory> | null {
  const rows = rowsOf(
    op,
    inputs.map((v) => v && v[1]),
    outputs.map((v) => v[1]),
  );
  const elements = Math.max(...outputs.map(([, type]) => numel(type.shape)));
  if (!rows || elements === 0) return null;
  const read = inputs.flatMap((v, i) => (v ? [{ memory: v[0], byRow: rows.inputs[i]!, written: false }] : []));
  const written = outputs.map(([memory]) => ({ memory, byRow: true, written: true }));
  return { operands: [...read, ...written], rows: rows.count, elements };
}

// The segment once the member has joined; null where it cannot, or should not.
function withMember<Memory>(
  segment: ReadonlyMap<Member<Memory>, Chain>,
  added: Member<Memory>,
  meet: (a: Memory, b: Memory) => Meeting,
): Map<Member<Memory>, Chain> | null {
  const met = new Set<Chain>();
  for (const [member, chain] of segment) {
    const found = meeting(member, added, meet);
    if (found === 'askew') return null;
    if (found === 'same') met.add(chain);
  }
  const chain = [...met].reduce<Chain>(
    (a, b) => ({ rows: gcd(a.rows, b.rows), elements: Math.max(a.elements, b.elements) }),
    added,
  );
  if (met.size > 0 && chain.rows < FEW_ROWS && chain.elements >= LITTLE) return null;
  return new Map([...[...segment].map(([m, c]) => [m, met.has(c) ? chain : c] as const), [added, chain]]);
}

function meeting<Memory>(a: Member<Memory>, b: Member<Memory>, meet: (a: Memory, b: Memory) => Meeting): Meeting {
  let found: Meeting = 'apart';
  for (const x of a.operands)
    for (const y of b.operands) {
      if (!x.written && !y.written) continue;
      const how = meet(x.memory, y.memory);
      if (how === 'apart') continue;
      if (how === 'askew' || !x.byRow || !y.byRow) return 'askew';
      found = 'same';
    }
  return found;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
