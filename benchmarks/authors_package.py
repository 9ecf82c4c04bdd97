"""Run the authors' package, relsim 0.1.0, on a small checkpoint: vectors, seconds and peak memory as the baseline.

    pip install --no-deps relsim==0.1.0
    python benchmarks/authors_package.py BASE CHECKPOINT OUT.npz IMG [IMG ...] [--dtype float32]

The package is used as published. Because it expects the 7B model and torchvision, four things around it are changed:
the small base is put into a cache of the hub under the 7B's id, qwen_vl_utils is replaced by its resizing rule, the
processor is built without video, and hidden size and token types (needed by newer versions of transformers) are passed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

BASE_ID = "Qwen/Qwen2.5-VL-7B-Instruct"


def create_hub_cache(base: Path, cache: Path) -> None:
    """Create a cache of the hub that contains `base` under the id that the package loads."""
    commit = "0" * 40
    folder = cache / f"models--{BASE_ID.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / commit).symlink_to(base.resolve(), target_is_directory=True)


def stub_vision_info() -> None:
    """Replace qwen_vl_utils by its rule for images in a message: sides rounded to 28 within its limits, bicubic."""

    def process_vision_info(messages: list[Any]) -> tuple[list[Any], None]:
        images = [part["image"] for turn in messages for part in turn["content"] if part["type"] == "image"]
        return [resize(image.convert("RGB")) for image in images], None

    def resize(image: Any) -> Any:
        width, height = image.size
        wide, high = round(width / 28) * 28, round(height / 28) * 28
        if wide * high > 12845056:
            scale = math.sqrt(width * height / 12845056)
            wide, high = (max(28, math.floor(side / scale / 28) * 28) for side in (width, height))
        elif wide * high < 3136:
            scale = math.sqrt(3136 / (width * height))
            wide, high = (math.ceil(side * scale / 28) * 28 for side in (width, height))
        return image.resize((wide, high))

    module = types.ModuleType("qwen_vl_utils")
    module.process_vision_info = process_vision_info  # type: ignore[attr-defined]
    sys.modules["qwen_vl_utils"] = module


def load(base: Path, checkpoint: Path, cache: Path, dtype: str) -> tuple[Any, Any]:
    """The model and the preprocessing of the package's own `relsim(...)`, on the small base."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    create_hub_cache(base, cache)
    stub_vision_info()
    import relsim.relsim_score as package  # noqa: TID251
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration as Model

    from analogen.relsim.vlm.processor import load_processor

    hidden = json.loads((base / "config.json").read_text())["text_config"]["hidden_size"]

    class SmallHead(package.QwenWithQueryToken):  # type: ignore[misc, name-defined]
        def __init__(self, base_model: Any, processor: Any, hidden_size: int) -> None:
            super().__init__(base_model, processor, hidden_size=hidden)

        def forward(self, mm_token_type_ids: Any = None, **inputs: Any) -> Any:
            inner = self.base_model.model.forward
            self.base_model.model.forward = lambda **given: inner(mm_token_type_ids=mm_token_type_ids, **given)
            try:
                return super().forward(**inputs)
            finally:
                self.base_model.model.forward = inner

    class Processors:
        from_pretrained = staticmethod(lambda folder, **_: load_processor(folder))

    class Models:
        @staticmethod
        def from_pretrained(name: str, **settings: Any) -> Any:
            settings["torch_dtype"] = getattr(torch, dtype)  # the package itself uses bfloat16
            return Model.from_pretrained(name, **settings)

    package.QwenWithQueryToken, package.AutoProcessor = SmallHead, Processors
    package.Qwen2_5_VLForConditionalGeneration = Models
    return package.relsim(pretrained=True, checkpoint_dir=str(checkpoint), cache_dir=str(cache))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--dtype", default="bfloat16")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        model, preprocess = load(arguments.base, arguments.checkpoint, Path(cache), arguments.dtype)

    import numpy as np
    from PIL import Image

    def embed(path: Path) -> Any:
        with Image.open(path) as image:
            return model.embed(preprocess(image)).numpy()

    embed(arguments.images[0])
    started, cpu_started = time.perf_counter(), time.process_time()
    vectors = np.concatenate([embed(path) for path in arguments.images])
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    np.savez(arguments.out, vectors=vectors)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}))


if __name__ == "__main__":
    main()
