#!/usr/bin/env python3
"""Decoding, resizing and the operations of RandAugment against Pillow and torchvision, through
image_tool.c.

Equality is exact unless a bound stands beside a test.  Where Pillow and TensorFlow differ, Pillow
is compared with the flavour named after it and TensorFlow's formulas are written out here."""
import io
import math
import os
import random
import subprocess
import tarfile

import tap
from tap import ok

try:
    import numpy as np
    from PIL import Image, ImageEnhance, ImageFile, ImageOps
except ImportError as e:
    tap.skip_all(e.name)

try:
    import torch
    import torchvision
    torch.manual_seed(1)
except ImportError:
    torchvision = None

ImageFile.MAXBLOCK = 1 << 22  # progressive JPEGs of noise outgrow the default buffer

TF, PIL = 0, 1
FILTERS = [("box", Image.BOX), ("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC),
           ("lanczos", Image.LANCZOS)]
FILL = (128, 128, 128)

tool = subprocess.Popen([os.path.join(os.environ.get("NST_BUILD", "build"),
                                      "test-peers", "image_tool")],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ask(name, data, *args):
    """Pixels that image_tool answers, or the sentence of its error."""
    tool.stdin.write(" ".join([name, str(len(data)), *(repr(float(a)) for a in args)]).encode()
                     + b"\n" + data)
    tool.stdin.flush()
    h, w, *why = tool.stdout.readline().decode().rstrip("\n").split(" ", 2)
    h, w = int(h), int(w)
    if h == 0:
        return " ".join(why)
    return np.frombuffer(tool.stdout.read(3 * h * w), np.uint8).reshape(h, w, 3)


def op(name, a, flavour=PIL, *args):
    return ask(name, a.tobytes(), a.shape[0], a.shape[1], flavour, *args)


def distance(a, b):
    if isinstance(a, str):
        return a
    if a.shape != b.shape:
        return f"shapes {a.shape} and {b.shape}"
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def agree(pairs, name, bound=0):
    """One assertion over many pairs of pictures."""
    worst = 0
    for what, a, b in pairs:
        d = distance(a, np.asarray(b))
        if isinstance(d, str) or d > bound:
            ok(False, name, f"{what}: {d}")
            return
        worst = max(worst, d)
    ok(True, name + (f" (largest difference {worst})" if bound else ""))


def pictures():
    """Noise, smooth waves, a flat picture, few grey levels; odd and even sizes."""
    rng = np.random.default_rng(5)
    yield "noise", rng.integers(0, 256, (33, 47, 3), np.uint8)
    y, x = np.mgrid[0:64, 0:80]
    waves = np.stack([127 + 90 * np.sin(x / 7), 127 + 100 * np.cos(y / 9 + x / 20),
                      100 + 60 * np.sin((x + y) / 11)], 2)
    yield "waves", waves.astype(np.uint8)
    yield "flat", np.full((32, 32, 3), (13, 200, 255), np.uint8)
    yield "levels", (rng.integers(0, 4, (32, 32, 3)) * 40 + 30).astype(np.uint8)
    yield "small", rng.integers(0, 256, (32, 32, 3), np.uint8)
    yield "large", rng.integers(0, 256, (300, 260, 3), np.uint8)


PICTURES = list(pictures())


def test_resize():
    random.seed(1)
    for number, (name, pil) in enumerate(FILTERS):
        pairs = []
        for _ in range(150):
            what, a = random.choice(PICTURES)
            h, w, _ = a.shape
            oh, ow = random.randint(1, 120), random.randint(1, 120)
            box = (0, 0, w, h)
            kind = random.randrange(4)
            if kind == 1:
                x, y = random.randrange(w), random.randrange(h)
                box = (x, y, random.randint(x + 1, w), random.randint(y + 1, h))
            elif kind == 2:
                x, y = random.uniform(0, w - 1), random.uniform(0, h - 1)
                box = (x, y, random.uniform(x + .01, w), random.uniform(y + .01, h))
            elif kind == 3:
                oh, ow = random.choice([(h, ow), (oh, w), (h, w)])
            got = ask("resize", a.tobytes(), h, w, *box, number, oh, ow)
            pairs.append((f"{what} {box} to {ow}x{oh}", got,
                          Image.fromarray(a).resize((ow, oh), pil, box=box)))
        agree(pairs, f"resize {name}")


CENTRAL, SHORTEST = 0, 1


def test_evaluation():
    """The evaluation path: crop padding against Pillow, crop fraction against torchvision."""
    for number, (name, pil) in enumerate(FILTERS):
        pairs = []
        for what, a in PICTURES:
            h, w, _ = a.shape
            for size in (20, 32, 45):
                side = int(size / (size + 32) * min(h, w) + 1e-6)
                x, y = (w - side + 1) // 2, (h - side + 1) // 2
                pairs.append(((what, size),
                              ask("preprocess", a.tobytes(), h, w, size, CENTRAL,
                                  size / (size + 32), number),
                              Image.fromarray(a).resize((size, size), pil,
                                                        box=(x, y, x + side, y + side))))
        agree(pairs, f"crop padding, {name}")
    if not torchvision:
        ok(True, "crop fraction # SKIP torchvision is not installed")
        return
    modes = torchvision.transforms.InterpolationMode
    for name, mode in (("bilinear", modes.BILINEAR), ("bicubic", modes.BICUBIC),
                       ("lanczos", modes.LANCZOS)):
        number = [n for n, _ in FILTERS].index(name)
        pairs = []
        for what, a in PICTURES:
            for size in (16, 24, 31, 45):
                for fraction in (.5, .875, .904, .922, .96, 1):
                    steps = torchvision.transforms.Compose([
                        torchvision.transforms.Resize(math.floor(size / fraction), mode),
                        torchvision.transforms.CenterCrop(size)])
                    pairs.append(((what, size, fraction),
                                  ask("preprocess", a.tobytes(), *a.shape[:2], size, SHORTEST,
                                      fraction, number), steps(Image.fromarray(a))))
        agree(pairs, f"crop fraction, {name}")


def test_random_resized_crop():
    """A crop is resized as Pillow does it with a box, so pixels beyond the crop take part.
    torchvision cuts first: the lines along the edges differ, the others by at most one level."""
    if not torchvision:
        ok(True, "random resized crops # SKIP torchvision is not installed")
        return
    random.seed(2)
    modes = torchvision.transforms.InterpolationMode
    for name, mode, reach in (("bilinear", modes.BILINEAR, 1), ("bicubic", modes.BICUBIC, 2)):
        number = [n for n, _ in FILTERS].index(name)
        pairs = []
        for _ in range(200):
            what, a = random.choice(PICTURES)
            size = 16
            top, left, h, w = torchvision.transforms.RandomResizedCrop.get_params(
                Image.fromarray(a), (.08, 1), (3 / 4, 4 / 3))
            got = ask("resize", a.tobytes(), *a.shape[:2], left, top, left + w, top + h, number,
                      size, size)
            want = np.asarray(torchvision.transforms.functional.resized_crop(
                Image.fromarray(a), top, left, h, w, (size, size), mode))
            edge = math.ceil(reach * max(1, size / min(h, w)))
            pairs.append(((what, top, left, h, w), got[edge:size - edge, edge:size - edge],
                          want[edge:size - edge, edge:size - edge]))
        agree(pairs, f"random resized crops, {name}, without the edge", 1)


def test_pointwise():
    agree([(n, op("invert", a), ImageOps.invert(Image.fromarray(a))) for n, a in PICTURES],
          "invert")
    agree([(n, op("equalize", a), ImageOps.equalize(Image.fromarray(a))) for n, a in PICTURES],
          "equalize")
    # Single precision against double.
    agree([(n, op("autocontrast", a), ImageOps.autocontrast(Image.fromarray(a)))
           for n, a in PICTURES], "autocontrast", 1)
    agree([((n, b), op("posterize", a, PIL, b), ImageOps.posterize(Image.fromarray(a), b))
           for n, a in PICTURES for b in range(1, 9)], "posterize")
    agree([((n, t), op("solarize", a, PIL, t), ImageOps.solarize(Image.fromarray(a), t))
           for n, a in PICTURES for t in (0, 1, 77, 128, 255, 256)], "solarize")
    agree([((n, v), op("solarize_add", a, PIL, v),
            np.where(a < 128, np.clip(a.astype(int) + v, 0, 255), a))
           for n, a in PICTURES for v in (0, 44, 110, 128, 308)], "solarize-add")


FACTORS = (0, .1, .28, .82, 1, 1.18, 1.9, 2.5, 4.96)


def test_enhance():
    for name, enhancer in (("color", ImageEnhance.Color), ("contrast", ImageEnhance.Contrast),
                           ("brightness", ImageEnhance.Brightness),
                           ("sharpness", ImageEnhance.Sharpness)):
        agree([((n, f), op(name, a, PIL, f), enhancer(Image.fromarray(a)).enhance(f))
               for n, a in PICTURES for f in FACTORS], f"{name} as Pillow")


def tf_blend(degenerate, a, factor):
    f = np.float32(factor)
    d, x = degenerate.astype(np.float32), a.astype(np.float32)
    return np.clip(d + f * (x - d), 0, 255).astype(np.uint8)


def tf_smooth(a):
    x = a.astype(int)
    total = sum(x[1 + dy:x.shape[0] - 1 + dy, 1 + dx:x.shape[1] - 1 + dx]
                for dy in (-1, 0, 1) for dx in (-1, 0, 1)) + 4 * x[1:-1, 1:-1]
    out = a.copy()
    out[1:-1, 1:-1] = total // 13
    return out


def test_enhance_tf():
    pairs = {"color": [], "contrast": [], "sharpness": []}
    for n, a in PICTURES:
        gray = (a.astype(np.float32) / 255 @ np.array([.2989, .587, .114], np.float32)
                * np.float32(255.5)).astype(np.uint8)
        level = min(a.shape[0] * a.shape[1] // 256, 255)
        for f in FACTORS:
            pairs["color"].append(((n, f), op("color", a, TF, f), tf_blend(gray[..., None], a, f)))
            pairs["contrast"].append(((n, f), op("contrast", a, TF, f),
                                      tf_blend(np.full_like(a, level), a, f)))
            pairs["sharpness"].append(((n, f), op("sharpness", a, TF, f),
                                       tf_blend(tf_smooth(a), a, f)))
    agree(pairs["contrast"], "contrast as TensorFlow")
    agree(pairs["sharpness"], "sharpness as TensorFlow")
    # Sums of the grey level in another order: one grey level, times |1 - factor|.
    agree(pairs["color"], "color as TensorFlow", 4)


def pil_affine(a, *matrix):
    im = Image.fromarray(a)
    return im.transform(im.size, Image.AFFINE, matrix, Image.NEAREST, fillcolor=FILL)


def tf_affine(a, m):
    """Nearest pixel, in single precision, measured between centres; halves away from zero."""
    h, w, _ = a.shape
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    m = [np.float32(v) for v in m]
    sx, sy = m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]
    sx, sy = (np.trunc(v + np.copysign(np.float32(.5), v)).astype(int) for v in (sx, sy))
    inside = (sx >= 0) & (sx < w) & (sy >= 0) & (sy < h)
    return np.where(inside[..., None], a[np.clip(sy, 0, h - 1), np.clip(sx, 0, w - 1)], 128)


def test_geometry():
    degrees = (-84, -30, -12.5, 0, 3, 45, 81, 90)
    agree([((n, d), op("rotate", a, PIL, d),
            Image.fromarray(a).rotate(d, Image.NEAREST, fillcolor=FILL))
           for n, a in PICTURES for d in degrees if d != 90], "rotate as Pillow")
    shears = (-.84, -.3, -.1, 0, .15, .5, .9)
    agree([((n, s), op("shear_x", a, PIL, s), pil_affine(a, 1, s, 0, 0, 1, 0))
           for n, a in PICTURES for s in shears], "shear-x as Pillow")
    agree([((n, s), op("shear_y", a, PIL, s), pil_affine(a, 1, 0, 0, s, 1, 0))
           for n, a in PICTURES for s in shears], "shear-y as Pillow")
    moves = (-300, -40, -3.6, 0, 1, 2.4, 10.8, 100)
    agree([((n, t), op("translate_x", a, PIL, t), pil_affine(a, 1, 0, t, 0, 1, 0))
           for n, a in PICTURES for t in moves], "translate-x as Pillow")
    agree([((n, t), op("translate_y", a, PIL, t), pil_affine(a, 1, 0, 0, 0, 1, t))
           for n, a in PICTURES for t in moves], "translate-y as Pillow")

    agree([((n, s), op("shear_x", a, TF, s), tf_affine(a, (1, s, 0, 0, 1, 0)))
           for n, a in PICTURES for s in shears], "shear-x as TensorFlow")
    agree([((n, s), op("shear_y", a, TF, s), tf_affine(a, (1, 0, 0, s, 1, 0)))
           for n, a in PICTURES for s in shears], "shear-y as TensorFlow")
    agree([((n, t), op("translate_x", a, TF, t), tf_affine(a, (1, 0, t, 0, 1, 0)))
           for n, a in PICTURES for t in moves], "translate-x as TensorFlow")
    pairs = []
    for n, a in PICTURES:
        for d in degrees:
            c, s = math.cos(math.radians(d)), math.sin(math.radians(d))
            w1, h1 = a.shape[1] - 1, a.shape[0] - 1
            pairs.append(((n, d), op("rotate", a, TF, d),
                          tf_affine(a, (c, -s, (w1 - (c * w1 - s * h1)) / 2,
                                        s, c, (h1 - (s * w1 + c * h1)) / 2))))
    # Rounding of the offsets may move a pixel that lies between two: count, do not bound.
    wrong = sum((a != b).any(2).sum() for _, a, b in pairs)
    total = sum(a.shape[0] * a.shape[1] for _, a, _ in pairs)
    ok(wrong <= total / 2000, f"rotate as TensorFlow (all but {wrong} of {total} pixels)")


def test_filtered_geometry():
    """What timm's operations do: Pillow's transform and rotate with a filter and a fill colour."""
    fill = (124, 116, 104)
    random.seed(3)
    for number, (name, pil) in enumerate(FILTERS[1:3]):
        pairs = []
        for n, a in PICTURES:
            for degrees in (-30, -27.3, -.01, 0, 1, 12.5, 45, 81, 90, 180, 270, 359.5, -90, 720,
                            *(random.uniform(-90, 90) for _ in range(30))):
                pairs.append(((n, degrees), op("turn", a, PIL, number, *fill, degrees),
                              Image.fromarray(a).rotate(degrees, pil, fillcolor=fill)))
        agree(pairs, f"rotate, {name}, as Pillow")
        for which in ("shear-x", "shear-y", "translate-x", "translate-y"):
            pairs = []
            for n, a in PICTURES:
                im, side = Image.fromarray(a), a.shape[1 if which[-1] == "x" else 0]
                for v in (0, .3, -.3, .27, -.1, .45, 1e-3,
                          *(random.uniform(-1, 1) for _ in range(20))):
                    m = {"shear-x": (1, v, 0, 0, 1, 0), "shear-y": (1, 0, 0, v, 1, 0),
                         "translate-x": (1, 0, v * side, 0, 1, 0),
                         "translate-y": (1, 0, 0, 0, 1, v * side)}[which]
                    pairs.append(((n, v), op("transform", a, PIL, number, *fill, *m),
                                  im.transform(im.size, Image.AFFINE, m, pil, fillcolor=fill)))
            agree(pairs, f"{which}, {name}, as Pillow")


OPS = ["autocontrast", "equalize", "invert", "rotate", "posterize", "solarize", "color", "contrast",
       "brightness", "sharpness", "shear-x", "shear-y", "translate-x", "translate-y", "cutout",
       "solarize-add", "identity"]
FORMS = {"mono": 1, "timm": 2, "timm inc1": 3, "fixmatch": 4}


def posterize(im, bits):
    return im if bits >= 8 else im.point(lambda v: 0) if bits <= 0 else ImageOps.posterize(im, bits)


def solarize_add(im, add):
    return im.point([min(255, v + add) if v < 128 else v for v in range(256)] * 3)


def level_arguments(form, name, m, side):
    """What an operation of magnitude m may get, signs included: the formulas of the sources."""
    level = m / 10
    both = form in ("mono", "timm inc1")
    if name == "rotate":
        v = min(30 * level, 90) if form == "mono" else level * 30
    elif name.startswith("shear"):
        v = min(.3 * level, .9) if form == "mono" else level * .3
    elif name.startswith("translate"):
        v = {"mono": min(level * 100, .45 * side), "fixmatch": .3 * level * side}.get(
            form, level * .45 * side)
    elif name == "posterize":
        return [{"mono": max(8 - int(4 * level), 2), "timm": int(level * 4),
                 "timm inc1": 4 - int(level * 4), "fixmatch": 4 + min(int(5 * level), 4)}[form]]
    elif name == "solarize":
        return [{"mono": max(256 - int(256 * level), 0), "timm": min(256, int(level * 256)),
                 "timm inc1": 256 - min(256, int(level * 256)),
                 "fixmatch": int(256 * level)}[form]]
    elif name == "solarize-add":
        return [min(128, int(level * 110))]
    elif name in ("color", "contrast", "brightness", "sharpness"):
        if both:
            return [max(.1, 1 + s * level * .9) for s in (-1, 1)]
        return [.05 + .9 * level if form == "fixmatch" else level * 1.8 + .1]
    else:
        return [None]
    return [v, -v]


def pillow_op(name, im, v, pil):
    enhancers = {"color": ImageEnhance.Color, "contrast": ImageEnhance.Contrast,
                 "brightness": ImageEnhance.Brightness, "sharpness": ImageEnhance.Sharpness}
    matrices = {"shear-x": (1, v, 0, 0, 1, 0), "shear-y": (1, 0, 0, v, 1, 0),
                "translate-x": (1, 0, v, 0, 1, 0), "translate-y": (1, 0, 0, 0, 1, v)}
    if name in enhancers:
        return enhancers[name](im).enhance(v)
    if name in matrices:
        return im.transform(im.size, Image.AFFINE, matrices[name], pil, fillcolor=FILL)
    return {"autocontrast": lambda: ImageOps.autocontrast(im),
            "equalize": lambda: ImageOps.equalize(im), "invert": lambda: ImageOps.invert(im),
            "identity": lambda: im, "rotate": lambda: im.rotate(v, pil, fillcolor=FILL),
            "posterize": lambda: posterize(im, v), "solarize": lambda: ImageOps.solarize(im, v),
            "solarize-add": lambda: solarize_add(im, v)}[name]()


def test_forms():
    """Every operation with the arguments that a form gives it: each draw is one that Pillow makes
    with either sign and filter, and all of them come up.  Autocontrast within a level."""
    small = [p for p in PICTURES if p[0] != "large"]
    for form, number in FORMS.items():
        filters = (Image.BILINEAR, Image.BICUBIC) if "timm" in form else (Image.NEAREST,)
        for name in OPS:
            if name == "cutout" or form == "fixmatch" and name in ("invert", "solarize-add"):
                continue
            why, seen, possible = "", set(), set()
            for (what, a), m in ((p, m) for p in small for m in (0, 2.5, 9, 10)):
                im, side = Image.fromarray(a), a.shape[1 if name == "translate-x" else 0]
                cases = {(i, j): np.asarray(pillow_op(name, im, v, pil)) for j, pil in
                         enumerate(filters) for i, v in
                         enumerate(level_arguments(form, name, m, side))}
                possible |= set(cases)
                for sample in range(8):
                    got = ask("apply", a.tobytes(), *a.shape[:2], number, OPS.index(name), m,
                              sample)
                    found = [case for case, want in cases.items()
                             if isinstance(distance(got, want), int)
                             and distance(got, want) <= (name == "autocontrast")]
                    seen |= set(found)
                    if not found:
                        why = f"{what}, magnitude {m}"
            ok(not why and seen == possible, f"{name} in the form of {form}", why or f"only {seen}")


def test_autoaugment():
    if not torchvision:
        ok(True, "the table of AutoAugment # SKIP torchvision is not installed")
        return
    auto = torchvision.transforms.AutoAugment()
    table = ask("policy", b"", 3)
    names = {"AutoContrast": "autocontrast", "ShearX": "shear-x"}
    pairs = [[(names.get(name, name.lower()), round(10 * p), m) for name, p, m in pair]
             for pair in auto._get_policies(torchvision.transforms.AutoAugmentPolicy.IMAGENET)]
    same = all(OPS[step[0]] == name and step[1] == p and m in (None, step[2])
               for line, pair in zip(table, pairs) for step, (name, p, m) in zip(line, pair))
    ok(same and len(pairs) == len(table), "AutoAugment's table is torchvision's")


def test_cutout():
    pairs = []
    for n, a in PICTURES:
        h, w, _ = a.shape
        for cy, cx, half in ((0, 0, 4), (h - 1, w - 1, 9), (h // 2, 3, 8), (5, 5, 0), (9, 9, 400)):
            b = a.copy()
            b[max(0, cy - half):cy + half, max(0, cx - half):cx + half] = 128
            pairs.append(((n, cy, cx, half), op("cutout", a, PIL, cy, cx, half), b))
    agree(pairs, "cutout")


def encoded(a, form, **more):
    out = io.BytesIO()
    (a if isinstance(a, Image.Image) else Image.fromarray(a)).save(out, form, **more)
    return out.getvalue()


def rgb(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_jpeg():
    agree([((n, q, s, p), ask("jpeg", data), rgb(data))
           for n, a in PICTURES for q in (30, 90, 100) for s in (0, 1, 2) for p in (False, True)
           for data in [encoded(a, "JPEG", quality=q, subsampling=s, progressive=p)]],
          "JPEG: baseline and progressive, 4:4:4, 4:2:2, 4:2:0")
    agree([(n, ask("jpeg", data), rgb(data)) for n, a in PICTURES
           for data in [encoded(Image.fromarray(a).convert("L"), "JPEG")]], "JPEG: grey")
    agree([(n, ask("jpeg", data), rgb(data)) for n, a in PICTURES
           for data in [encoded(Image.fromarray(a).convert("CMYK"), "JPEG")]], "JPEG: CMYK")
    pairs = []
    for n, a in PICTURES:
        data = encoded(a, "JPEG")
        for scale in (2, 4, 8):
            im = Image.open(io.BytesIO(data))
            im.draft("RGB", (im.width // scale, im.height // scale))
            pairs.append(((n, scale), ask("jpeg", data, scale), np.asarray(im)))
    agree(pairs, "JPEG: reduced while decoding")
    pairs = []
    for n, a in PICTURES:
        for o in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = o
            data = encoded(a, "JPEG", exif=exif)
            pairs.append(((n, o), ask("upright", data),
                          ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))
    agree(pairs, "JPEG: eight orientations")


def test_formats():
    for form in ("PNG", "BMP", "TIFF", "PPM", "TGA"):
        agree([(n, ask("pixbuf", data), rgb(data)) for n, a in PICTURES
               for data in [encoded(a, form)]], form)
    agree([(n, ask("pixbuf", data), rgb(data)) for n, a in PICTURES
           for data in [encoded(Image.fromarray(a).quantize(32), "GIF")]], "GIF")
    agree([(n, ask("pixbuf", data), rgb(data)) for n, a in PICTURES
           for data in [encoded(Image.fromarray(a).quantize(32), "PNG")]], "PNG: palette")
    agree([(n, ask("pixbuf", data), rgb(data)) for n, a in PICTURES
           for data in [encoded(Image.fromarray(a).convert("L"), "PNG")]], "PNG: grey")
    alpha = []
    for n, a in PICTURES:
        data = encoded(np.dstack([a, a[..., 0]]), "PNG")
        alpha.append((n, ask("pixbuf", data), rgb(data)))
    agree(alpha, "PNG: alpha is dropped")
    deep = Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16))
    want = (np.arange(64 * 64).reshape(64, 64) * 16 // 256).astype(np.uint8)
    agree([("16 bit", ask("pixbuf", encoded(deep, "PNG")), np.dstack([want] * 3))],
          "PNG: the high byte of 16 bits")


def test_photographs():
    """NST_PHOTOS=FILE.tar: JPEGs from the world, which are odd in ways that no encoder here is."""
    path = os.environ.get("NST_PHOTOS")
    if not path:
        ok(True, "photographs # SKIP NST_PHOTOS names no tar file of JPEGs")
        return
    pairs = []
    with tarfile.open(path) as tar:
        for member in tar:
            data = tar.extractfile(member).read() if member.isfile() else b""
            if data.startswith(b"\xff\xd8\xff"):
                pairs.append((member.name, ask("jpeg", data), rgb(data)))
    agree(pairs, f"{len(pairs)} photographs")


for test in (test_resize, test_evaluation, test_random_resized_crop, test_pointwise, test_enhance,
             test_enhance_tf, test_geometry, test_filtered_geometry, test_forms, test_autoaugment,
             test_cutout, test_jpeg, test_formats, test_photographs):
    test()
tool.stdin.close()
ok(tool.wait() == 0, "image_tool ended well")
tap.done()
