"""A judge that runs on this machine: Qwen2.5-VL without an adapter, or any base that `load_base_model` takes."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from analogen.relsim.vlm.adapter_loading import BASE, load_base_model
from analogen.relsim.vlm.model import UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing

# The whole picture: a logic may lie at its edges.
WHOLE = Preprocessing(size=None, max_pixels=768 * 28 * 28)


class VlmJudge:
    """A Judge: a loaded VLM without an adapter, with greedy decoding."""

    workers = 1  # the VLM takes one at a time

    def __init__(self, vlm: Vlm, preprocessing: Preprocessing = WHOLE, max_new_tokens: int = 96) -> None:
        self.vlm, self.preprocessing, self.max_new_tokens = vlm, preprocessing, max_new_tokens
        # Kept answers are found by this name, so it has the words of 0.2.
        settings = (
            f"size={preprocessing.size}, min_pixels={preprocessing.min_pixels}, max_pixels={preprocessing.max_pixels}"
        )
        self.name = f"{vlm.name}, Fitting({settings})"

    def ask(self, images: Sequence[Image.Image], question: str) -> str:
        pixels = [self.preprocessing.apply(image.convert("RGB"), self.vlm.side_unit) for image in images]
        with self.vlm.using_adapter(None):
            return self.vlm.generate(self.vlm.inputs([UserMessage(pixels, question)]), self.max_new_tokens)[0]


def load_vlm_judge(name_or_path: str = BASE, device: str = "cpu", dtype: str = "auto") -> VlmJudge:
    """Loads a judge by folder or hub id. Raises ValueError, FileNotFoundError or ImportError with one line."""
    return VlmJudge(load_base_model(name_or_path, device, dtype))
