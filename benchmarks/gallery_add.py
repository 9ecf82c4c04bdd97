"""Benchmark of adding pictures to a gallery against a loop that embeds them one by one, in one run.

python benchmarks/gallery_add.py [--pictures 2000] [--size 768]

Both read the same JPEG files. The loop opens and embeds each file and keeps the vector. The gallery also hashes, makes
thumbnails and commits to its table, and it decodes large files at the size that it needs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from machine import describe
from PIL import Image

from analogen.relsim.encoder import load_mini
from analogen.relsim.gallery import indexing
from analogen.relsim.gallery.store import Gallery
from analogen.relsim.world.dataset import write_samples


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock seconds, and CPU seconds of all cores."""
    started, cpu_started = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu_started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--size", type=int, default=768)
    options = parser.parse_args()
    print(describe("torch", "pillow", "lancedb"), f"{torch.get_num_threads()} threads", sep=", ")
    encoder = load_mini()
    with tempfile.TemporaryDirectory() as made:
        world, photos = Path(made) / "world", Path(made) / "photos"
        write_samples(world, count=min(200, options.pictures), size=options.size, seed=9)
        drawings = sorted(world.glob("*.png"))
        photos.mkdir()
        for number in range(options.pictures):
            with Image.open(drawings[number % len(drawings)]) as image:
                image.convert("RGB").save(photos / f"{number:06d}.jpg", quality=88 + number % 5)
        paths = sorted(photos.glob("*.jpg"))
        encoder.encode_all([Image.new("RGB", (64, 64))])

        table: list[np.ndarray] = []

        def one_by_one() -> None:
            for path in paths:
                table.append(np.concatenate([np.ravel(part) for part in encoder.encode_all([path])[:3:2]]))

        loop, loop_cpu = timed(one_by_one)

        gallery = Gallery.create(Path(made) / "gallery", indexing.gallery_info(encoder, "mini"))
        added, added_cpu = timed(lambda: indexing.add(gallery, [photos], encoder))
        assert len(gallery) == options.pictures
        again, _ = timed(lambda: indexing.add(gallery, [photos], encoder))
        rows = gallery.load()
        order = np.argsort(rows.rows["path"])
        whole = np.stack(table)
        same = float((rows.relation[order] * whole[:, : rows.relation.shape[1]]).sum(1).min())
    count = options.pictures
    print(f"{count} pictures of {options.size} px")
    print(f"{'loop, one by one':<28}{count / loop:9.1f} images/s")
    print(f"{'gallery add':<28}{count / added:9.1f} images/s   {loop / added:.2f} times as fast", end="")
    # CPU time hardly depends on other processes, nor on cores that the loop leaves idle.
    print(f" ({loop_cpu / added_cpu:.2f} by CPU time), least cosine {same:.5f}")
    print(f"{'gallery add, all known':<28}{count / again:9.1f} images/s")


if __name__ == "__main__":
    main()
