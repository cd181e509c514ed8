#!/usr/bin/python3
"""Training speed of PyTorch on random images: the peer of tests/bench/train.c.

usage: torch_train.py ARCH SIZE CLASSES BATCH THREADS SECONDS nhwc|nchw
Prints images a second, over whole steps after two that warm up, and the memory used in MiB.
"""
import resource
import sys
import time

import torch
import torch.nn.functional as F

from torch_nets import build


def main():
    arch, (size, classes, batch, threads, seconds) = sys.argv[1], map(int, sys.argv[2:7])
    layout = torch.channels_last if sys.argv[7] == "nhwc" else torch.contiguous_format
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    net = build(arch, classes).train().to(memory_format=layout)
    x = torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
    y = torch.randint(0, classes, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    step, start = 0, 0.0
    while step < 3 or time.monotonic() - start < seconds:
        if step == 2:
            start = time.monotonic()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        step += 1
    rate = (step - 2) * batch / (time.monotonic() - start)
    print("%.1f %.0f" % (rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


main()
