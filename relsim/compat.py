"""Drop-in replacement for `relsim`, the package of the paper's authors: only the import changes.

from analogen.relsim.compat import relsim
model, preprocess = relsim(pretrained=True, checkpoint_dir="thaoshibe/relsim-qwenvl25-lora")
vector = model.embed(preprocess(image))
score = model(preprocess(first), preprocess(second))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from analogen.relsim.vlm.encoder import QwenEncoder

# The authors resize to Qwen's own limits, at most 16,384 tokens, and crop nothing.
AUTHORS_MIN_PIXELS, AUTHORS_MAX_PIXELS = 3136, 12845056


class RelationalSimilarity:
    """The model that `relsim` returns: `embed` returns vectors, a call the similarity of two pictures."""

    def __init__(self, encoder: QwenEncoder) -> None:
        self.encoder = encoder

    @property
    def device(self) -> torch.device:
        return self.encoder.vlm.device

    def embed(self, img: Image | Sequence[Image]) -> torch.Tensor:
        """(1, 384) for a picture, (n, 384) for several: unit vectors in fp32 on the model's device."""
        import torch
        from PIL import Image as pictures

        images = [img] if isinstance(img, pictures.Image) else list(img)
        return torch.from_numpy(self.encoder.embed(images)).to(self.device)

    def __call__(self, img1: Image, img2: Image) -> float:
        """The cosine of the relations of two pictures, in [-1, 1]."""
        first, second = self.encoder.embed([img1, img2])
        return float(first @ second)

    def eval(self) -> RelationalSimilarity:
        """Does nothing, because the model is never in training mode."""
        return self


def preprocess_image(img: Image) -> Image:
    """Converts a picture to RGB. Raises TypeError for anything but a Pillow image."""
    from PIL import Image as pictures

    if not isinstance(img, pictures.Image):
        raise TypeError(f"expected a PIL image, got {type(img).__name__}: open it with PIL.Image.open first")
    return img.convert("RGB")


def relsim(
    pretrained: bool = True,
    checkpoint_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    square: bool = False,
) -> tuple[RelationalSimilarity, Callable[[Image], Image]]:
    """Loads the model and its preprocessing from a folder in either layout or a hub id.

    Whole pictures in their own shape as in the authors' inference; square=True cuts the middle to 448 px as in their
    training, which is quicker, bounded in memory and what `load_encoder` does. Raises ValueError or
    FileNotFoundError with one line.
    """
    if not pretrained:
        raise ValueError("pretrained=False came: only pretrained=True is supported")
    if checkpoint_dir is None:
        raise ValueError("checkpoint_dir is missing: name a folder or a hub id such as thaoshibe/relsim-qwenvl25-lora")
    import torch

    from analogen.relsim.hub import fetch
    from analogen.relsim.vlm.encoder import load_qwen
    from analogen.relsim.vlm.preprocessing import Preprocessing

    cache = None if cache_dir is None else str(cache_dir)
    folder = Path(checkpoint_dir)
    if not folder.is_dir():
        folder = fetch(str(checkpoint_dir), cache_dir=cache)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    whole = Preprocessing(size=None, min_pixels=AUTHORS_MIN_PIXELS, max_pixels=AUTHORS_MAX_PIXELS)
    preprocessing = None if square else whole
    encoder = load_qwen(folder, device, dtype, name=str(checkpoint_dir), preprocessing=preprocessing, cache_dir=cache)
    return RelationalSimilarity(encoder), preprocess_image
