import { diagnosticToJson, hasErrors } from '../base/diagnostic.ts';
import { check as checkText } from '../lang/check.ts';
import { renderDiagnostics } from '../lang/render.ts';
import { count } from '../space/count.ts';
import { decisions } from '../space/decisions-of.ts';
import { ranges } from '../space/ranges.ts';
import type { Space } from '../space/space.ts';
import type { CommandDef } from './command.ts';
import { textOption } from './command.ts';
import { bytes, grouped, short } from './format.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { readProgram, SPACE_OPTION } from './load.ts';

export const countJson = (c: ReturnType<typeof count>): Record<string, unknown> => ({
  exact: c.exact === null ? null : c.exact.toString(),
  low: c.low.toString(),
  high: c.high.toString(),
});

export const countText = (c: ReturnType<typeof count>): string =>
  c.exact !== null ? grouped(c.exact) : `between ${grouped(c.low)} and ${grouped(c.high)} (an estimate)`;

function printSpace(io: Io, space: Space): void {
  const { bold, dim } = io.colors;
  const r = ranges(space);
  const span = (name: string, show: (n: number) => string, range: { min: number; max: number }): string =>
    `  ${dim(name.padEnd(10))} ${range.min === range.max ? show(range.min) : `${show(range.min)} to ${show(range.max)}`}`;
  io.out(`${bold(`space ${space.name}`)}: ${countText(count(space))} architectures, ${decisions(space)} decisions`);
  io.out(span('params', short, r.params));
  io.out(span('macs', short, r.macs));
  io.out(span('flops', short, r.flops));
  io.out(span('memory', bytes, r.memory));
  io.out(span('depth', short, r.depth));
}

const bounds = (r: { readonly min: number; readonly max: number }): object => ({ min: r.min, max: r.max });

export const check: CommandDef = {
  name: 'check',
  summary: 'diagnostics, exact count, decisions, ranges of params, FLOPs and memory',
  usage: '<file>',
  options: [SPACE_OPTION],
  run: (io, [file], options) => {
    const { program, diagnostics } = checkText(readProgram(file!), file!);
    const failed = hasErrors(diagnostics);
    const name = textOption(options, 'space');
    const spaces = program && !failed ? program.spaces.filter((s) => name === null || s.name === name) : [];
    if (name !== null && !failed && spaces.length === 0) {
      throw new Exit(
        EXIT.input,
        `error: ${file}: there is no space ${name}; there are ${program!.spaces.map((s) => s.name).join(', ')}`,
      );
    }
    if (io.json) {
      const space = spaces.at(-1);
      const r = space && ranges(space);
      io.data({
        file,
        space: space?.name ?? null,
        edition: 1,
        diagnostics: diagnostics.map(diagnosticToJson),
        ...(space && r
          ? {
              count: countJson(count(space)),
              decisions: decisions(space),
              params: bounds(r.params),
              macs: bounds(r.macs),
              flops: bounds(r.flops),
              memory: bounds(r.memory),
              depth: bounds(r.depth),
            }
          : {}),
      });
    } else {
      if (diagnostics.length > 0)
        io.err(renderDiagnostics(diagnostics, { color: io.colors.isColorSupported, width: io.columns }));
      spaces.forEach((s) => printSpace(io, s));
    }
    return Promise.resolve(failed ? EXIT.input : EXIT.done);
  },
};
