#!/usr/bin/env python3
"""Weights carried between torchvision and nst through safetensors files, both ways.

Out of PyTorch: random weights and running statistics of torchvision's net, under timm's names, go
through nst-convert into a model, and nst-infer labels images with it.  Into PyTorch: a random model
of nst goes through nst-convert into torchvision's net.  The bound is 1e-4, relative, of the logits,
and 1e-2 of what is left of them without their mean over the images, which is little in a random
net.

Images have exactly the side of the net, so nothing is resized: 224 pixels for b0 and the ResNets, 128
for b3 and 96 for b7, or with NST_PEERS_FULL=1 their own 300 and 600, which take minutes.  torchvision
pads symmetrically, so the nets are described to nst in a file.  Logits are known up to a constant from
the logarithms of probabilities; their mean is taken off on both sides.  PyTorch computes in double.

The safetensors files are read and written here by struct, json and numpy alone."""
import functools
import json
import os
import re
import struct
import subprocess
import tempfile

import tap
from tap import ok

try:
    import h5py
    import numpy as np
    import torch
    import torch.nn.functional as F
    import torchvision.models as models
    from PIL import Image
    from torch import nn
except ImportError as e:
    tap.skip_all(e.name)

BUILD = os.environ.get("NST_BUILD", "build")
TOOL = os.path.join(BUILD, "test-peers", "net_tool")
BOUND = 1e-4
FULL = os.environ.get("NST_PEERS_FULL")
IMAGE_BOUND = 1e-2
CLASSES, ROWS = 1000, 2
MEAN, STD = (.485, .456, .406), (.229, .224, .225)
torch.set_num_threads(1)  # several wait for each other by spinning: slow on a busy machine


def nst(tool, *args):
    subprocess.run([os.path.join(BUILD, "bin", tool), "-q", *args], check=True)


# ---- safetensors ----------------------------------------------------------------------------------

TYPES = {"F32": np.float32, "I64": np.int64}


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, a in tensors.items():
        a = np.ascontiguousarray(a) if a.ndim else a
        kind = next(k for k, t in TYPES.items() if a.dtype == t)
        header[name] = {"dtype": kind, "shape": list(a.shape),
                        "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    with open(path, "rb") as f:
        blob = f.read()
    n, = struct.unpack("<Q", blob[:8])
    header, data = json.loads(blob[8:8 + n]), blob[8 + n:]
    header.pop("__metadata__")
    tensors, at = {}, 0
    for name, t in header.items():
        begin, end = t["data_offsets"]
        assert begin == at
        tensors[name], at = np.frombuffer(data[begin:end], TYPES[t["dtype"]]).reshape(t["shape"]), end
    assert at == len(data)
    return tensors


# ---- names ----------------------------------------------------------------------------------------

# Inside a block of torchvision's EfficientNet, with and without an expansion, and in timm.
EXPANDS = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2.fc1": "se.conv_reduce",
           "2.fc2": "se.conv_expand", "3.0": "conv_pwl", "3.1": "bn3"}
PLAIN = {"0.0": "conv_dw", "0.1": "bn1", "1.fc1": "se.conv_reduce", "1.fc2": "se.conv_expand",
         "2.0": "conv_pw", "2.1": "bn2"}


def timm_names(net):
    """torchvision's name of every tensor, and timm's of the same."""
    if isinstance(net, models.ResNet):
        return {name: name for name in net.state_dict()}  # they agree
    last, names = len(net.features) - 1, {}
    for name in net.state_dict():
        if name.startswith("classifier.1."):
            names[name] = name.replace("classifier.1", "classifier")
            continue
        m = re.fullmatch(r"features\.(\d+)\.(\d+)\.(?:block\.(\d+\.\w+)\.)?(\w+)", name)
        stage, part, layer, tensor = int(m[1]), int(m[2]), m[3], m[4]
        if stage == 0:
            names[name] = f"{('conv_stem', 'bn1')[part]}.{tensor}"
        elif stage == last:
            names[name] = f"{('conv_head', 'bn2')[part]}.{tensor}"
        else:
            inside = EXPANDS if len(net.features[stage][part].block) == 4 else PLAIN
            names[name] = f"blocks.{stage - 1}.{part}.{inside[layer]}.{tensor}"
    return names


# ---- nets -----------------------------------------------------------------------------------------

def depthwise(conv, x):
    """Tap by tap: PyTorch's own loop over groups takes minutes in double."""
    x = F.pad(x, (conv.padding[1], conv.padding[1], conv.padding[0], conv.padding[0]))
    k, s = conv.kernel_size[0], conv.stride[0]
    h, w = ((side - k) // s + 1 for side in x.shape[2:])
    return sum(x[:, :, a:a + (h - 1) * s + 1:s, b:b + (w - 1) * s + 1:s] *
               conv.weight[:, 0, a, b].view(1, -1, 1, 1) for a in range(k) for b in range(k))


def torch_net(name, seed):
    torch.manual_seed(seed)
    net = getattr(models, name)(num_classes=CLASSES).double().eval()
    for m in net.modules():
        if isinstance(m, nn.Conv2d) and m.groups > 1:
            m.forward = functools.partial(depthwise, m)
    return net


def randomise(net, images, gain):
    """Statistics near those of the images, so that activations neither fade nor grow, but not the
    same; every number one of 32 bits."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.momentum = 1.0
        m.weight.data.uniform_(.7 * gain, 1.4 * gain)
        m.bias.data.uniform_(-.1, .1)
    with torch.no_grad():
        net.train()(images)
    net.eval()
    for m in norms:
        deviation = m.running_var.sqrt()
        m.running_mean += deviation * torch.empty_like(deviation).uniform_(-.1, .1)
        m.running_var *= torch.empty_like(deviation).uniform_(.7, 1.4)
    for t in net.state_dict().values():
        if t.is_floating_point():
            t.copy_(t.float().double())


def picture(rng, size):
    """Patches of colour under noise: pictures of noise alone look the same to a net."""
    patches = rng.integers(0, 200, (3, 3, 3), np.uint8)
    smooth = Image.fromarray(patches).resize((size, size), Image.BICUBIC)
    return np.asarray(smooth) // 2 + rng.integers(0, 100, (size, size, 3), np.uint8)


# ---- comparison -----------------------------------------------------------------------------------

def centred(x):
    return x - x.mean(axis=1, keepdims=True)


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def check_logits(net, images, model, shard, d, label):
    """nst-infer divides the logits by a temperature, lest probabilities vanish."""
    with torch.no_grad():
        want = centred(net(images).numpy())
    temperature = min(max(np.ptp(want) / 20, 1), 1000)
    nst("nst-infer", "--precision=f32", f"--temperature={temperature:.17g}", "-m", model,
        "-o", f"{d}/p.h5", shard)
    with h5py.File(f"{d}/p.h5") as f:
        got = temperature * centred(np.log(f["prediction/probability"][:].astype(np.float64)))
    ok(relative(got, want) <= BOUND, f"{label}: the same logits", f"{relative(got, want):.2e}")
    got, want = got - got.mean(axis=0), want - want.mean(axis=0)
    ok(relative(got, want) <= IMAGE_BOUND, f"{label}: the same differences between images",
       f"{relative(got, want):.2e}")


def compare(torch_name, nst_name, eps, size, seed, gain=1):
    label = f"{torch_name} {size}px"
    net = torch_net(torch_name, seed)
    names = timm_names(net)
    assert len(set(names.values())) == len(names)
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(f"{d}/images")
        pixels = np.stack([picture(rng, size) for _ in range(ROWS)])
        for i in range(ROWS):
            Image.fromarray(pixels[i]).save(f"{d}/images/{i}.png")
        nst("nst-pack", "--unlabeled", "-o", f"{d}/s.h5", f"{d}/images")
        # nst normalises in 32 bits.
        images = (pixels.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
        images = torch.from_numpy(images).permute(0, 3, 1, 2).double()
        spec = subprocess.run([TOOL, nst_name], check=True, capture_output=True, text=True).stdout
        spec = re.sub(r"pad=\w+", "pad=symmetric", spec)
        spec = re.sub(r"bn-eps=\S+", f"bn-eps={eps:g}", spec)
        with open(f"{d}/spec", "w") as f:
            f.write(spec)

        # Out of PyTorch.
        randomise(net, images, gain)
        write_safetensors(f"{d}/out.safetensors", {
            names[n]: t.numpy().astype(np.float32) if t.is_floating_point() else t.numpy()
            for n, t in net.state_dict().items()})
        nst("nst-convert", f"--arch-file={d}/spec", f"--size={size}", "--crop-padding=0",
            "-o", f"{d}/out.h5", f"{d}/out.safetensors")
        check_logits(net, images, f"{d}/out.h5", f"{d}/s.h5", d, f"{label}: out of PyTorch")
        # And back, bit by bit.
        nst("nst-convert", "-o", f"{d}/back.safetensors", f"{d}/out.h5")
        back = read_safetensors(f"{d}/back.safetensors")
        ok(all(np.array_equal(back.pop(names[n]), t.float().numpy())
               for n, t in net.state_dict().items() if t.is_floating_point()) and not back,
           f"{label}: every number comes back")

        # Into PyTorch, strictly by name and shape.
        subprocess.run([TOOL, f"{d}/spec", str(size), str(CLASSES), str(seed), f"{d}/in.h5"], check=True)
        nst("nst-convert", "-o", f"{d}/in.safetensors", f"{d}/in.h5")
        state = {n: torch.tensor(t).double() for n, t in read_safetensors(f"{d}/in.safetensors").items()}
        other = torch_net(torch_name, seed + 100)
        other.load_state_dict({n: state.pop(t) for n, t in names.items() if t in state})
        ok(not state, f"{label}: nothing else is in the file", " ".join(state))
        check_logits(other, images, f"{d}/in.h5", f"{d}/s.h5", d, f"{label}: into PyTorch")


compare("efficientnet_b0", "efficientnet-b0", 1e-5, 224, 1)
compare("efficientnet_b3", "efficientnet-b3", 1e-5, 300 if FULL else 128, 2)
compare("efficientnet_b7", "efficientnet-b7", 1e-3, 600 if FULL else 96, 3, gain=.93)
compare("resnet18", "resnet18", 1e-5, 224, 4)
compare("resnet50", "resnet50", 1e-5, 224, 5)
tap.done()
