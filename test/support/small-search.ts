import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../src/base/philox.ts';

/** A table of `rows` examples: is a*b more than c*d? */
export function writeTable(file: string, rows: number): void {
  const random = new Random('table', rows);
  const lines = Array.from({ length: rows }, () => {
    const [a, b, c, d] = [random.uniform(), random.uniform(), random.uniform(), random.uniform()];
    return `${[a, b, c, d].map((v) => v.toFixed(3)).join(',')},${a * b > c * d ? 'more' : 'less'}`;
  });
  writeFileSync(file, `a,b,c,d,y\n${lines.join('\n')}\n`);
}

export interface SmallProgram {
  readonly epochs?: number;
  /** Statements of `search`. */
  readonly search?: string;
  readonly optimizer?: string;
  readonly output?: string;
  readonly more?: string;
}

export function programText(p: SmallProgram = {}): string {
  return `space Small {
  input x: f32[B, 4]
  let act = relu | gelu | tanh
  output y = x -> ${p.output ?? '(dense(4 | 8 | 16 | 32) -> act){1..3} -> dense(2)'}
}
train {
  data csv("table.csv", label: "y")
  optimizer ${p.optimizer ?? 'adamw(lr: 1e-3..1e-1 log)'}
  batch 20
  epochs ${p.epochs ?? 2}
}
search {
  ${p.search ?? 'maximize accuracy with random budget 6 trials seed 3'}
}
${p.more ?? ''}`;
}

/** Writes a program and its table; gives the path of the program. */
export function writeSearch(folder: string, program: SmallProgram = {}, rows = 300): string {
  writeTable(join(folder, 'table.csv'), rows);
  const file = join(folder, 'small.space');
  writeFileSync(file, programText(program));
  return file;
}
