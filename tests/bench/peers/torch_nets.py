"""The nets of the benchmarks in PyTorch: torchvision's own, and those of CIFAR written out."""
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
    if arch.startswith("resnet") and hasattr(torchvision.models, arch):
        return getattr(torchvision.models, arch)(weights=None, num_classes=classes)
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
    net = getattr(torchvision.models, arch.removesuffix("-32").replace("-", "_"))(
        weights=None, num_classes=classes)
    if arch.endswith("-32"):  # the form for small images: no stride in stages 2 and 3
        for stage in (2, 3):
            net.features[stage][0].block[1][0].stride = (1, 1)
    return net
