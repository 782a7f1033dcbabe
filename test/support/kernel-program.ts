import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CPP = join(import.meta.dirname, '../../cpp');
const TARGET = process.arch === 'x64' ? ['-march=x86-64-v2'] : [];
const FLAGS = ['-std=c++20', '-O2', '-fno-math-errno', '-ffp-contract=fast', '-Wno-psabi', '-DTENON_VBYTES=16'];

/** What a C++ program over kernels, compiled from `source` and files of cpp for vectors of 16 bytes, prints for `input`, line by line. */
export function linesOf(source: string, kernels: readonly string[], input = ''): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'tenon-'));
  try {
    const program = join(folder, 'program');
    const isa = process.arch === 'arm64' ? 'neon' : 'base';
    const sources = [source, ...kernels.map((file) => join(CPP, file))];
    const compiler = process.env['CXX'] ?? 'c++';
    execFileSync(compiler, [...FLAGS, ...TARGET, `-DTENON_ISA=${isa}`, `-I${CPP}`, ...sources, '-o', program]);
    return execFileSync(program, { input, encoding: 'utf8' }).trim().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
