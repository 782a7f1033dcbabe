import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/lang/check.ts';
import { CODES } from '../../src/lang/codes.ts';
import { golden } from '../grammar/golden.ts';
import { render } from './compile.ts';
import { BAD } from './diagnostics.ts';

const diagnostics = suite('lang: what is said of faults');

for (const [name, programs] of Object.entries(BAD)) {
  diagnostics(name, () => {
    const code = name.slice(0, 4);
    const said = programs.map((text) => {
      const found = check(text, 'test.space').diagnostics;
      assert.ok(
        found.some((d) => d.code === code),
        `${code} is not among ${found.map((d) => d.code).join()} of\n${text}`,
      );
      return render(found);
    });
    golden(new URL(`../golden/lang/${name}.txt`, import.meta.url), `${said.join('\n\n----\n\n')}\n`);
  });
}

diagnostics('every code is provoked', () => {
  const provoked = new Set(Object.keys(BAD).map((name) => name.slice(0, 4)));
  // E158 is the grammar's: it does not let such statements through.
  assert.equal(
    Object.keys(CODES).filter((code) => !provoked.has(code) && code !== 'E158'),
    [],
  );
});

diagnostics.run();
