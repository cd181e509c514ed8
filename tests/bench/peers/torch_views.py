#!/usr/bin/python3
"""Training views by PyTorch's DataLoader and torchvision: the peer of tests/bench/views.c.

usage: torch_views.py DIR SIZE WORKERS SECONDS
Decode, RandomResizedCrop, flip, ToTensor, Normalize.  Prints images a second, after the first four
batches, and the memory used in MiB by this process and its largest worker.
"""
import os
import resource
import sys
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T


class Photos(Dataset):
    def __init__(self, directory, size):
        self.files = sorted(os.path.join(directory, f) for f in os.listdir(directory))
        self.view = T.Compose([
            T.RandomResizedCrop(size), T.RandomHorizontalFlip(), T.ToTensor(),
            T.Normalize([.485, .456, .406], [.229, .224, .225])])

    def __len__(self):
        return 1 << 30

    def __getitem__(self, i):
        return self.view(Image.open(self.files[i % len(self.files)]).convert("RGB")), 0


def main():
    directory, (size, workers, seconds) = sys.argv[1], map(int, sys.argv[2:5])
    torch.set_num_threads(1)
    batches = iter(DataLoader(Photos(directory, size), batch_size=64, num_workers=workers))
    for _ in range(4):
        next(batches)
    done, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        done += len(next(batches)[1])
    rate = done / (time.monotonic() - start)
    del batches
    most = sum(resource.getrusage(who).ru_maxrss
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("%.1f %.0f" % (rate, most / 1024))


main()
