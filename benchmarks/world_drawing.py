"""Benchmark of the renderer of the relational world, on one core.

    python benchmarks/world_drawing.py [--scenes 3]

Draws scenes of every registered relation and prints a table. "warm": each scene was drawn once before; "fresh": new
scenes, after other scenes of the same relations have filled the cache of art, as in training.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

import numpy as np
import resvg_py
import skia
from table import Row

from analogen.relsim.world.palette import PALETTES, arbitrary_background
from analogen.relsim.world.relations import RELATIONS, Draft
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Scene
from analogen.relsim.world.svg import to_svg

SUBJECTS = ("cat", "rocket", "apple", "tree", "fish", "car", "house", "bird")


def world_scenes(per_relation: int) -> list[Scene]:
    """Scenes of all relations on arbitrary backgrounds; half of them with drop shadows."""
    scenes = []
    for relation in RELATIONS.values():
        for seed in range(per_relation):
            rng = np.random.default_rng(seed)
            draft = Draft(rng)
            relation.draw(draft)
            palette = str(rng.choice(sorted(PALETTES)))
            subject, other = rng.choice(SUBJECTS, 2, replace=False)
            background = arbitrary_background(rng)
            scenes.append(
                Scene(tuple(draft.elements), background, subject=str(subject), other=str(other), palette=palette,
                      shadow=0.6 if seed % 2 else 0.0)
            )  # fmt: skip
    return scenes


def seconds(scenes: list[Scene], side: int, warm: bool) -> list[float]:
    """Seconds of each picture; warm: of drawing it for the second time."""
    times = []
    for scene in scenes:
        if warm:
            render(scene, side)
        start = time.perf_counter()
        render(scene, side)
        times.append(time.perf_counter() - start)
    return times


def measure(per_relation: int = 1) -> list[Row]:
    """A picture of 128 px against one of 1024 px, and that against the same scene as SVG; medians over relations."""
    scenes = world_scenes(per_relation)
    some = scenes[:: max(1, len(scenes) // 30)]
    small, large = (statistics.median(seconds(some, side, warm=True)) for side in (128, 1024))
    start = time.perf_counter()
    for scene in some:
        to_svg(scene, 1024)
    svg = (time.perf_counter() - start) / len(some)
    return [
        Row("world: a picture of 128 px", small, "the same, 1024 px", large),
        Row("world: a picture of 1024 px", large, "as SVG", svg),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=3, help="scenes per relation")
    scenes = world_scenes(parser.parse_args().scenes)
    elements = statistics.median(len(scene.elements) for scene in scenes)
    seconds(scenes[::2], 128, warm=False)
    fresh, small = seconds(scenes[1::2], 128, warm=False), seconds(scenes, 128, warm=True)
    large = seconds(scenes[:: max(1, len(scenes) // 60)], 1024, warm=True)
    start = time.perf_counter()
    sample = scenes[:: max(1, len(scenes) // 30)]
    sizes = [len(to_svg(scene, 1024)) / 1000 for scene in sample]
    svg = (time.perf_counter() - start) / len(sample)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},")
    print(f"skia-python {skia.__version__}, resvg {resvg_py.__resvg_version__}, numpy {np.__version__}")
    print(f"{len(scenes)} scenes of {len(RELATIONS)} relations, median {elements:.0f} elements\n")
    print("| what | median | mean | slowest |")
    print("|---|---|---|---|")
    for what, times in (("fresh", fresh), ("warm", small)):
        rates = 1 / statistics.median(times), 1 / statistics.mean(times), 1 / max(times)
        print(f"| 128 px {what}, pictures/s | {rates[0]:.0f} | {rates[1]:.0f} | {rates[2]:.0f} |")
    print(f"| 1024 px warm, s | {statistics.median(large):.3f} | {statistics.mean(large):.3f} | {max(large):.3f} |")
    print(f"| SVG, s | | {svg:.3f} | |")
    print(f"| SVG, KB | {statistics.median(sizes):.0f} | {statistics.mean(sizes):.0f} | {max(sizes):.0f} |")


if __name__ == "__main__":
    main()
