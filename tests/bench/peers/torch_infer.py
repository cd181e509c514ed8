#!/usr/bin/python3
"""Inference speed of PyTorch on random images: a peer of tests/bench/infer.c.

usage: torch_infer.py ARCH SIZE CLASSES BATCH THREADS SECONDS nhwc|nchw
       torch_infer.py ARCH SIZE CLASSES export FILE
The first prints images a second, after two batches that warm up, and the memory used in MiB; the
second writes the net as ONNX, for ort_infer.js.
"""
import resource
import sys
import time

import torch

from torch_nets import build


def export(net, size, path):
    torch.onnx.export(net, torch.randn(1, 3, size, size), path, opset_version=13,
                      input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})


def main():
    arch, size, classes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(0)
    net = build(arch, classes).eval()
    if sys.argv[4] == "export":
        return export(net, size, sys.argv[5])
    batch, threads, seconds = map(int, sys.argv[4:7])
    layout = torch.channels_last if sys.argv[7] == "nhwc" else torch.contiguous_format
    torch.set_num_threads(threads)
    net = net.to(memory_format=layout)
    x = torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
    done, start = 0, 0.0
    with torch.inference_mode():
        while done < 3 or time.monotonic() - start < seconds:
            if done == 2:
                start = time.monotonic()
            net(x)
            done += 1
    rate = (done - 2) * batch / (time.monotonic() - start)
    print("%.1f %.0f" % (rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


main()
