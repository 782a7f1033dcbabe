import type { Def, NetExpr, Space } from '../../src/space/space.ts';
import {
  apply,
  branches,
  call,
  callOf,
  cell,
  def,
  either,
  eitherTensor,
  each,
  fan,
  ifNet,
  input,
  layer,
  layerOf,
  letNet,
  letValue,
  loose,
  maybe,
  measure,
  netParameter,
  netRef,
  once,
  oneOf,
  op,
  perm,
  pick,
  range,
  read,
  ref,
  repeat,
  require,
  seq,
  shared,
  site,
  space,
  tensorParameter,
  term,
  tensors,
  useShared,
  uses,
  val,
  valueParameter,
  wire,
} from './support.ts';

export function mlp(): Space {
  const x = input('x', 784);
  const u = uses();
  const a = uses();
  const act = letNet('act', either(site('act'), layer(a, 'relu'), layer(a, 'sigmoid')));
  const block = def('cell', (c) =>
    seq(
      layer(c, 'dense', { out: oneOf('out', 256, 512, 1024) }),
      once(c, act),
      maybe(layer(c, 'dropout', { p: oneOf('p', 0.2, 0.5, 0.7) })),
    ),
  );
  return space('Mlp', {
    inputs: [x],
    bindings: [act],
    outputs: [apply(read(x), seq(repeat(call(u, block), oneOf('repeat', 1, 2, 4)), layer(u, 'dense', { out: 10 })))],
  });
}

export function deepConv(): Space {
  const x = input('x', 32, 32, 3);
  const u = uses();
  const reduce = def('reduce', (c) =>
    layer(c, 'conv', { out: range('out', 48, 128, { step: 16 }), k: oneOf('k', 3, 5, 7), stride: 2 }),
  );
  const m = valueParameter('m');
  const body = def(
    'body',
    (c) =>
      seq(
        layer(c, 'conv', { out: op('*', ref(m), range('out', 48, 128, { step: 16 })), k: oneOf('k', 3, 5) }),
        perm(c.site('order'), layer(c, 'relu'), layer(c, 'batchnorm')),
        maybe(layer(c, 'dropout', { p: oneOf('p', 0.1, 0.5) })),
      ),
    [m],
  );
  const times = (): ReturnType<typeof val> => op('^', 2, range('repeat', 0, 5));
  return space('DeepConv', {
    inputs: [x],
    outputs: [
      apply(
        read(x),
        seq(
          call(u, reduce),
          repeat(call(u, body, [{ kind: 'value', parameter: m, expr: val(1) }]), times(), true),
          call(u, reduce),
          repeat(call(u, body, [{ kind: 'value', parameter: m, expr: val(2) }]), times(), true),
          layer(u, 'flatten'),
          layer(u, 'dense', { out: 10 }),
        ),
      ),
    ],
  });
}

export function wideNet(limit: number | null): Space {
  const x = input('image', 28, 28, 1);
  const d = letValue('d', oneOf('d', 64, 96, 128));
  const u = uses();
  const s1 = uses();
  const attend = shared('attend', layer(s1, 'attention', { heads: oneOf('heads', 2, 4, 8) }));
  const s2 = uses();
  // Two layers stand for the mixture of experts.
  const ffn = shared(
    'ffn',
    seq(
      layer(s2, 'dense', { out: op('*', oneOf('out', 4, 8), ref(d)) }),
      layer(s2, 'gelu'),
      layer(s2, 'dense', { out: ref(d) }),
    ),
  );
  const f = netParameter('f');
  const res = def('res', (c) => seq(branches(netRef(c, f), layer(c, 'id')), layer(c, 'add')), [f]);
  const g = netParameter('f');
  const pre = def(
    'pre',
    (c) => call(c, res, [{ kind: 'net', parameter: f, expr: seq(layer(c, 'layernorm'), netRef(c, g)) }]),
    [g],
  );
  const block = def('block', (c) =>
    seq(
      call(c, pre, [{ kind: 'net', parameter: g, expr: useShared(c, attend) }]),
      call(c, pre, [{ kind: 'net', parameter: g, expr: useShared(c, ffn) }]),
    ),
  );
  return space('WideNet', {
    inputs: [x],
    bindings: [d, attend, ffn],
    requirements: limit === null ? [] : [require(measure('params'), '<=', term(limit))],
    outputs: [
      apply(
        read(x),
        seq(
          layer(u, 'patches', { p: 7 }),
          layer(u, 'dense', { out: ref(d) }),
          layer(u, 'positions'),
          repeat(call(u, block), range('repeat', 2, 12)),
          layer(u, 'layernorm'),
          layer(u, 'mean', { axis: 1 }),
          layer(u, 'dense', { out: 10 }),
        ),
      ),
    ],
  });
}

export function nb201Cell(): {
  readonly cell: Def;
  readonly s: ReturnType<typeof tensorParameter>;
  readonly C: ReturnType<typeof valueParameter>;
} {
  const s = tensorParameter('s');
  const C = valueParameter('C');
  const made = cell('Nb201', [s, C], (u) => {
    const edge = def('edge', (c) =>
      either(
        c.site('choice'),
        layer(c, 'none'),
        layer(c, 'id'),
        layer(c, 'conv', { out: ref(C), k: 1 }),
        layer(c, 'conv', { out: ref(C), k: 3 }),
        layer(c, 'avgpool', { k: 3, stride: 1 }),
      ),
    );
    const a = wire('a', apply(read(s), call(u, edge)));
    const b = wire('b', apply(tensors(apply(read(s), call(u, edge)), apply(read(a), call(u, edge))), layer(u, 'add')));
    const result = apply(
      tensors(apply(read(s), call(u, edge)), apply(read(a), call(u, edge)), apply(read(b), call(u, edge))),
      layer(u, 'add'),
    );
    return { bindings: [a, b], result };
  });
  return { cell: made, s, C };
}

export function nb201(): Space {
  const x = input('x', 16, 16, 16);
  const u = uses();
  const { cell: c, s, C } = nb201Cell();
  return space('Nb201', {
    inputs: [x],
    outputs: [
      callOf(
        call(u, c, [
          { kind: 'tensor', parameter: s, expr: read(x) },
          { kind: 'value', parameter: C, expr: val(16) },
        ]),
      ),
    ],
  });
}

export function nas(): Space {
  const [x0, x1] = [input('x0', 8, 8, 16), input('x1', 8, 8, 16)];
  const [s0, s1] = [tensorParameter('s0'), tensorParameter('s1')];
  const u = uses();
  const made = cell('Nas', [s0, s1], (c) => {
    const o = def('op', (k) =>
      either(
        k.site('choice'),
        layer(k, 'conv', { out: 16, k: 3 }),
        layer(k, 'maxpool', { k: 3, stride: 1 }),
        layer(k, 'id'),
      ),
    );
    const arm = (): ReturnType<typeof apply> => apply(eitherTensor(c.site('choice'), read(s0), read(s1)), call(c, o));
    const h1 = wire('h1', apply(tensors(arm(), arm()), layer(c, 'add')));
    const h2 = wire(
      'h2',
      apply(apply(pick(c.site('pick'), 2, read(s0), read(s1), read(h1)), each(call(c, o))), layer(c, 'add')),
    );
    const result = apply(loose(h1, h2), layer(c, 'concat'));
    return { bindings: [h1, h2], result };
  });
  return space('Nas', {
    inputs: [x0, x1],
    outputs: [
      callOf(
        call(u, made, [
          { kind: 'tensor', parameter: s0, expr: read(x0) },
          { kind: 'tensor', parameter: s1, expr: read(x1) },
        ]),
      ),
    ],
  });
}

export function twoTower(): Space {
  const [user, item] = [input('user', 64), input('item', 128)];
  const d = letValue('d', oneOf('d', 16, 32, 64));
  const u = uses();
  const tower = def('tower', (c) => seq(layer(c, 'dense', { out: ref(d) }), layer(c, 'relu')));
  const a = wire('u', apply(read(user), call(u, tower)));
  const b = wire('v', apply(read(item), call(u, tower)));
  return space('TwoTower', {
    inputs: [user, item],
    bindings: [d, a, b],
    outputs: [layerOf(layer(u, 'dot'), read(a), read(b)), apply(read(a), layer(u, 'dense', { out: 1 }))],
  });
}

export function tree(n: number | 'open'): Space {
  const x = input('x', 8);
  const p = valueParameter('n');
  const made: { -readonly [K in keyof Def]: Def[K] } = def('tree', (c) => layer(c, 'relu'), [p]);
  const u = uses();
  const less = (): { kind: 'value'; parameter: typeof p; expr: ReturnType<typeof val> } => ({
    kind: 'value',
    parameter: p,
    expr: op('-', ref(p), 1),
  });
  made.body = {
    kind: 'net',
    bindings: [],
    net: ifNet(
      op('>', ref(p), 0),
      either(
        u.site('choice'),
        layer(u, 'relu'),
        seq(branches(call(u, made, [less()]), call(u, made, [less()])), layer(u, 'add')),
      ),
      layer(u, 'relu'),
    ),
  };
  const top = uses();
  const expr = n === 'open' ? range('n', 0, 3) : val(n);
  return space('Tree', {
    inputs: [x],
    outputs: [apply(read(x), call(top, made, [{ kind: 'value', parameter: p, expr }]))],
  });
}

export function small(make: (u: ReturnType<typeof uses>) => NetExpr, ...shape: number[]): Space {
  const x = input('x', ...shape);
  return space('Small', { inputs: [x], outputs: [apply(read(x), make(uses()))] });
}

export const trio = (): Space =>
  small((u) => perm(u.site('order'), layer(u, 'conv', { out: 64 }), layer(u, 'batchnorm'), layer(u, 'relu')), 8, 8, 3);
export const incept = (): Space =>
  small(
    (u) => seq(fan(layer(u, 'conv', { out: 32, k: oneOf('k', 1, 3, 5) }), range('fan', 1, 4)), layer(u, 'concat')),
    8,
    8,
    3,
  );
