import { diagnosticToJson, hasErrors } from '../base/diagnostic.ts';
import { check as checkText } from '../lang/check.ts';
import { nearest } from '../base/nearest.ts';
import { count } from '../space/count.ts';
import { decisions } from '../space/decisions-of.ts';
import { ranges } from '../space/ranges.ts';
import type { Program, Space } from '../space/space.ts';
import type { CommandDef } from './command.ts';
import { textOption } from './command.ts';
import { bytes, countJson, countText, short } from './format.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { readProgram, sayDiagnostics, SPACE_OPTION } from './load.ts';
import { searchShown, shownText, trainShown } from './settings.ts';

function printSpace(io: Io, space: Space): void {
  const { bold, dim } = io.colors;
  const r = ranges(space);
  const line = (name: string, text: string): void => io.out(`  ${dim(name.padEnd(8))} ${text}`);
  const span = (show: (n: number) => string, range: { min: number; max: number }): string =>
    range.min === range.max ? show(range.min) : `${show(range.min)} to ${show(range.max)}`;
  const total = count(space);
  const n = decisions(space);
  io.out(
    `${bold(`space ${space.name}`)}: ${countText(total)} architecture${total.exact === 1n ? '' : 's'}, ${n} decision${n === 1 ? '' : 's'}`,
  );
  line('params', span(short, r.params));
  line('macs', span(short, r.macs));
  line('flops', span(short, r.flops));
  line('memory', span(bytes, r.memory));
  line('depth', span(short, r.depth));
  line('train', shownText(trainShown(space.train)));
}

const bounds = (r: { readonly min: number; readonly max: number }): object => ({ min: r.min, max: r.max });

function spaceJson(space: Space, program: Program): object {
  const r = ranges(space);
  return {
    count: countJson(count(space)),
    decisions: decisions(space),
    params: bounds(r.params),
    macs: bounds(r.macs),
    flops: bounds(r.flops),
    memory: bounds(r.memory),
    depth: bounds(r.depth),
    train: trainShown(space.train),
    search: searchShown(program.search),
  };
}

function spacesNamed(file: string, program: Program, name: string | null): readonly Space[] {
  const found = program.spaces.filter((s) => name === null || s.name === name);
  if (found.length > 0 || name === null) return found;
  const names = program.spaces.map((s) => s.name);
  const near = nearest(name, names);
  throw new Exit(
    EXIT.input,
    `error: ${file}: there is no space ${name}; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ') || 'none'}${near ? `. Did you mean ${near}?` : ''}`,
  );
}

export const check: CommandDef = {
  options: [SPACE_OPTION],
  run: (io, [file], options) => {
    const { program, diagnostics } = checkText(readProgram(file!), file!);
    const failed = hasErrors(diagnostics);
    const spaces = program && !failed ? spacesNamed(file!, program, textOption(options, 'space')) : [];
    if (io.json) {
      const space = spaces.at(-1);
      io.data({
        file,
        space: space?.name ?? null,
        edition: 1,
        diagnostics: diagnostics.map(diagnosticToJson),
        ...(space && program ? spaceJson(space, program) : {}),
      });
    } else {
      sayDiagnostics(io, diagnostics);
      spaces.forEach((s) => printSpace(io, s));
      if (program && spaces.length > 0)
        io.out(`${io.colors.bold('search')}: ${shownText(searchShown(program.search))}`);
    }
    return Promise.resolve(failed ? EXIT.input : EXIT.done);
  },
};
