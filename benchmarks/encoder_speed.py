"""Benchmark of relsim-mini: a batch of pictures against a loop of single ones, and its share of the machine's peak.

python benchmarks/encoder_speed.py [--pictures 64] [--repeats 3]
"""

from __future__ import annotations

import argparse

import machine_peaks
import numpy as np
from machine import describe
from PIL import Image
from table import Row, as_text, side_by_side
from torch.utils.flop_counter import FlopCounterMode

from analogen.relsim.encoder import load_mini


def measure(pictures: int = 64, repeats: int = 3, peaks: machine_peaks.Peaks | None = None) -> list[Row]:
    peaks = peaks or machine_peaks.measure()
    encoder = load_mini()
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)) for _ in range(pictures)]
    with FlopCounterMode(display=False) as counter:
        encoder.embed(images)
    calls = {"batch": lambda: encoder.embed(images), "loop": lambda: [encoder.embed([image]) for image in images]}
    seconds = side_by_side(calls, repeats)
    floor = counter.get_total_flops() / peaks.flops
    return [Row(f"mini embeds {pictures} pictures", seconds["batch"], "a loop, one by one", seconds["loop"], floor)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    print(describe())
    print(as_text(measure(**vars(parser.parse_args()))))
