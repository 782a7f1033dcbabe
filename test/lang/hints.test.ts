// A slip in the name of an argument is answered with the name that was meant, whatever else the call lacks.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/lang/check.ts';
import { SETTINGS } from '../../src/lang/setting-defs.ts';
import type { SettingDef } from '../../src/lang/setting-defs.ts';
import type { ArgDef } from '../../src/ir/layer.ts';
import { LAYERS } from '../../src/layers/index.ts';
import { WEIGHTS } from '../../src/weights/index.ts';

interface Callee {
  readonly name: string;
  readonly args: readonly ArgDef[];
}

const through = (net: string): string => `space S {\n  input x: f32[B, 8]\n  output y = x -> ${net}\n}\n`;
const settings = (s: SettingDef): ((call: string) => string) => {
  if (s.group === 'searcher') return (call) => `${through('dense(2)')}search { maximize accuracy with ${call} }`;
  return (call) => `${through('dense(2)')}train { ${s.group} ${call} }`;
};

// Without its last letter but one: as near as a slip is.
const slip = (name: string): string => name.slice(0, -2) + name.slice(-1);

const hints = suite('hints at the names of arguments');

const answers = ({ name, args }: Callee, program: (call: string) => string): void => {
  for (const arg of args.filter((a) => a.name.length > 3)) {
    const wrong = slip(arg.name);
    if (args.some((a) => a.name === wrong)) continue;
    const call = `${name}(${wrong}: 1)`;
    const said = check(program(call), 'test.space').diagnostics.find((d) => d.code === 'E203');
    assert.ok(said, call);
    assert.match(said.hint, `\`${arg.name}\``, call);
  }
};

hints('of layers', () => {
  for (const layer of LAYERS.values()) if (typeof layer.takes !== 'number') answers(layer, through);
});

hints('of weight expressions', () => {
  for (const weight of WEIGHTS.values()) answers(weight, (call) => through(`dense(2) via ${call}`));
});

hints('of the settings of training and searching', () => {
  for (const s of SETTINGS.values()) if (s.supported) answers(s, settings(s));
});

hints('of definitions', () => {
  const def = { name: 'block', args: [{ name: 'width' }, { name: 'dropped' }] } as unknown as Callee;
  answers(def, (call) => `def block(width, dropped) = dense(width) -> dropout(dropped)\n${through(call)}`);
});

hints('where no name is near, at what the call lacks', () => {
  const [said] = check(through('dense(units: 4)'), 'test.space').diagnostics.filter((d) => d.code === 'E203');
  assert.match(said!.hint, '`out`');
});

hints.run();
