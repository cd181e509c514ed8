#!/usr/bin/env python3
"""Forward and backward of libcore/nn against PyTorch, through net_tool.c.

EfficientNet-B0 and the ResNets for ImageNet are torchvision's own modules; the CIFAR nets are written
here from torch.nn.  PyTorch computes in double, so what is measured is the rounding of our float: the
bound is 1e-4, relative, of the logits and of the gradient of every parameter tensor.

A pixel that rounding takes across the kink of relu changes gradients by more than that: two in
the last block of ResNet-50 changed all of them by a percent.  So images are drawn until PyTorch's
nearest one is farther away than KINK, and the shifts of very deep nets, and of those that are
trained, keep most pixels on one side.

Steps of the optimizers, with weight decay, smoothed labels and the moving average, are written out
here; after 20 of them the bound is 1e-3, of every tensor and of the way that all weights together
went.  Rates are small: with large ones rounding grows from step to step."""
import copy
import functools
import math
import os
import subprocess
import sys
import tempfile

import tap
from tap import ok

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torchvision.models import efficientnet_b0, resnet
    from torchvision.ops import StochasticDepth
except ImportError as e:
    tap.skip_all(e.name)

TOOL = os.path.join(os.environ.get("NST_BUILD", "build"), "test-peers", "net_tool")
BOUND = 1e-4
STEPS_BOUND = 1e-3
KINK = 3e-6
torch.set_num_threads(1)  # several wait for each other by spinning: slow on a busy machine


# ---- the nets -------------------------------------------------------------------------------------

def same_padding(conv, args):
    """TensorFlow's SAME: as little as makes ceil(side / stride) outputs, the odd cell at the end."""
    x, = args
    pads = []
    for side, k, s in zip(reversed(x.shape[2:]), reversed(conv.kernel_size), reversed(conv.stride)):
        total = max((math.ceil(side / s) - 1) * s + k - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def depthwise(conv, x):
    """Tap by tap: PyTorch's own loop over groups takes minutes in double."""
    x = F.pad(x, (conv.padding[1], conv.padding[1], conv.padding[0], conv.padding[0]))
    k, s = conv.kernel_size[0], conv.stride[0]
    h, w = ((side - k) // s + 1 for side in x.shape[2:])
    return sum(x[:, :, a:a + (h - 1) * s + 1:s, b:b + (w - 1) * s + 1:s] *
               conv.weight[:, 0, a, b].view(1, -1, 1, 1) for a in range(k) for b in range(k))


def efficientnet(pad, classes):
    net = efficientnet_b0(num_classes=classes)
    for m in net.modules():
        if isinstance(m, (nn.Dropout, StochasticDepth)):
            m.p = 0.0
        if isinstance(m, nn.BatchNorm2d):
            m.eps = 1e-3
        if isinstance(m, nn.Conv2d) and pad == "same":
            m.padding = (0, 0)
            m.register_forward_pre_hook(same_padding)
        if isinstance(m, nn.Conv2d) and m.groups > 1:
            m.forward = functools.partial(depthwise, m)
    return net


def conv3(cin, cout, stride):
    return nn.Conv2d(cin, cout, 3, stride, 1, bias=False)


class Basic(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = conv3(cin, cout, stride), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = conv3(cout, cout, 1), nn.BatchNorm2d(cout)
        self.stride, self.more = stride, cout - cin

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.more))
        return F.relu(y + shortcut)


class Preact(nn.Module):
    def __init__(self, cin, cout, stride, first):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(cin)
        self.shortcut = nn.Conv2d(cin, cout, 1, stride, bias=False) if first else None
        self.conv1, self.bn2 = conv3(cin, cout, stride), nn.BatchNorm2d(cout)
        self.conv2 = conv3(cout, cout, 1)

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return y + (self.shortcut(a) if self.shortcut else x)


class Cifar(nn.Module):
    def __init__(self, repeats, width, preact, classes):
        super().__init__()
        self.conv1 = conv3(3, 16, 1)
        if not preact:
            self.bn1 = nn.BatchNorm2d(16)
        blocks, cin = [], 16
        for stage in range(3):
            cout = 16 * width << stage
            for i in range(repeats):
                stride = 2 if stage and not i else 1
                blocks.append(Preact(cin, cout, stride, not i) if preact else Basic(cin, cout, stride))
                cin = cout
        self.blocks, self.preact = nn.Sequential(*blocks), preact
        if preact:
            self.bn1 = nn.BatchNorm2d(cin)
        self.fc = nn.Linear(cin, classes)

    def forward(self, x):
        x = self.conv1(x)
        x = self.blocks(x) if self.preact else self.blocks(F.relu(self.bn1(x)))
        x = F.relu(self.bn1(x)) if self.preact else x
        return self.fc(x.mean((2, 3)))


# ---- comparison -----------------------------------------------------------------------------------

def tensors(net, names):
    """Parameters and running statistics: by name where ours are those of torchvision, else in the
    order of the net, norm by norm."""
    if isinstance(net, resnet.ResNet):
        known = dict(net.named_parameters())
        known.update((n, b) for n, b in net.named_buffers() if not n.endswith("num_batches_tracked"))
        yield from (known.pop(name) for name in names)
        yield from known.values()
        return
    for module in net.modules():
        yield from module.parameters(recurse=False)
        if isinstance(module, nn.BatchNorm2d):
            yield module.running_mean
            yield module.running_var


def to_ours(t, shape):
    """A PyTorch tensor in our layout: output channels last."""
    a = t.detach().numpy()
    if a.ndim == 4:
        a = a.transpose(2, 3, 1, 0)  # (O,I,H,W) -> (H,W,I,O); depthwise has I = 1
    elif a.ndim == 2:
        a = a.transpose(1, 0)
    return a.reshape(shape)


def relative(a, b):
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30))


def prepare(net, seed, momentum, side=0):
    """The net in double, with random norms; norms remember how many numbers a channel had."""
    torch.manual_seed(seed)
    net = net.double()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = momentum
            for t, lo, hi in ((m.weight, .5, 1.5), (m.bias, -.3, .3), (m.running_mean, -.3, .3),
                              (m.running_var, .5, 1.5)):
                t.data.uniform_(lo, hi)
            if side:
                m.bias.data += side * m.bias.data.sign()
    return net


def pair_up(net, arch, pad, size, classes, label):
    """Name, shape, place and PyTorch's tensor of every parameter of ours, and the flat vector of
    them, which holds the same numbers on both sides."""
    table = [line.split() for line in subprocess.run([TOOL, arch, pad, str(size), str(classes)],
             check=True, capture_output=True, text=True).stdout.splitlines()]
    ours = [(row[0], tuple(map(int, row[1:-1])), int(row[-1])) for row in table]
    theirs = list(tensors(net, [name for name, _, _ in ours]))
    ok(len(ours) == len(theirs), f"{label}: as many tensors",
       f"{len(ours)} here, {len(theirs)} in PyTorch")
    floats = max(offset + (int(np.prod(shape)) + 15) // 16 * 16 for _, shape, offset in ours)
    params = np.zeros(floats, np.float32)
    for (name, shape, offset), t in zip(ours, theirs):
        t.data = t.data.float().double()
        params[offset:offset + t.numel()] = to_ours(t, shape).ravel()
    return [(name, shape, offset, t) for (name, shape, offset), t in zip(ours, theirs)], params


def compare(arch, pad, size, rows, net, seed, side=0):
    label = f"{arch} {pad} {size}px"
    classes = 10
    # Momentum 1: training leaves the statistics of this batch.
    net = prepare(net, seed, 1.0, side)
    paired, params = pair_up(net, arch, pad, size, classes, label)
    images = images_off_kinks(net, rows, size)
    dlogits = (torch.randn(rows, classes) / rows).float()
    with tempfile.TemporaryDirectory() as d:
        params.tofile(f"{d}/params")
        images.permute(0, 2, 3, 1).contiguous().numpy().tofile(f"{d}/images")
        dlogits.numpy().tofile(f"{d}/dlogits")
        subprocess.run([TOOL, arch, pad, str(size), str(classes), str(rows), d], check=True)
        infer = np.fromfile(f"{d}/infer", np.float32).reshape(rows, classes)
        logits = np.fromfile(f"{d}/logits", np.float32).reshape(rows, classes)
        grad = np.fromfile(f"{d}/grad", np.float32)

    with torch.no_grad():
        want = net.eval()(images.double()).numpy()
    ok(relative(infer, want) <= BOUND, f"{label}: logits of inference", f"{relative(infer, want):.2e}")
    out = net.train()(images.double())
    want = out.detach().numpy()
    ok(relative(logits, want) <= BOUND, f"{label}: logits of training", f"{relative(logits, want):.2e}")
    (out * dlogits.double()).sum().backward()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_var *= (m.count - 1) / m.count  # PyTorch keeps the unbiased one
    worst, scale = {}, 0
    for name, shape, offset, t in paired:
        kind = "statistics" if "running" in name else "gradients"
        want = to_ours(t.grad if kind == "gradients" else t, shape)
        got = grad[offset:offset + want.size].reshape(shape)
        # A shift that a later norm takes away has the gradient 0: it is held against that of the
        # scale beside it.
        scale = max(np.linalg.norm(want), scale if name.endswith("bias") else 0)
        worst[kind] = max(worst.get(kind, (0, "")), (float(np.linalg.norm(got - want) / scale), name))
    for kind, (error, name) in worst.items():
        ok(error <= BOUND, f"{label}: {kind} of every tensor", f"{name} is off by {error:.2e}")


STEPS = 20


def is_norm(name):
    return ".bn" in f".{name}" or "downsample.1" in name


def python_step(optimizer, lr, slots, name, w, grad):
    """One update of one tensor: nst-train's formulas, written out.  Scales, shifts and statistics of
    norms do not decay; the others do, strongly, so that it shows in a few steps."""
    if optimizer == "lamb":
        slots["t"] = t = slots.get("t", 0) + 1
        slots[0] = .9 * slots.get(0, 0) + .1 * grad
        slots[1] = .9 * slots.get(1, 0) + .1 * grad * grad
        way = slots[0] / (1 - .9 ** t) / (torch.sqrt(slots[1] / (1 - .9 ** t)) + .001)
        if is_norm(name):
            return w - lr * way
        way = way + w
        return w - lr * w.norm() / way.norm() * way
    if not is_norm(name):
        grad = grad + w
    if optimizer == "sgd":
        slots[0] = .9 * slots.get(0, 0) + grad
        return w - lr * slots[0]
    slots[0] = slots.get(0, torch.ones_like(w))  # the mean square starts at one
    slots[0] = slots[0] + (1 - .9) * (grad * grad - slots[0])
    slots[1] = .9 * slots.get(1, 0) + lr * grad / torch.sqrt(slots[0] + .001)
    return w - slots[1]


def train(arch, pad, size, rows, net, seed, optimizer, lr, momentum, side=0):
    """Steps with smoothed labels, weight decay and a moving average, each on images of its own."""
    label = f"{arch} {pad} {size}px, {STEPS} steps of {optimizer}"
    classes = 10
    net = prepare(net, seed, momentum, side)
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
            m.bias.data.uniform_(-.1, .1)
    paired, params = pair_up(net, arch, pad, size, classes, label)
    start = [t.detach().clone() for *_, t in paired]
    images, labels = [], torch.randint(classes, (STEPS, rows))
    slots, average = [{} for _ in paired], [t.detach().clone() for *_, t in paired]
    named = [(name, t) for name, _, _, t in paired if "running" not in name]
    adamw = torch.optim.AdamW([{"params": [t for name, t in named if is_norm(name) == norm],
                                "weight_decay": 0. if norm else 1.} for norm in (False, True)],
                              lr=lr, betas=(.9, .9), eps=.001)
    net.train()
    for step in range(STEPS):
        before = [t.detach().clone() if "running_var" in name else None for name, *_, t in paired]
        images.append(images_off_kinks(net, rows, size))
        net.zero_grad()
        F.cross_entropy(net(images[step].double()), labels[step], label_smoothing=.1).backward()
        if optimizer == "adamw":
            adamw.step()
        with torch.no_grad():
            for i, (name, _, _, t) in enumerate(paired):
                if "running_var" in name:  # PyTorch takes the unbiased one of the batch
                    old, n = (1 - momentum) * before[i], count_of(net, t)
                    t.copy_(old + (t - old) * (n - 1) / n)
                elif "running" not in name and optimizer != "adamw":
                    t.copy_(python_step(optimizer, lr, slots[i], name, t, t.grad))
                decay = min(.9, (1 + step) / (10 + step))
                average[i] = decay * average[i] + (1 - decay) * t.detach()
    with tempfile.TemporaryDirectory() as d:
        params.tofile(f"{d}/params")
        torch.stack(images).permute(0, 1, 3, 4, 2).contiguous().numpy().tofile(f"{d}/images")
        labels.float().numpy().tofile(f"{d}/labels")
        subprocess.run([TOOL, arch, pad, str(size), str(classes), str(rows), d, str(STEPS), optimizer,
                        f"{lr:g}"], check=True)
        got = {kind: np.fromfile(f"{d}/{kind}", np.float32) for kind in ("trained", "ema")}
    for kind, want in (("trained", [t for *_, t in paired]), ("ema", average)):
        worst, moved, off = (0, ""), 0, 0
        for (name, shape, offset, _), w, s in zip(paired, want, start):
            w = to_ours(w, shape)
            g = got[kind][offset:offset + w.size].reshape(shape)
            worst = max(worst, (relative(g, w), name))
            if "running" not in name:
                off += np.square(g - w).sum()
                moved += np.square(w - to_ours(s, shape)).sum()
        ok(worst[0] <= STEPS_BOUND, f"{label}: every tensor, {kind}",
           f"{worst[1]} is off by {worst[0]:.2e}")
        ok(math.sqrt(off / moved) <= STEPS_BOUND, f"{label}: the way from the start, {kind}",
           f"{math.sqrt(off / moved):.2e}")


def count_of(net, running_var):
    return next(m.count for m in net.modules()
                if isinstance(m, nn.BatchNorm2d) and m.running_var is running_var)


nearest = math.inf  # input of a relu to 0, since it was set
torch_relu = F.relu


def watched_relu(x, inplace=False):
    global nearest
    nearest = min(nearest, float(x.detach().abs().min()))
    return torch_relu(x)


F.relu = watched_relu  # nn.ReLU calls it too


def images_off_kinks(net, rows, size):
    global nearest
    for _ in range(200):
        images, nearest = torch.randn(rows, 3, size, size).float(), math.inf
        with torch.no_grad():
            copy.deepcopy(net).train()(images.double())
        if nearest > KINK:
            return images
    sys.exit("no images without a pixel at the kink of relu in 200 draws")


def count_rows(module, args):
    module.count = args[0].numel() // args[0].shape[1]


def with_counts(net):
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.register_forward_pre_hook(count_rows)
    return net


compare("efficientnet-b0", "same", 64, 8, with_counts(efficientnet("same", 10)), 1)
compare("efficientnet-b0", "symmetric", 64, 8, with_counts(efficientnet("symmetric", 10)), 2)
compare("efficientnet-b0", "same", 33, 8, with_counts(efficientnet("same", 10)), 3)
compare("resnet20", "own", 32, 8, with_counts(Cifar(3, 1, False, 10)), 4)
compare("wrn-16-2", "own", 32, 8, with_counts(Cifar(2, 2, True, 10)), 5)
compare("resnet18", "own", 33, 6, with_counts(resnet.resnet18(num_classes=10)), 6)
compare("resnet50", "own", 33, 4, with_counts(resnet.resnet50(num_classes=10)), 7, side=4)
b0 = functools.partial(train, "efficientnet-b0", "same", 33, 8)
b0(with_counts(efficientnet("same", 10)), 8, "rmsprop-tf", 2e-4, .01)
b0(with_counts(efficientnet("same", 10)), 9, "sgd", 1e-4, .01)
r18 = functools.partial(train, "resnet18", "own", 33, 6, side=4)
r18(with_counts(resnet.resnet18(num_classes=10)), 10, "sgd", 2e-5, .1)
r18(with_counts(resnet.resnet18(num_classes=10)), 11, "rmsprop-tf", 5e-5, .1)
r18(with_counts(resnet.resnet18(num_classes=10)), 12, "adamw", 1e-5, .1)
r18(with_counts(resnet.resnet18(num_classes=10)), 13, "lamb", 1e-4, .1)
tap.done()
