"""A gallery of random rows, the tiny encoder, and a folder of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gallery_rows import DIM, LOOKS, entries
from PIL import Image

from analogen.relsim.gallery.store import Gallery, GalleryInfo
from analogen.relsim.mini.encoder import MiniEncoder


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    found = Gallery.create(tmp_path / "gallery", GalleryInfo("mini", DIM, LOOKS))
    found.upsert(entries(500))
    return found


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder: Path) -> MiniEncoder:
    return MiniEncoder(tiny_encoder_folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in two folders, with a text file and a damaged picture."""
    rng = np.random.default_rng(1)
    root = tmp_path / "pictures"
    (root / "inner").mkdir(parents=True)
    for number in range(12):
        pixels = rng.integers(0, 256, (40 + number, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / ("inner" if number % 2 else ".") / f"{number:02d}.png")
    (root / "notes.txt").write_text("no picture")
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    return root
