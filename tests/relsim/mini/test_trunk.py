"""EfficientNet-Lite: same features as its authors' package, same gradients as PyTorch's own convolutions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from analogen.relsim.mini import trunk as trunk_module
from analogen.relsim.mini.trunk import SCALING, EfficientNetLite, load_classifier, load_imagenet


@pytest.fixture
def small() -> EfficientNetLite:
    torch.manual_seed(0)
    return EfficientNetLite("efficientnet-lite0")


@pytest.mark.parametrize(
    ("variant", "widths"), [("efficientnet-lite0", (40, 112, 192)), ("efficientnet-lite2", (48, 120, 208))]
)
def test_features_have_strides_of_8_16_and_32(variant: str, widths: tuple[int, ...]) -> None:
    trunk = EfficientNetLite(variant).eval()
    with torch.inference_mode():
        features = trunk(torch.rand(1, 3, 64, 96))
    assert [tuple(f.shape) for f in features] == [
        (1, w, 64 // s, 96 // s) for w, s in zip(widths, (8, 16, 32), strict=True)
    ]
    assert trunk.widths == widths


@pytest.mark.parametrize("side", [192, 260])
def test_imagenet_features_equal_those_of_the_package(side: int) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the ImageNet weights' package is not installed")
    classifier: Any = load_classifier()
    trunk = load_imagenet()
    images = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        x = (images - trunk.mean) / trunk.std
        # The package pads for 260 px, whatever comes; at its own size both must agree.
        if side != 260:
            assert all(torch.isfinite(f).all() for f in trunk(images))
            return
        x = F.relu6(classifier._bn0(classifier._conv_stem(x)))
        wanted = []
        for index, block in enumerate(classifier._blocks[: trunk.ends[-1] + 1]):
            x = block(x)
            if index in trunk.ends:
                wanted.append(x)
        for found, expected in zip(trunk(images), wanted, strict=True):
            assert (found - expected).abs().max() < 1e-4


def test_gradients_equal_those_of_plain_convolutions(small: EfficientNetLite, monkeypatch: pytest.MonkeyPatch) -> None:
    small.train_from(2)
    images = torch.rand(2, 3, 64, 64)

    def gradients() -> list[torch.Tensor]:
        small.zero_grad()
        sum(f.square().mean() for f in small(images)).backward()  # type: ignore[union-attr]
        wanted = (small.blocks[2].expand.weight, small.blocks[5].depthwise.bias)
        return [parameter.grad.clone() for parameter in wanted]

    found = gradients()

    def plain(x: Any, weight: Any, bias: Any, stride: int, padding: int) -> Any:
        return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))

    monkeypatch.setattr(trunk_module.DepthwiseConvolution, "apply", staticmethod(plain))
    for one, other in zip(found, gradients(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_learning_and_looking_give_the_same_features(small: EfficientNetLite) -> None:
    images = torch.rand(1, 3, 64, 64)
    learning = small(images)
    with torch.inference_mode():
        looking = small(images)
    for one, other in zip(learning, looking, strict=True):
        torch.testing.assert_close(one.detach(), other, rtol=1e-4, atol=1e-5)


def test_train_from_freezes_what_lies_before(small: EfficientNetLite) -> None:
    small.train_from(3)
    sum(f.mean() for f in small(torch.rand(1, 3, 64, 64))).backward()  # type: ignore[union-attr]
    assert all(p.grad is None for p in small.blocks[:3].parameters())
    assert all(p.grad is None for p in small.stem.parameters())
    assert small.blocks[3].project.weight.grad is not None


def test_depthwise_kernels_stay_as_they_were(small: EfficientNetLite) -> None:
    small.train_from(0)
    sum(f.mean() for f in small(torch.rand(1, 3, 64, 64))).backward()  # type: ignore[union-attr]
    assert all(block.depthwise.weight.grad is None for block in small.blocks[1:])


def test_an_unknown_trunk_is_told_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown trunk 'resnet'; known: efficientnet-lite0"):
        EfficientNetLite("resnet")


def test_every_variant_is_deeper_or_wider_than_the_one_before() -> None:
    sizes = [sum(p.numel() for p in EfficientNetLite(v).parameters()) for v in SCALING]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == len(sizes)
