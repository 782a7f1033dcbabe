import { readFileSync } from 'node:fs';
import { diagnosticToJson } from '../base/diagnostic.ts';
import { check } from '../lang/check.ts';
import { format } from '../lang/format.ts';
import type { CommandDef } from './command.ts';
import { EXIT } from './io.ts';
import type { Io } from './io.ts';
import { readProgram, sayDiagnostics } from './load.ts';
import { replaceText } from './write.ts';

function formatFile(io: Io, file: string, checkOnly: boolean, print: boolean): boolean {
  const text = readProgram(file);
  const result = format(text);
  if (!('text' in result)) {
    const { diagnostics } = check(text, file);
    if (io.json) io.data({ file, diagnostics: diagnostics.map(diagnosticToJson) });
    else sayDiagnostics(io, diagnostics);
    return false;
  }
  const changed = result.text !== text;
  // What was saved meanwhile is not overwritten.
  const writes = changed && !checkOnly && !print && readFileSync(file, 'utf8') === text;
  if (writes) replaceText(file, result.text);
  if (io.json) io.data({ file, changed, ...(print ? { text: result.text } : {}) });
  else if (print) process.stdout.write(result.text);
  else if (changed)
    io.out(
      `${file}: ${checkOnly ? 'not formatted' : writes ? 'formatted' : 'it was changed meanwhile, and is left as it is'}`,
    );
  return !(checkOnly && changed);
}

export const fmt: CommandDef = {
  options: [
    { flags: '--check', doc: 'change nothing; exit 1 where a file is not formatted' },
    { flags: '--print', doc: 'print the formatted text instead of writing it' },
  ],
  run: (io, files, options) => {
    const results = files.map((f) => formatFile(io, f, options['check'] === true, options['print'] === true));
    return Promise.resolve(results.every(Boolean) ? EXIT.done : EXIT.input);
  },
};
