"""Benchmark of a training step of an adapter with cached outputs of the frozen models, against computing them again.

python benchmarks/training_step.py [--base FOLDER] [--size 64] [--rows 8] [--repeats 5]

Without --base it uses a random, tiny base of Stable Diffusion's classes.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import count
from pathlib import Path

from machine import describe
from table import Row, as_text, side_by_side

from analogen.pipelines.adapter_training.data import embed_prompts, encode_pictures, prompt_of
from analogen.pipelines.adapter_training.train import prepare
from analogen.pipelines.diffusion.tiny import save_pipeline
from analogen.relsim.world.dataset import write_groups


def measure(base: str | None = None, size: int = 64, rows: int = 8, repeats: int = 5) -> list[Row]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_groups(folder / "world", 3, members=4, size=size)
        source = base or str(save_pipeline(folder / "base", "sd15"))
        settings = {
            "base": source, "data": str(folder / "world"), "output": str(folder / "out"), "batch_size": str(rows),
            "micro_batch": str(rows), "size": str(size), "dtype": "float32", "device": "cpu", "sample_every": "0",
        }  # fmt: skip
        training = prepare(None, settings)
        entries = training.corpus.entries[:rows]
        numbers = count()

        def cached() -> None:
            training.trainer.optimizer.zero_grad()
            training.backward(next(numbers))
            training.trainer.optimizer.step()

        def uncached() -> None:
            encode_pictures(training.sampler.loaded, [entry.stored.read().image for entry in entries], size)
            embed_prompts(training.sampler, [prompt_of(entry) for entry in entries], size)
            cached()

        cached()
        seconds = side_by_side({"cached": cached, "uncached": uncached}, repeats)
    return [
        Row(f"training step, {rows} rows, cached", seconds["cached"], "the same, encoding anew", seconds["uncached"])
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    print(describe())
    print(as_text(measure(**vars(parser.parse_args()))))
