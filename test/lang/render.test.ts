import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import stringWidth from 'string-width';
import { diagnostic } from '../../src/base/diagnostic.ts';
import type { Diagnostic } from '../../src/base/diagnostic.ts';
import { span } from '../../src/base/span.ts';
import { renderDiagnostics, visible } from '../../src/lang/render.ts';

const render = suite('lang: diagnostics in the terminal');
const plain = { color: false, width: 60 };

function at(text: string, marked: string, more: Partial<Diagnostic> = {}): Diagnostic {
  const source = { file: 'a.space', text };
  const start = text.indexOf(marked);
  return diagnostic('E999', span(source, start, start + marked.length), 'something is wrong', more);
}

const lines = (...all: readonly string[]): string => all.join('\n');

render('the source line, the mark, what was expected and found', () => {
  const d = at('let a = 1\nlet b = 22 | 3\n', '22', { expected: 'one', found: 'two', hint: 'try `1`' });
  assert.is(
    renderDiagnostics([d], plain),
    lines(
      'error E999: something is wrong',
      ' --> a.space:2:9',
      '  |',
      '2 | let b = 22 | 3',
      '  |         ^^',
      '  = expected: one',
      '  = found: two',
      '  = hint: try `1`',
    ),
  );
});

render('notes on other lines stand in order, with a gap between', () => {
  const text = `${'x\n'.repeat(9)}let here = there\n${'y\n'.repeat(5)}there\n`;
  const source = { file: 'a.space', text };
  const first = text.indexOf('there');
  const second = text.lastIndexOf('there');
  const d = diagnostic('E999', span(source, second, second + 5), 'clash', {
    severity: 'warning',
    notes: [{ span: span(source, first, first + 5), message: 'the first' }],
  });
  assert.is(
    renderDiagnostics([d], plain),
    lines(
      'warning E999: clash',
      '  --> a.space:16:1',
      '   |',
      '10 | let here = there',
      '   |            ----- the first',
      '...',
      '16 | there',
      '   | ^^^^^',
    ),
  );
});

render('a note in another file has a frame of its own', () => {
  const other = { file: 'b.space', text: 'def f = relu\n' };
  const d = at('use f', 'f', { notes: [{ span: span(other, 4, 5), message: 'defined here' }] });
  assert.ok(
    renderDiagnostics([d], plain).endsWith(
      lines(' --> b.space:1:5', '  |', '1 | def f = relu', '  |     - defined here'),
    ),
  );
});

render('tabs and wide characters keep the mark below what it marks', () => {
  const tab = renderDiagnostics([at('\tlet a\t= bad', 'bad')], plain).split('\n');
  assert.is(tab[3], '1 |   let a  = bad');
  assert.is(tab[4], `  |${' '.repeat(12)}^^^`);
  const wide = renderDiagnostics([at('let 幅 = "幅広" | bad', 'bad')], plain).split('\n');
  const column = stringWidth(wide[3]!.slice(0, wide[3]!.indexOf('bad')));
  assert.is(stringWidth(wide[4]!.slice(0, wide[4]!.indexOf('^'))), column);
  const joined = renderDiagnostics([at('let e\u0301 = bad', 'bad')], plain).split('\n');
  assert.is(joined[4]!.indexOf('^'), 4 + 'let e = '.length);
});

render('nothing in the text moves the cursor or hides', () => {
  const d = at('let a = \u001b[31m\u202e\u0000bad\r\n', 'bad', { found: '\u0007\u001b[2J' });
  const out = renderDiagnostics([d], plain);
  assert.not.match(out, /[\u0000-\u0009\u000b-\u001f\u007f\u202e]/);
  assert.ok(out.includes('\\u{1b}[31m\\u{202e}\\u{0}bad'));
  assert.is(visible('a\nb'), 'a⏎b');
});

render('long lines are cut around the mark', () => {
  const d = at(`${'left '.repeat(100)}MARK${' right'.repeat(100)}`, 'MARK');
  const out = renderDiagnostics([d], plain).split('\n');
  for (const line of out) assert.ok(stringWidth(line) <= 60, line);
  const shown = out[3]!;
  assert.ok(shown.includes('MARK') && shown.includes('| …') && shown.endsWith('…'), shown);
  assert.is(out[4]!.indexOf('^'), shown.indexOf('MARK'));
});

render('a span at the end of the text, empty or over several lines', () => {
  const source = { file: 'a.space', text: 'let a =\n' };
  const end = renderDiagnostics([diagnostic('E999', span(source, 8, 8), 'ends')], plain);
  assert.is(end, lines('error E999: ends', ' --> a.space:2:1', '  |', '2 |', '  | ^'));
  const several = renderDiagnostics([diagnostic('E999', span(source, 4, 8), 'several')], plain).split('\n');
  assert.is(several[4], '  |     ^^^');
});

render('several are counted, and none gives nothing', () => {
  assert.is(renderDiagnostics([], plain), '');
  const warning = at('a', 'a', { severity: 'warning' });
  assert.ok(renderDiagnostics([at('a', 'a'), at('a', 'a'), warning], plain).endsWith('\n\n2 errors, 1 warning'));
});

render('colours only where they are wanted', () => {
  assert.not.match(renderDiagnostics([at('a', 'a')], plain), /\u001b/);
  assert.match(renderDiagnostics([at('a', 'a')], { color: true, width: 60 }), /\u001b\[31m/);
});

render('long texts are wrapped', () => {
  const out = renderDiagnostics([at('a', 'a', { hint: 'word '.repeat(40).trim() })], plain).split('\n');
  for (const line of out) assert.ok(stringWidth(line) <= 60, line);
});

render.run();
