"""Adding pictures to a gallery beside a plain loop that embeds one by one, in one run.

python benchmarks/gallery_add.py [--pictures 2000] [--size 768]

Both sides read the same JPEG files and make the same vectors. The loop does what a script would: open, embed, keep the
row; the gallery also hashes, makes thumbnails and commits to its table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe
from PIL import Image

from analogen.relsim.encoder import load_mini
from analogen.relsim.gallery import adding
from analogen.relsim.gallery.store import Gallery
from analogen.relsim.world.dataset import write_draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--size", type=int, default=768)
    given = parser.parse_args()
    print(describe("torch", "pillow", "lancedb"), f"{torch.get_num_threads()} threads", sep=", ")
    encoder = load_mini()
    with tempfile.TemporaryDirectory() as made:
        world, photos = Path(made) / "world", Path(made) / "photos"
        write_draw(world, count=min(200, given.pictures), size=given.size, seed=9)
        drawings = sorted(world.glob("*.png"))
        photos.mkdir()
        for number in range(given.pictures):
            with Image.open(drawings[number % len(drawings)]) as image:
                image.convert("RGB").save(photos / f"{number:06d}.jpg", quality=88 + number % 5)
        paths = sorted(photos.glob("*.jpg"))
        encoder.look([Image.new("RGB", (64, 64))])

        started = time.perf_counter()
        table = np.stack([np.concatenate([np.ravel(part) for part in encoder.look([path])[:3:2]]) for path in paths])
        loop = given.pictures / (time.perf_counter() - started)

        gallery = Gallery.create(Path(made) / "gallery", adding.about_of(encoder, "mini"))
        started = time.perf_counter()
        told = adding.add(gallery, [photos], encoder)
        added = given.pictures / (time.perf_counter() - started)
        assert told.added == given.pictures

        started = time.perf_counter()
        adding.add(gallery, [photos], encoder)
        again = given.pictures / (time.perf_counter() - started)
        rows = gallery.load()
        order = np.argsort(rows.rows["path"])
        same = float((rows.relation[order] * table[:, : rows.relation.shape[1]]).sum(1).min())
    print(f"{given.pictures} pictures of {given.size} px")
    print(f"{'plain loop, one by one':<28}{loop:9.1f} images/s")
    print(f"{'gallery add':<28}{added:9.1f} images/s   {added / loop:.2f} times as fast, least cosine {same:.5f}")
    print(f"{'gallery add, all known':<28}{again:9.1f} images/s")


if __name__ == "__main__":
    main()
