"""PyTorch on the CPU, as `tenon bench --peers` asks it: a case a line on stdin as JSON, its times a line on stdout.

usage: bench-torch.py THREADS
    {"name": "gemm/8x8x8", "kind": "gemm", "words": ["8", "8", "8"], "seconds": 0.3}
    [{"case": "gemm/8x8x8", "ms": 0.01}]        an empty list where the kind is not known here
"""
import json
import math
import os
import sys
import time

threads = int(sys.argv[1])
os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = str(threads)

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(threads)
torch.manual_seed(0)


def gemm(name, m, n, k):
    a, b = torch.randn(m, k), torch.randn(k, n)
    return {name: lambda: a @ b}


def conv(name, batch, cin, h, w, cout, k, pad):
    x, weight, bias = torch.randn(batch, cin, h, w), torch.randn(cout, cin, k, k), torch.randn(cout)
    leaves = [x, weight, bias]
    dy = torch.randn_like(F.conv2d(x, weight, bias, padding=pad))

    def forward():
        with torch.no_grad():
            F.conv2d(x, weight, bias, padding=pad)

    def both():
        for t in leaves:
            t.requires_grad_(True)
            t.grad = None
        F.conv2d(x, weight, bias, padding=pad).backward(dy)

    return {f'{name}/fwd': forward, f'{name}/fwdbwd': both}


def attention(name, batch, tokens, heads, width, causal):
    leaves = [torch.randn(batch, heads, tokens, width) for _ in range(3)]
    mask = torch.full((tokens, tokens), float('-inf')).triu(1) if causal else 0
    dy = torch.randn_like(leaves[0])

    def attend(q, k, v):
        return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(width) + mask, -1) @ v

    def forward():
        with torch.no_grad():
            attend(*leaves)

    def both():
        for t in leaves:
            t.requires_grad_(True)
            t.grad = None
        attend(*leaves).backward(dy)

    return {f'{name}/fwd': forward, f'{name}/fwdbwd': both}


def conv_any(name, batch, cin, cout, groups, size, kernel, stride, pad, dilation):
    sizes, kernels = ([int(n) for n in str(t).split('x')] for t in (size, kernel))
    axes = len(sizes)
    x, weight, bias = torch.randn(batch, cin, *sizes), torch.randn(cout, cin // groups, *kernels), torch.randn(cout)
    strides, pads, dilations = ([n] * axes for n in (stride, pad, dilation))

    def forward():
        return torch.convolution(x, weight, bias, strides, pads, dilations, False, [0] * axes, groups)

    dy = torch.randn_like(forward())

    def backward(mask):
        return lambda: torch.ops.aten.convolution_backward(
            dy, x, weight, [cout], strides, pads, dilations, False, [0] * axes, groups, mask
        )

    return {f'{name}/fwd': forward, f'{name}/dx': backward([1, 0, 0]), f'{name}/dw': backward([0, 1, 1])}


class Block(nn.Module):
    """A transformer block with its norms in front, causal attention, exact gelu."""

    def __init__(self, d, heads, hidden):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.feed = nn.Sequential(nn.Linear(d, hidden), nn.GELU(), nn.Linear(hidden, d))

    def forward(self, x, mask):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(d // self.heads) + mask, -1)
        x = x + self.out((scores @ v).transpose(1, 2).reshape(b, t, d))
        return x + self.feed(self.norm2(x))


class Transformer(nn.Module):
    def __init__(self, vocab=256, d=128, layers=4, tokens=64):
        super().__init__()
        self.embed, self.positions = nn.Embedding(vocab, d), nn.Parameter(torch.randn(tokens, d) * 0.02)
        self.blocks = nn.ModuleList(Block(d, 4, 512) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, vocab)
        self.register_buffer('mask', torch.full((tokens, tokens), float('-inf')).triu(1))

    def forward(self, x):
        x = self.embed(x) + self.positions
        for block in self.blocks:
            x = block(x, self.mask)
        return self.out(self.norm(x)).flatten(0, 1)


MODELS = {
    'mlp': lambda batch: (
        nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)),
        torch.randn(batch, 784),
        torch.randint(10, (batch,)),
    ),
    'lenet': lambda batch: (
        nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        ),
        torch.randn(batch, 1, 28, 28),
        torch.randint(10, (batch,)),
    ),
    'tfm': lambda batch: (Transformer(), torch.randint(256, (batch, 64)), torch.randint(256, (batch * 64,))),
}  # fmt: skip


def train(name, kind, batch):
    if kind not in MODELS:
        return {}
    model, x, y = MODELS[kind](batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return {name: step}


KINDS = {'gemm': gemm, 'conv': conv, 'conv_any': conv_any, 'attention': attention, 'train': train}


def median_ms(run, seconds):
    """Two calls and 80 ms of warm-up, then at least five calls and `seconds`."""
    start, calls = time.perf_counter(), 0
    while calls < 2 or time.perf_counter() - start < 0.08:
        run()
        calls += 1
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        run()
        times.append((time.perf_counter() - before) * 1e3)
    return sorted(times)[len(times) // 2]


made = {}
print(json.dumps({'version': torch.__version__}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked['name'] not in made:
        words = [int(w) if w.isdigit() else w for w in asked['words']]
        make = KINDS.get(asked['kind'])
        made.clear()
        made[asked['name']] = make(asked['name'], *words) if make else {}
    rows = [{'case': case, 'ms': median_ms(run, asked['seconds'])} for case, run in made[asked['name']].items()]
    print(json.dumps(rows), flush=True)
