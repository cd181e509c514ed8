#!/usr/bin/python3
"""torchvision's RandAugment on Pillow images, one core: the peer of tests/bench/randaugment.c.

usage: pillow_randaugment.py SIZE N MAGNITUDE SECONDS
Prints images a second and the memory used in MiB.
"""
import resource
import sys
import time

import numpy as np
import torch
from PIL import Image
from torchvision import transforms as T


def main():
    size, n, magnitude, seconds = map(int, sys.argv[1:5])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng, few = np.random.default_rng(0), size // 8 + 1
    pictures = [Image.fromarray(rng.integers(0, 256, (few, few, 3), dtype=np.uint8))
                .resize((size, size), Image.BICUBIC) for _ in range(64)]
    augment = T.RandAugment(n, magnitude)
    done, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        for picture in pictures:
            augment(picture)
        done += len(pictures)
    print("%.1f %.0f" % (done / (time.monotonic() - start),
                         resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


main()
