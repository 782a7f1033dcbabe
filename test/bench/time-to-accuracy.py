"""LeNet on MNIST in PyTorch: a line of JSON an epoch, with the seconds of training so far and the accuracy on the test set.

usage: time-to-accuracy.py THREADS SEED TARGET EPOCHS BATCH LR FOLDER      FOLDER: raw IDX files
"""
import json
import math
import os
import sys
import time

threads, seed = int(sys.argv[1]), int(sys.argv[2])
target, epochs, batch, lr, folder = float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]), sys.argv[7]
os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = str(threads)

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(threads)
torch.manual_seed(seed)


def idx(name, head):
    return np.fromfile(os.path.join(folder, name), dtype=np.uint8)[head:]


def load(part):
    x = torch.from_numpy(idx(f'{part}-images-idx3-ubyte', 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    return x, torch.from_numpy(idx(f'{part}-labels-idx1-ubyte', 8).astype(np.int64))


x, y = load('train')
test_x, test_y = load('t10k')
x, y = x[:50000], y[:50000]  # as many as are trained on here
model = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
)  # fmt: skip
for layer in model:
    if hasattr(layer, 'weight'):
        nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
        nn.init.zeros_(layer.bias)
optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)

seconds = 0.0
for epoch in range(1, epochs + 1):
    start = time.perf_counter()
    model.train()
    order = torch.randperm(len(x))
    for i in range(len(x) // batch):
        rows = order[i * batch : (i + 1) * batch]
        share = ((epoch - 1) * (len(x) // batch) + i) / (epochs * (len(x) // batch))
        optimizer.param_groups[0]['lr'] = lr * (1 + math.cos(math.pi * share)) / 2
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    seconds += time.perf_counter() - start
    model.eval()
    with torch.no_grad():
        hits = sum((model(test_x[i : i + 1000]).argmax(1) == test_y[i : i + 1000]).sum().item() for i in range(0, 10000, 1000))
    print(json.dumps({'epoch': epoch, 'seconds': seconds, 'accuracy': hits / 10000}), flush=True)
    if hits / 10000 >= target:
        break
