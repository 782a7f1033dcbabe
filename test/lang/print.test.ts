import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import { check } from '../../src/lang/check.ts';
import { printArchitecture } from '../../src/lang/print.ts';
import { count } from '../../src/space/count.ts';
import { instantiate } from '../../src/space/instantiate.ts';
import { measures } from '../../src/space/measures.ts';
import type { Measures } from '../../src/space/measures.ts';
import { sample } from '../../src/space/sample.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import type { Space } from '../../src/space/space.ts';
import { decideTrain } from '../../src/space/train.ts';
import { golden } from '../grammar/golden.ts';
import { programOf, render, spaceOf } from './compile.ts';
import { EXAMPLES } from './examples.ts';

/** Names and shapes of what a checkpoint of the member holds, and keys of dropout. */
function tensorsOf(space: Space, assignment: Assignment): string {
  const b = graphBuilder({ mode: 'train', seed: 1 });
  const inputs = space.inputs.map((i) => b.input(i.name, { dtype: i.dtype, shape: [2, ...i.shape] }));
  const outputs = instantiate(space, assignment, b, inputs);
  const graph = b.finish(outputs.map((value, i) => ({ name: String(i), value })));
  const stored = graph.leaves.flatMap((l) =>
    l.kind === 'param' || l.kind === 'state' ? [`${l.name} ${l.type.shape.join('x')}`] : [],
  );
  const keys = graph.nodes.filter((n) => n.op.name === 'dropout').map((n) => JSON.stringify(n.attrs));
  return [...stored.sort(), ...keys.sort()].join('\n');
}

// Memory is that of the largest batch and optimizer which are open.
const fixed = (m: Measures): object => ({ ...m, memory: 0 });

/** Prints members and reads them back. */
function roundTrips(space: Space, seeds: number): void {
  for (let seed = 0; seed < seeds; seed++) {
    const assignment = sample(space, { seed });
    const text = printArchitecture(space, assignment);
    const { program, diagnostics } = check(text, 'member.space');
    assert.ok(program, `${text}\n${render(diagnostics)}`);
    const member = program.spaces[0]!;
    assert.is(count(member).exact, 1n, text);
    assert.equal(fixed(measures(member, {})), fixed(measures(space, assignment)), text);
    assert.is(tensorsOf(member, {}), tensorsOf(space, assignment), text);
    assert.equal(decideTrain(member, {}), decideTrain(space, assignment), text);
  }
}

const print = suite('lang: members as programs');

const inSpace = (definitions: string, net: string, input = 'f32[B, 8, 8, 4]'): string =>
  `${definitions}\nspace S {\n  input x: ${input}\n  output y = x -> ${net}\n}`;

const SPACES: Readonly<Record<string, string>> = {
  'copies that differ': inSpace(
    'def f = conv(4 | 8) -> relu?',
    'f{0..3} -> dense(3 | 4){1..2} -> (dense(5 | 6) -> tanh){2}',
  ),
  'tied copies': inSpace('def f = conv(4, k: 1 | 3) -> (relu <> batchnorm)', 'f{tied 1..3}'),
  'networks as arguments': inSpace(
    'def twice(f) = f -> (f -> f)?\ndef h(n) = dense(n) -> twice(dense(4) | relu)',
    'twice(h(4 | 8)) -> twice(dense(4) -> relu)',
  ),
  'let and shared networks': `
shared s = dense(8 | 16) -> dense(4)
let f = dense(4) | relu
space S {
  input x: f32[B, 4]
  shared t = dense(4)
  def g = f -> t -> s
  output y = x -> g{1..3} -> f -> s -> t
}`,
  'branches and projections': inSpace(
    '',
    '[conv(8 | 16, stride: 1 | 2) -> relu, id -> project, conv(8, k: 1) -> project] -> add -> resp(dense(4 | 8))',
  ),
  'fans and each': inSpace(
    'def f = conv(4 | 8) | id',
    'fan(f, 1..3) -> each (relu | conv(4)) -> concat -> fan(conv(2) -> relu?, 2) -> concat',
  ),
  'each over a list that flows in': `
def side = each conv(4 | 8) -> concat
cell C(a, b) { return [a, b] -> side }
space S {
  input x: f32[B, 8, 8, 4], z: f32[B, 8, 8, 4]
  output y = [x, z] -> C -> C2
  cell C2(s) { h = s -> relu  return [h, s] -> each (relu | tanh) -> add }
}`,
  'lists that are taken apart': `
cell Nas(s0, s1) {
  def op = conv(16, k: 3) | relu | id
  l = pick(2, s0, s1)
  m = s0 -> fan(conv(16) | tanh, 2)
  h = l -> each op -> add
  k = m -> each op -> each op -> add
  return [h, k] -> concat
}
space S { input x: f32[B, 8, 8, 16], z: f32[B, 8, 8, 16] output y = [x, z] -> Nas }`,
  'cells in cells': `
space S {
  input x: f32[B, 8, 8, 4]
  let w = 4 | 8
  cell Inner(a, b, k) {
    shared c = conv(w, k: k)
    p = a -> c
    q = (a | b) -> c
    return pick(1 | 2, p, q) -> each (relu | id) -> add
  }
  cell Outer(s) {
    h = Inner(s, s -> relu, 1 | 3)
    g = [h, h] -> Inner(3)
    return loose -> concat
  }
  output y = x -> Outer -> Outer, z = Inner(x, b: x -> tanh, k: 5)
}`,
  'lets in expressions': inSpace(
    'def layer = let h = 4 | 8 in dense(h) -> (let f = dense(h) | relu in f -> f)',
    '(let n = 2 | 3 in layer{n}) -> dense(3) as head',
    'f32[B, 4]',
  ),
  recursion: inSpace(
    'def tree(n) = if n > 0 then (relu | [tree(n-1), dense(4) -> tree(n-1)] -> add) else dense(4)',
    'tree(2)',
    'f32[B, 4]',
  ),
  'words, lists and axes': inSpace(
    '',
    'conv(4, k: [1 | 3, 3], padding: same | valid, bias: true | false) -> flatten(1..2) -> mean(axis: 1) -> dense(3, init: he | xavier) -> dropout(0.25 | 1e-7)',
  ),
  'named uses': inSpace(
    'def f = dense(4 | 8) as wide -> relu',
    'f as first -> f -> (dense(4) -> tanh | relu) as last -> f as first',
  ),
  training: `
let opt = adamw(lr: 1e-5..1e-1 log ~ 3e-4) | sgd(lr: 1e-3..1 log, momentum: 0.8 | 0.9)
let b = 16 | 32
space S { input x: f32[B, 4] output y = x -> dense(b) -> dense(1) }
train { data csv("a \\"b\\".csv", label: "y") loss mse optimizer opt schedule cosine(0.1) | step(2 | 3) batch b * 2 epochs 1..3 precision bf16 winograd off seed 5 }`,
};

for (const [name, { text, count: wanted }] of Object.entries(EXAMPLES)) {
  if (wanted !== null || name === 'settings' || name === 'Wide')
    print(`members of ${name} read back`, () => roundTrips(spaceOf(text), 5));
}
for (const [name, text] of Object.entries(SPACES)) print(name, () => roundTrips(spaceOf(text), 8));

const POINTS: Readonly<Record<string, string>> = {
  Mlp: 'cell.repeat = 4, cell[0][1].out = 1024, cell[0][2].present = 1, cell[0][3].present = 1, cell[0][3].p = 0.5',
  DeepConv: 'reduce[0].k = 5, body[0].repeat = 3, body.order = [1, 0], body.present = 1',
  Wide: 'd = 96, heads = 4, block.repeat = 5',
  TwoTower: 'd = 32',
  settings: 'd = 20',
};

print('a printed member is pleasant to read', () => {
  const shown = Object.entries(POINTS).map(([example, fixed]) => {
    const { text } = EXAMPLES[example]!;
    const { models } = programOf(
      `${text}\nmodel point = ${example === 'settings' ? 'Small' : example} with { ${fixed} }`,
    );
    const { space } = models[0]!;
    return printArchitecture(space, sample(space, { seed: 2 }));
  });
  golden(new URL('../golden/lang/members.txt', import.meta.url), shown.join('\n'));
});

print('what differs from the defaults of `train` is printed, and nothing else', () => {
  const text = (train: string): string =>
    printArchitecture(spaceOf(`space S { input x: f32[B, 4] output y = x -> dense(3) }\ntrain { ${train} }`), {});
  assert.not.match(text('loss crossentropy optimizer adamw(lr: 1e-3) batch 64 epochs 1 seed 0'), /train/);
  assert.match(text('loss crossentropy batch 32 epochs 1'), /train \{\n {2}batch 32\n\}/);
  assert.match(text('data mnist batch 64 epochs 3'), /train \{\n {2}data mnist\n {2}epochs 3\n\}/);
});

print.run();
