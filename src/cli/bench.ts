import { cpus } from 'node:os';
import { compare } from '../bench/compare.ts';
import type { BenchRow } from '../bench/compare.ts';
import type { CaseLine } from '../bench/case.ts';
import { chosenLines, ownLines } from '../bench/kinds.ts';
import type { Peer, PeerDef } from '../bench/peer.ts';
import { onnxruntime } from '../bench/peers/onnxruntime.ts';
import { torch } from '../bench/peers/torch.ts';
import { roofline } from '../bench/roofline.ts';
import type { Roofline } from '../bench/roofline.ts';
import { info } from '../native/native.ts';
import { nearest } from '../base/nearest.ts';
import { Unfit } from '../base/unfit.ts';
import { benchOver } from './bench-over.ts';
import type { CommandDef, Options } from './command.ts';
import { quantityOption, SECONDS, textOption, wholeOption } from './command.ts';
import { table } from './format.ts';
import { interruptSignal } from './interrupt.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { threadsOf } from './load.ts';

const PEERS: readonly PeerDef[] = [torch, onnxruntime];

export const bench: CommandDef = {
  options: [
    {
      flags: '--filter <pattern>',
      doc: "only cases whose names match, such as 'conv/*'; or a case of other sizes, such as 'gemm 300 300 300'",
    },
    { flags: '--seconds <s>', doc: 'a case is timed for so long each round; 0.3s unless given, 0.05s with --over' },
    {
      flags: '--rounds <n>',
      doc: 'rounds; the middle one counts. 1 unless given, 3 with --peers, 21 with --over',
    },
    {
      flags: '--over [case]',
      doc: 'times each case by turns with another of ours, and prints the ratio; without a name with the plain work that it stands for',
    },
    {
      flags: '--peers',
      doc: 'also times PyTorch (of python3) and onnxruntime-node where they are installed, in turn with ours',
    },
  ],
  run: (io, _args, options) => timed(io, options).catch(sayUnfit),
};

async function timed(io: Io, options: Options): Promise<number> {
  const threads = threadsOf(options);
  const given = {
    seconds: quantityOption(options, 'seconds', SECONDS),
    rounds: wholeOption(options, 'rounds', 1, 1000),
  };
  const withPeers = options['peers'] === true;
  const lines = linesOf('filter', textOption(options, 'filter') ?? '*');
  if (options['over'] !== undefined) {
    if (withPeers) throw new Exit(EXIT.usage, 'error: --over and --peers are two ways of timing: give one of them');
    const { seconds, rounds } = given;
    return benchOver(io, lines, overLine(options), { threads, seconds: seconds ?? 0.05, rounds: rounds ?? 21 });
  }
  const seconds = given.seconds ?? 0.3;
  const rounds = given.rounds ?? (withPeers ? 3 : 1);
  const peers = withPeers ? await openPeers(io, threads) : [];
  const rows: BenchRow[] = [];
  const signal = interruptSignal();
  try {
    const roof = await roofline(threads);
    sayMachine(io, roof, peers);
    for (const line of lines) {
      const found = await compare(line, { threads, seconds, rounds, peers, roof });
      rows.push(...found);
      if (io.json) found.forEach((row) => io.data(row));
      else if (io.isTerminal) io.err(io.colors.dim(line.name));
      await signalsSeen();
      signal.throwIfAborted();
    }
    return EXIT.done;
  } catch (e) {
    throw signal.aborted ? new Exit(EXIT.interrupted, 'interrupted') : e;
  } finally {
    // What was timed until then, whatever ended it.
    if (!io.json && rows.length > 0) for (const text of benchTable(rows, peers)) io.out(text);
    for (const peer of peers) peer.close();
  }
}

// They come between turns of the event loop, which a case without a peer never waits for.
const signalsSeen = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// Sizes that came from the command line need not go together.
function sayUnfit(e: unknown): never {
  throw e instanceof Unfit ? new Exit(EXIT.usage, `error: these sizes do not fit: ${e.message}`) : e;
}

function linesOf(option: string, pattern: string): readonly CaseLine[] {
  const chosen = chosenLines(pattern);
  if (chosen.length > 0) return chosen;
  const lines = ownLines();
  const near = nearest(pattern, [...lines.map((l) => l.name), ...lines.map((l) => [l.kind, ...l.words].join(' '))]);
  const hint = near ? `; did you mean ${near}?` : '';
  const text = JSON.stringify(pattern);
  throw new Exit(EXIT.usage, `error: --${option} ${text} matches none of the ${lines.length} cases${hint}`);
}

/** The case that the others are to be timed by; null where each has its own. */
function overLine(options: Options): CaseLine | null {
  if (options['over'] === true) return null;
  const pattern = textOption(options, 'over')!;
  const found = linesOf('over', pattern);
  if (found.length === 1) return found[0]!;
  const names = found.map((l) => l.name).join(', ');
  throw new Exit(EXIT.usage, `error: --over takes one case, and ${JSON.stringify(pattern)} matches ${names}`);
}

async function openPeers(io: Io, threads: number): Promise<readonly Peer[]> {
  const found: Peer[] = [];
  for (const def of PEERS) {
    const peer = await def.open(threads);
    if (typeof peer === 'string') io.err(`${def.name} is left out: ${peer}`);
    else found.push(peer);
  }
  return found;
}

function sayMachine(io: Io, roof: Roofline, peers: readonly Peer[]): void {
  const { isa } = info();
  if (io.json) {
    const none = { ratio: null, ofRoof: null, peer: 'ours', threads: roof.threads };
    io.data({ case: 'machine/multiply-add', ...none, ms: null, gflops: roof.gflops });
    io.data({ case: 'machine/multiply-add-bf16', ...none, ms: null, gflops: roof.bf16Gflops });
    return io.data({ case: 'machine/read', ...none, ms: null, gflops: null, gbs: roof.gbs });
  }
  const cpu = cpus()[0]?.model.trim() ?? 'unknown processor';
  const beside = peers.map((p) => `, ${p.name} ${p.version}`).join('');
  io.out(io.colors.dim(`${cpu}, ${isa}, threads: ${roof.threads}, node ${process.versions.node}${beside}`));
  const [f32, bf16] = [roof.gflops, roof.bf16Gflops].map((n) => n.toFixed(0));
  io.out(`roofline: ${f32} GFLOP/s multiply-add, ${bf16} of bf16, ${roof.gbs.toFixed(1)} GB/s read from memory`);
}

const digits = (n: number | null, places: number): string => (n === null ? '-' : n.toFixed(places));
const milliseconds = (ms: number | null): string => (ms === null ? '-' : String(Number(ms.toPrecision(3))));

/** A case a row: ours, then each peer and how many times as long as ours it took. */
function benchTable(rows: readonly BenchRow[], peers: readonly Peer[]): readonly string[] {
  const of = (name: string, peer: string): BenchRow | undefined => rows.find((r) => r.case === name && r.peer === peer);
  const names = [...new Set(rows.map((r) => r.case))];
  const cells = names.map((name) => {
    const ours = of(name, 'ours');
    const share = ours?.ofRoof ?? null;
    return [
      name,
      ours?.error ?? milliseconds(ours?.ms ?? null),
      digits(ours?.gflops ?? null, 1),
      share === null ? '-' : `${(100 * share).toFixed(0)}%`,
      ...peers.flatMap((p) => {
        const found = of(name, p.name);
        return [milliseconds(found?.ms ?? null), found?.ratio ? `${found.ratio.toFixed(2)}x` : '-'];
      }),
    ];
  });
  const head = ['case', 'ms', 'GFLOP/s', 'of roofline', ...peers.flatMap((p) => [`${p.name} ms`, 'ratio'])];
  const beyond = rows.some((r) => r.ofRoof !== null && r.ofRoof > 1.005);
  return [...table(head, cells), ...(beyond ? ['more than 100%: caches held what the roofline has from memory'] : [])];
}
