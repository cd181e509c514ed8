#!/usr/bin/python3
"""Training speed of PyTorch on random images: the peer of tests/bench/train.c.

usage: torch_train.py ARCH SIZE CLASSES BATCH THREADS SECONDS nhwc|nchw
Prints images a second, over whole steps after two that warm up.
"""
import sys
import time

import torch
import torch.nn.functional as F
import torchvision
from torch import nn


class Basic(nn.Module):
    """The block of the CIFAR ResNets, with the shortcut that has no parameters."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.stride, self.more = stride, cout - cin

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.stride > 1 or self.more:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.more))
        return F.relu(y + x, inplace=True)


class PreAct(nn.Module):
    """The block of WideResNets."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(cin)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        same = stride == 1 and cin == cout
        self.shortcut = None if same else nn.Conv2d(cin, cout, 1, stride, bias=False)

    def forward(self, x):
        a = F.relu(self.bn1(x), inplace=self.shortcut is not None)
        y = self.conv2(F.relu(self.bn2(self.conv1(a)), inplace=True))
        return y + (x if self.shortcut is None else self.shortcut(a))


def stages(block, widths, n):
    cin, layers = 16, []
    for number, width in enumerate(widths):
        for i in range(n):
            layers.append(block(cin, width, 2 if number and not i else 1))
            cin = width
    return layers


def build(arch, classes):
    stem = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
    if arch.startswith("resnet"):
        n = (int(arch[6:]) - 2) // 6
        head = [nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
        return nn.Sequential(stem, *head, *stages(Basic, (16, 32, 64), n),
                             nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
    if arch.startswith("wrn-"):
        depth, k = map(int, arch[4:].split("-"))
        return nn.Sequential(stem, *stages(PreAct, (16 * k, 32 * k, 64 * k), (depth - 4) // 6),
                             nn.BatchNorm2d(64 * k), nn.ReLU(inplace=True),
                             nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64 * k, classes))
    return getattr(torchvision.models, arch.replace("-", "_"))(weights=None, num_classes=classes)


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
    print("%.1f" % ((step - 2) * batch / (time.monotonic() - start)))


main()
