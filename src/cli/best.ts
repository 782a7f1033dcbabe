import { copyFileSync, existsSync } from 'node:fs';
import { paretoFront } from '../search/history.ts';
import { historyOf } from '../study/search-run.ts';
import { weightsOf } from '../study/files.ts';
import { Study } from '../study/study.ts';
import type { Metrics, Trial } from '../study/trial.ts';
import type { CommandDef } from './command.ts';
import { textOption } from './command.ts';
import { figuresText, short } from './format.ts';
import { EXIT, Exit, printable } from './io.ts';
import type { Io } from './io.ts';
import { trialJson } from './trials.ts';
import { replaceFile } from './write.ts';

function print(io: Io, t: Trial, test: Metrics | null): void {
  const { dim } = io.colors;
  io.out(dim(`// trial ${t.trial}: ${figuresText(t.metrics ?? {}, ', ')}, params ${short(t.measures['params'] ?? 0)}`));
  if (test) io.out(dim(`// test: ${figuresText(test, ', ')}`));
  io.out(t.program.trimEnd());
}

export const best: CommandDef = {
  options: [{ flags: '--safetensors <file>', doc: 'writes the weights of the best' }],
  run: async (io, [path], options) => {
    const study = await Study.read(path!);
    try {
      const history = historyOf(study);
      const top = history.best();
      if (!top) throw new Exit(EXIT.input, `error: ${path}: no trial is complete yet`);
      const many = history.objectives.length > 1;
      const front = many ? paretoFront(history.trials, history.objectives) : [top];
      const rows = front.map(({ trial }) => ({ trial: study.trial(trial), test: study.test(trial) }));
      const to = textOption(options, 'safetensors');
      if (to !== null) copyWeights(study, top.trial, to);
      const documents = rows.map((r) => ({ ...trialJson(r.trial), test: r.test }));
      if (io.json) io.data(many ? documents : documents[0]);
      else
        rows.forEach((r, i) => {
          if (i > 0) io.out('');
          print(io, r.trial, r.test);
        });
    } finally {
      study.close();
    }
    return EXIT.done;
  },
};

function copyWeights(study: Study, trial: number, to: string): void {
  const from = weightsOf(study.path, trial);
  if (!existsSync(from)) {
    throw new Exit(EXIT.input, `error: the weights of trial ${trial} are gone: there is no ${printable(from)}`);
  }
  replaceFile(to, (path) => copyFileSync(from, path));
}
