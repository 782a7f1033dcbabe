/** The examples of the language's page that can be run, with their counts. */
export const EXAMPLES: Readonly<Record<string, { readonly text: string; readonly count: bigint | null }>> = {
  Mlp: {
    count: 41_784n,
    text: `
space Mlp {
  input x: f32[B, 784]
  let act  = relu | sigmoid                       // one decision, shared by all cells
  def cell = dense(256 | 512 | 1024) -> act -> dropout(0.2 | 0.5 | 0.7)?
  output y = x -> cell{1 | 2 | 4} -> dense(10)
}`,
  },
  DeepConv: {
    count: 60_466_176n,
    text: `
space DeepConv {
  input x: f32[B, 32, 32, 3]
  def reduce  = conv(48..128 step 16, k: 3|5|7, stride: 2)
  def body(m) = conv(m * (48..128 step 16), k: 3|5) -> (relu <> batchnorm) -> dropout(0.1 | 0.5)?
  output y = x -> reduce -> body(1){tied 2^(0..5)} -> reduce -> body(2){tied 2^(0..5)} -> flatten -> dense(10)
  check count == 60_466_176
}`,
  },
  blocks: {
    count: null,
    text: `
def res(f)   = [f, id] -> add
def resp(f)  = [f, id -> project] -> add
def pre(f)   = res(layernorm -> f)
def trio     = perm(conv(64), batchnorm, relu)
def incept   = fan(conv(32, k: 1|3|5), 1..4) -> concat
check count(f32[B, 8, 8, 16] -> trio) == 6, count(f32[B, 8, 8, 16] -> incept) == 120
check params(f32[B, 8] -> resp(dense(16))) == 288`,
  },
  values: {
    count: null,
    text: `
let w     = 32 | 64 | 128
def stage(i) = conv(w * 2^i) -> (if w >= 64 then se(ratio: 4 | 8) else id)
let opt   = adamw(lr: 1e-5..1e-1 log ~ 3e-4) | sgd(lr: 1e-3..1 log, momentum: 0.8..0.99)
let width = 64..1024 pow2
let act   = gelu @4 | relu @2 | tanh
check count(f32[B, 8, 8, 3] -> stage(1)) == 5
check count(f32[B, 8] -> dense(width) -> act) == 15`,
  },
  Nb201: {
    count: null,
    text: `
cell Nb201(s, C) {
  def edge = none | id | conv(C, k: 1) | conv(C, k: 3) | avgpool(3, stride: 1)
  a = s -> edge
  b = [s -> edge, a -> edge] -> add
  return [s -> edge, a -> edge, b -> edge] -> add
}
check count(Nb201(f32[B, 16, 16, 16], 16)) == 15_625`,
  },
  Nas: {
    count: null,
    text: `
cell Nas(s0, s1) {
  def op = conv(16, k: 3) | maxpool(3, stride: 1) | id
  h1 = [(s0 | s1) -> op, (s0 | s1) -> op] -> add
  h2 = pick(2, s0, s1, h1) -> each op -> add
  return loose -> concat
}
check count(Nas(f32[B, 8, 8, 16], f32[B, 8, 8, 16])) == 972
check count([f32[B, 8, 8, 16], f32[B, 8, 8, 16]] -> Nas) == 972`,
  },
  TwoTower: {
    count: 3n,
    text: `
space TwoTower {
  input user: f32[B, 64], item: f32[B, 128]
  let d = 16 | 32 | 64
  def tower = dense(d) -> relu
  u = user -> tower
  v = item -> tower
  output score = dot(u, v), aux = u -> dense(1)
}`,
  },
  tree: {
    count: null,
    text: `
def tree(n) = if n > 0 then (relu | [tree(n-1), tree(n-1)] -> add) else relu
check count(f32[B, 8] -> tree(0)) == 1 and count(f32[B, 8] -> tree(1)) == 2
check count(f32[B, 8] -> tree(2)) == 5, count(f32[B, 8] -> tree(3)) == 26`,
  },
  signature: {
    count: null,
    text: `
def patch(p): [B, H, W, C] -> [B, (H/p)*(W/p), p*p*C] = patches(p)
check count(f32[B, 28, 28, 1] -> patch(7 | 14)) == 2`,
  },
  Wide: {
    count: null,
    text: `
space Wide {
  input image: f32[B, 28, 28, 1]
  let d         = 64 | 96 | 128
  shared attend = attention(heads: 2 | 4 | 8)
  def block     = pre(attend) -> pre(ffn(4 * d))
  output logits = image -> patches(7) -> dense(d) -> positions -> block{2..12}
                  -> layernorm -> mean(axis: 1) -> dense(10)
  check count == 99
}
space Narrow = Wide where params <= 200k, d in (64 | 96)`,
  },
  WideNet: {
    count: 165n,
    text: `
space WideNet {
  input image: f32[B, 28, 28, 1]
  let d         = 64 | 96 | 128
  shared attend = attention(heads: 2 | 4 | 8)
  shared mixture = moe(experts: 4 | 8, top: 2, hidden: 4 * d, act: gelu)
  def block     = pre(attend) -> pre(mixture)
  output logits = image -> patches(7) -> dense(d) -> positions -> block{2..12}
                  -> layernorm -> mean(axis: 1) -> dense(10)
  require params <= 700k
  check count == 165
}`,
  },
  LeNet: {
    count: 1n,
    text: `
space LeNet {
  input x: f32[B, 28, 28, 1]
  output y = x -> conv(6, k: 5, padding: valid) -> relu -> maxpool(2, padding: valid)
      -> conv(16, k: 5, padding: valid) -> relu -> maxpool(2, padding: valid)
      -> flatten -> dense(120) -> relu -> dense(84) -> relu -> dense(10)
  check params == 44_426, macs == 281_640, depth == 5
}`,
  },
  LeNetSame: {
    count: 1n,
    text: `
space LeNetSame {
  input x: f32[B, 28, 28, 1]
  output y = x -> conv(6, k: 5) -> relu -> maxpool(2)
      -> conv(16, k: 5, padding: valid) -> relu -> maxpool(2)
      -> flatten -> dense(120) -> relu -> dense(84) -> relu -> dense(10)
  check params == 61_706 and macs == 416_520
}`,
  },
  Dense: {
    count: 1n,
    text: `
space Dense {
  input x: f32[B, 784]
  output y = x -> dense(200) -> relu -> dense(200) -> relu -> dense(10)
  check params == 199_210, macs == 198_800
}`,
  },
  settings: {
    count: null,
    text: `
let opt = adamw(lr: 1e-5..1e-1 log ~ 3e-4) | sgd(lr: 1e-3..1 log, momentum: 0.8..0.99)
space Small {
  input x: f32[B, 28, 28, 1]
  let d = 16 | 20
  let e = 16..20 step 4
  output y = x -> flatten -> dense(d) -> relu -> dense(e) -> relu -> dense(10)
  require params in 1k..16_300
  require not (d == 16 and e in (12 | 16)) or depth > 4
  check count == 2, count(all) == 4
}
train {
  data mnist
  loss crossentropy
  optimizer opt
  schedule cosine(warmup: 0.1)
  batch 128
  epochs 3
}
search {
  maximize accuracy
  minimize params
  with mcts(reward: rank, bisect: true)
  budget 8 trials, 2h
  workers 4
  seed 7
}`,
  },
};
