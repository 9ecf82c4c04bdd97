"""Hostile files: about three hundred damaged, unusual and malicious pictures: `python hostile_images.py FOLDER`.

All are generated here, from fixed seeds. None is larger than a few MB; several need far more memory or time than that
when they are decoded. `hostile_run.py` checks what has to hold for each of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile_bombs import bombs
from hostile_fields import animated, metadata_blocks, modes, orientations, unusual_others, unusual_png, wrong_headers
from hostile_svg import drawings
from picture_builders import (
    FORMATS,
    NamedFiles,
    chunk,
    jpeg_with,
    png,
    sample_files,
    segment,
)


def truncated() -> NamedFiles:
    for kind, data in sample_files().items():
        suffix = FORMATS[kind][2]
        stages = {"1B": 1, "4B": 4, "12B": 12, "30B": 30}
        stages |= {f"{share}pc": len(data) * share // 100 for share in (20, 50, 80, 97)}
        for stage, length in stages.items():
            yield f"cut-{kind}-{stage}.{suffix}", data[:length]


def corrupted() -> NamedFiles:
    for number, (kind, data) in enumerate(sample_files().items()):
        for seed in range(3):
            rng = np.random.default_rng([number, seed])
            changed = bytearray(data)
            # The first seed damages headers, the others any place.
            reach = min(len(data), 80) if seed == 0 else len(data)
            for place in rng.integers(0, reach, 3 + 6 * seed):
                changed[place] = rng.integers(0, 256)
            yield f"flipped-{kind}-{seed}.{FORMATS[kind][2]}", bytes(changed)


def polyglots() -> NamedFiles:
    plain = sample_files()
    zipped = b"PK\3\4\x14\0\0\0\0\0" + bytes(40) + b"PK\5\6" + bytes(18)
    yield "polyglot-png-zip.png", plain["png"] + zipped
    yield "polyglot-jpeg-zip.jpg", plain["jpeg"] + zipped
    yield "polyglot-gif-script.gif", b"GIF89a/*\0\0\0\0" + plain["gif"][13:] + b"*/=1;alert(1)"
    yield "polyglot-jpeg-php.jpg", jpeg_with(segment(0xFE, b"<?php system($_GET['c']); ?>"))
    yield "polyglot-png-page.png", png(2, 2, bytes(14), extra=chunk(b"tEXt", b"x\0<script>alert(1)</script>"))
    yield "polyglot-png-twice.png", plain["png"] * 2
    yield "polyglot-png-jpeg.png", plain["png"] + plain["jpeg"]
    yield "polyglot-pdf-jpeg.jpg", b"%PDF-1.4\n" + plain["jpeg"]
    yield "polyglot-mz-bmp.bmp", b"MZ" + plain["bmp"][2:]
    yield "polyglot-tiff-zip.tif", plain["tiff"] + zipped
    yield "polyglot-webp-tail.webp", plain["webp"] + b"\0" * 1_000_000
    yield "polyglot-png-tail.png", plain["png"] + np.random.default_rng(3).bytes(1_000_000)
    yield "polyglot-shell.png", b"#!/bin/sh\ntouch sprung\n" + plain["png"]


GROUPS: tuple[Callable[[], NamedFiles], ...] = (
    truncated, corrupted, modes, orientations, metadata_blocks, bombs, wrong_headers, unusual_png, unusual_others,
    animated, polyglots, drawings,
)  # fmt: skip


def write_all(folder: Path) -> list[Path]:
    """Write every file into a folder. Returns the paths, sorted by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for group in GROUPS:
        for name, data in group():
            path = folder / name
            assert not path.exists(), f"two files have the name {name}"
            path.write_bytes(data)
            paths.append(path)
    return sorted(paths)


if __name__ == "__main__":
    made = write_all(Path(sys.argv[1]))
    print(f"{len(made)} files, {sum(path.stat().st_size for path in made) / 2**20:.1f} MiB")
