import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { diagnosticToJson } from '../base/diagnostic.ts';
import { check } from '../lang/check.ts';
import { format } from '../lang/format.ts';
import { renderDiagnostics } from '../lang/render.ts';
import type { CommandDef } from './command.ts';
import { EXIT } from './io.ts';
import type { Io } from './io.ts';
import { readProgram } from './load.ts';

function formatFile(io: Io, file: string, checkOnly: boolean, print: boolean): boolean {
  const text = readProgram(file);
  const result = format(text);
  if (!('text' in result)) {
    const { diagnostics } = check(text, file);
    if (io.json) io.data({ file, diagnostics: diagnostics.map(diagnosticToJson) });
    else io.err(renderDiagnostics(diagnostics, { color: io.colors.isColorSupported, width: io.columns }));
    return false;
  }
  const changed = result.text !== text;
  if (print) process.stdout.write(result.text);
  else if (io.json) io.data({ file, changed });
  else if (changed) io.out(checkOnly ? `${file}: not formatted` : `${file}: formatted`);
  if (changed && !checkOnly && !print) {
    const temporary = `${file}.${process.pid}.tmp`;
    writeFileSync(temporary, result.text);
    if (readFileSync(file, 'utf8') === text) renameSync(temporary, file);
  }
  return !(checkOnly && changed);
}

export const fmt: CommandDef = {
  name: 'fmt',
  summary: 'formats programs in place',
  usage: '<files...>',
  options: [
    { flags: '--check', doc: 'change nothing; exit 1 where a file is not formatted' },
    { flags: '--print', doc: 'print the formatted text instead of writing it' },
  ],
  run: (io, files, options) => {
    const results = files.map((f) => formatFile(io, f, options['check'] === true, options['print'] === true));
    return Promise.resolve(results.every(Boolean) ? EXIT.done : EXIT.input);
  },
};
