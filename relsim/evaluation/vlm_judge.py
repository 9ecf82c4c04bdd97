"""A judge on this machine: the plain Qwen2.5-VL, or any base that `load_plain` takes."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from analogen.relsim.vlm.adapters import BASE, load_plain
from analogen.relsim.vlm.model import Turn, Vlm
from analogen.relsim.vlm.preprocessing import Fitting

# The whole picture: a logic may lie at its edges.
WHOLE = Fitting(size=None, max_pixels=768 * 28 * 28)


class VlmJudge:
    """A Judge: a loaded VLM without a hat, greedy."""

    workers = 1  # the VLM takes one at a time

    def __init__(self, vlm: Vlm, fitting: Fitting = WHOLE, max_new_tokens: int = 96) -> None:
        self.vlm, self.fitting, self.max_new_tokens = vlm, fitting, max_new_tokens
        self.name = f"{vlm.name}, {fitting}"

    def ask(self, images: Sequence[Image.Image], question: str) -> str:
        pixels = [self.fitting.fit(image.convert("RGB"), self.vlm.side_unit) for image in images]
        with self.vlm.wearing(None):
            return self.vlm.generate(self.vlm.inputs([Turn(pixels, question)]), self.max_new_tokens)[0]


def load_vlm_judge(name_or_path: str = BASE, device: str = "cpu", dtype: str = "auto") -> VlmJudge:
    """By folder or hub id. Raises ValueError, FileNotFoundError or ImportError with one line."""
    return VlmJudge(load_plain(name_or_path, device, dtype))
