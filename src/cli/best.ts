import { copyFileSync, existsSync } from 'node:fs';
import { compileText } from '../compile.ts';
import { paretoFront } from '../search/history.ts';
import { historyOf, weightsOf } from '../study/search-run.ts';
import { Study } from '../study/study.ts';
import type { Trial } from '../study/study.ts';
import type { CommandDef } from './command.ts';
import { textOption } from './command.ts';
import { figure, short } from './format.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { trialJson } from './trials.ts';

function print(io: Io, t: Trial, test: Readonly<Record<string, number>> | null): void {
  const figures = Object.entries(t.metrics ?? {}).map(([name, v]) => `${name} ${figure(v)}`);
  io.out(io.colors.dim(`// trial ${t.trial}: ${figures.join(', ')}, params ${short(t.measures['params'] ?? 0)}`));
  if (test)
    io.out(
      io.colors.dim(
        `// test: ${Object.entries(test)
          .map(([name, v]) => `${name} ${figure(v)}`)
          .join(', ')}`,
      ),
    );
  io.out(t.program.trimEnd());
}

export const best: CommandDef = {
  name: 'best',
  summary: 'the best architecture of a study as a program; with several objectives the Pareto set',
  usage: '<study>',
  options: [{ flags: '--safetensors <file>', doc: 'writes the weights of the best' }],
  run: async (io, [path], options) => {
    const study = await Study.read(path!);
    try {
      const { objectives } = compileText(study.head.source, study.head.file, study.head.space).program.search;
      const history = historyOf(study, objectives);
      const top = history.best();
      if (!top) throw new Exit(EXIT.input, `error: ${path}: no trial is complete yet`);
      const all = study.trials();
      const front =
        objectives.length > 1 ? paretoFront(history.trials, objectives).map((t) => all[t.trial]!) : [all[top.trial]!];
      const to = textOption(options, 'safetensors');
      if (to !== null) copyWeights(study, top.trial, to);
      const test = study.test();
      if (io.json)
        io.data(
          objectives.length > 1 ? front.map(trialJson) : { ...trialJson(front[0]!), test: test?.metrics ?? null },
        );
      else front.forEach((t) => print(io, t, test?.trial === t.trial ? test.metrics : null));
    } finally {
      study.close();
    }
    return EXIT.done;
  },
};

function copyWeights(study: Study, trial: number, to: string): void {
  const from = weightsOf(study, trial);
  if (!existsSync(from)) throw new Exit(EXIT.input, `error: the weights of trial ${trial} are gone: ${from}`);
  copyFileSync(from, to);
}
