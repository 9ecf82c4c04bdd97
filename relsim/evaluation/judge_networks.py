"""Networks of the judges: convolutions on a pretrained trunk, and those of version 0.2."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analogen.relsim.mini.trunk import EfficientNetLite

TRUNK = "efficientnet-lite0"  # relsim-mini has another one


class PreactivationBlock(nn.Module):
    """Pre-activation residual block (arXiv:1603.05027)."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(out_width)
        self.conv1 = nn.Conv2d(width, out_width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.skip = nn.Identity() if width == out_width else nn.Conv2d(width, out_width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.relu(self.norm1(x)))
        return self.skip(x) + self.conv2(F.relu(self.norm2(hidden)))


class JudgeNet(nn.Module):
    """Convolutional classifier: (B, 3, size, size) in [0, 1] -> logits (B, classes). No attention and no text.

    width: channels of the layers on the trunk, whose features of three strides they see at stride 16.
    """

    def __init__(self, classes: int, width: int = 192) -> None:
        super().__init__()
        self.width = width
        self.trunk = EfficientNetLite(TRUNK)
        fine, middle, coarse = self.trunk.widths
        self.project = nn.Conv2d(4 * fine + middle + coarse, width, 1, bias=False)
        self.blocks = nn.Sequential(
            PreactivationBlock(width, width), PreactivationBlock(width, width), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Linear(2 * width, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, classes))

    def forward(self, images: Tensor) -> Tensor:
        fine, middle, coarse = self.trunk(images)
        coarse = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        x = self.project(torch.cat([F.pixel_unshuffle(fine, 2), middle, coarse], 1))
        x = self.blocks(x).flatten(2)
        return self.head(torch.cat([x.mean(-1), x.amax(-1)], -1))


class PlainJudgeNet(nn.Module):
    """The judges of version 0.2, which learned from nothing: (B, 3, size, size) in [0, 1] -> logits (B, classes)."""

    def __init__(self, classes: int, width: int = 48) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, width, 3, padding=1, bias=False))
        block = PreactivationBlock
        self.blocks = nn.Sequential(
            block(width, width), nn.MaxPool2d(2),
            block(width, 2 * width), block(2 * width, 2 * width), nn.MaxPool2d(2),
            block(2 * width, 4 * width), block(4 * width, 4 * width), nn.MaxPool2d(2),
            block(4 * width, 6 * width), nn.BatchNorm2d(6 * width), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(12 * width, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(self.stem((images - 0.5) / 0.25)).flatten(2)
        return self.head(torch.cat([x.mean(-1), x.amax(-1)], -1))
