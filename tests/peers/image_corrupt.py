#!/usr/bin/env python3
"""Corruptions against the NumPy, SciPy and Pillow calls they are defined by, through image_tool.c.

scikit-image is not needed: its Gaussian filter is SciPy's, its HSV conversion is written out."""
import io
import os
import subprocess

import tap
from tap import ok

try:
    import numpy as np
except ImportError:
    tap.skip_all("numpy")
try:
    from scipy.ndimage import gaussian_filter
except ImportError:
    gaussian_filter = None
try:
    from PIL import Image
except ImportError:
    Image = None

NOISE, BLUR, CONTRAST, BRIGHTNESS, JPEG = range(5)

tool = subprocess.Popen([os.path.join(os.environ.get("NST_BUILD", "build"),
                                      "test-peers", "image_tool")],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def corrupt(a, kind, c):
    h, w, _ = a.shape
    tool.stdin.write(f"corrupt {a.size} {kind} {c!r} {h} {w}\n".encode() + a.tobytes())
    tool.stdin.flush()
    assert tool.stdout.readline().split() == [str(h).encode(), str(w).encode()]
    return np.frombuffer(tool.stdout.read(a.size), np.uint8).reshape(a.shape)


def to_bytes(x):
    return np.uint8(np.clip(x, 0, 1) * 255)


def contrast(a, c):
    x = a / 255.
    means = np.mean(x, axis=(0, 1), keepdims=True)
    return to_bytes((x - means) * c + means)


def blur(a, c):
    x = a / 255.
    return to_bytes(gaussian_filter(x, [c, c, 0], mode="nearest", truncate=4.0))


def brightness(a, c):
    """RGB to HSV and back with the value raised, all over the picture at once."""
    x = a / 255.
    value, delta = x.max(-1), np.ptp(x, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        saturation = np.where(delta == 0, 0, delta / value)
        hue = np.zeros_like(value)
        for channel, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
            this = x[..., channel] == value
            hue[this] = (2. * channel + (x[..., i] - x[..., j]) / delta)[this]
    hue = np.where(delta == 0, 0, (hue / 6.) % 1.)
    value = np.clip(value + c, 0, 1)
    sector = np.floor(hue * 6)
    f = hue * 6 - sector
    p, q, t = (value * (1 - saturation), value * (1 - f * saturation),
               value * (1 - (1 - f) * saturation))
    table = np.stack([np.stack(v, -1) for v in ((value, t, p), (q, value, p), (p, value, t),
                                                (p, q, value), (t, p, value), (value, p, q))])
    return to_bytes(np.choose((sector.astype(np.uint8) % 6)[..., None], table))


def jpeg(a, c):
    out = io.BytesIO()
    Image.fromarray(a).save(out, "JPEG", quality=c)
    return np.asarray(Image.open(out).convert("RGB"))


def pictures():
    rng = np.random.default_rng(7)
    for _ in range(20):
        yield rng.integers(0, 256, (32, 32, 3), np.uint8)
    y, x = np.mgrid[0:32, 0:32]
    for k in range(20):
        yield np.stack([127 + 120 * np.sin(x / (3 + k)), 127 + 120 * np.cos(y / (2 + k)),
                        4 * x + 3 * y], 2).astype(np.uint8)
    yield np.stack([np.arange(1024).reshape(32, 32) % 256] * 3, 2).astype(np.uint8)  # grey
    yield rng.integers(0, 256, (224, 200, 3), np.uint8)


PICTURES = list(pictures())


def compare(name, kind, reference, constants):
    """Differences of one level come from the last bit of a double that is cut off: they are few."""
    off = worst = total = 0
    for a in PICTURES:
        for c in constants:
            d = np.abs(corrupt(a, kind, c).astype(int) - reference(a, c).astype(int))
            off, worst, total = off + (d > 0).sum(), max(worst, d.max()), total + d.size
    ok(worst <= 1 and off <= total / 1000, f"{name}: {off} of {total} values differ, by {worst}")


compare("contrast", CONTRAST, contrast, (.75, .5, .4, .3, .15, .2, .1, .05))
compare("brightness", BRIGHTNESS, brightness, (.05, .1, .15, .2, .3, .4, .5))
if gaussian_filter:
    compare("gaussian_blur", BLUR, blur, (.4, .6, .7, .8, 1, 2, 3, 4, 6))
else:
    ok(True, "gaussian_blur # SKIP scipy is not installed")
if Image:
    compare("jpeg_compression", JPEG, jpeg, (80, 65, 58, 50, 40, 25, 18, 15, 10, 7))
else:
    ok(True, "jpeg_compression # SKIP Pillow is not installed")

# Noise: mean and deviation where nothing is clipped; the cut to 8 bits takes half a level off.
grey = np.full((256, 256, 3), 128, np.uint8)
for c in (.04, .1):
    d = corrupt(grey, NOISE, c).astype(float) - 128
    n = d.size
    ok(abs(d.mean() + .5) < 5 * 255 * c / n ** .5 and
       abs(d.std() - (255 * c)) < 255 * c * .02, f"gaussian_noise {c}: mean {d.mean():.3f}, "
       f"deviation {d.std():.3f} of {255 * c:.3f}")

tool.stdin.close()
ok(tool.wait() == 0, "image_tool ended well")
tap.done()
