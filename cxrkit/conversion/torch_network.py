"""DenseNet-121 in PyTorch, with the parameter names that torchvision's checkpoints have.

The yardstick of the training benchmark, and the network in which a converted checkpoint can be run
to compare its logits. PyTorch is an optional extra: importing this module without it raises
`ExtraMissing`.

References
----------
G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger: Densely Connected Convolutional Networks,
CVPR 2017; table 1 and section 3. The paper leaves open that the stem is normalised (as in its
authors' code) and what the layers are called; both are as in torchvision.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from cxrkit.errors import ExtraMissing

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "torch":
        raise
    raise ExtraMissing(
        "This needs PyTorch, which is not installed.", "Run: pip install -r requirements-torch.txt"
    ) from None

__all__ = ["densenet121", "torch"]  # torch too, so that others get it behind the typed error

BLOCKS = (6, 12, 24, 16)
GROWTH = 32
STEM = 64
_BOTTLENECK = 4  # width of a layer's 1 x 1 convolution, in growth rates


def densenet121(outputs: int, channels: int = 3) -> nn.Module:
    """A freshly initialised DenseNet-121 that gives logits.

    Parameters
    ----------
    outputs
        Logits per image.
    channels
        Of the image: 3, or 1 for TorchXRayVision's networks.

    Returns
    -------
    torch.nn.Module
        ``(batch, channels, H, W)`` float32 -> ``(batch, outputs)`` logits. Its parts are `features`
        (to the last normalisation, before the rectifier) and `classifier`.
    """
    return _DenseNet(outputs, channels)


class _DenseNet(nn.Module):
    def __init__(self, outputs: int, channels: int) -> None:
        super().__init__()
        parts: list[tuple[str, nn.Module]] = [
            ("conv0", nn.Conv2d(channels, STEM, 7, stride=2, padding=3, bias=False)),
            ("norm0", nn.BatchNorm2d(STEM)),
            ("relu0", nn.ReLU(inplace=True)),
            ("pool0", nn.MaxPool2d(3, stride=2, padding=1)),
        ]
        width = STEM
        for number, layers in enumerate(BLOCKS, start=1):
            parts.append((f"denseblock{number}", _dense_block(width, layers)))
            width += layers * GROWTH
            if number < len(BLOCKS):
                parts.append((f"transition{number}", _transition(width)))
                width //= 2
        parts.append(("norm5", nn.BatchNorm2d(width)))
        self.features = nn.Sequential(OrderedDict(parts))
        self.classifier = nn.Linear(width, outputs)

    def forward(self, images: Any) -> Any:
        maps = torch.relu(self.features(images))
        return self.classifier(maps.mean(dim=(2, 3)))


class _DenseLayer(nn.Module):
    """BN - ReLU - 1 x 1 - BN - ReLU - 3 x 3, whose output is put after its input (section 3, eq. 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, _BOTTLENECK * GROWTH, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(_BOTTLENECK * GROWTH)
        self.conv2 = nn.Conv2d(_BOTTLENECK * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, maps: Any) -> Any:
        narrow = self.conv1(torch.relu_(self.norm1(maps)))
        return torch.cat([maps, self.conv2(torch.relu_(self.norm2(narrow)))], dim=1)


def _dense_block(width: int, layers: int) -> nn.Module:
    return nn.Sequential(
        OrderedDict((f"denselayer{number + 1}", _DenseLayer(width + number * GROWTH)) for number in range(layers))
    )


def _transition(width: int) -> nn.Module:
    """Halve the channels and the side (section 3, compression with theta = 0.5)."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(width),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(width, width // 2, 1, bias=False),
            pool=nn.AvgPool2d(2, stride=2),
        )
    )
