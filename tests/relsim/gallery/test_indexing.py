"""Tests of indexing: only new and changed pictures are embedded, and an interrupted run continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gallery_rows import open_gallery
from PIL import Image

from analogen.relsim.gallery import indexing
from analogen.relsim.gallery.store import LOCK, Gallery
from analogen.relsim.mini.encoder import MiniEncoder


def test_only_new_and_changed_pictures_are_embedded(
    folder: Path, tmp_path: Path, encoder: MiniEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = open_gallery(tmp_path, encoder)
    report = indexing.add(gallery, [folder], encoder)
    assert (report.found, report.added, report.changed, report.unchanged) == (13, 12, 0, 0)
    assert [bad["path"] for bad in report.refused] == [str(folder / "broken.jpg")]
    seen: list[int] = []
    embed_images = indexing.embed_images
    monkeypatch.setattr(indexing, "embed_images", lambda e, images: seen.append(len(images)) or embed_images(e, images))
    os.utime(folder / "02.png", (1, 1))  # the same bytes at another time
    Image.new("RGB", (50, 50), "red").save(folder / "04.png")
    Image.new("RGB", (50, 50), "blue").save(folder / "new.png")
    report = indexing.add(gallery, [folder, folder / "inner"], encoder)
    assert (report.added, report.changed, report.unchanged) == (1, 1, 11)
    assert sum(seen) == 2
    assert len(gallery) == 13
    assert gallery.known()[str(folder / "02.png")].mtime_ns == 10**9
    before = Gallery.open(gallery.uri).load()
    expected = encoder.embed([folder / "04.png"])[0]
    row = list(before.rows["path"]).index(str(folder / "04.png"))
    assert before.relation[row] @ expected > 0.9999
    indexing.add(gallery, [folder], encoder)
    assert sum(seen) == 2


def test_large_photographs_are_decoded_smaller_with_the_same_vectors(tmp_path: Path, encoder: MiniEncoder) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((1800, 1200), Image.Resampling.BICUBIC).save(photos / f"{seed}.jpg", quality=90)
    gallery = open_gallery(tmp_path, encoder)
    indexing.add(gallery, [photos], encoder)
    rows = gallery.load()
    order = np.argsort(rows.rows["path"])
    assert set(zip(rows.rows["width"].tolist(), rows.rows["height"].tolist(), strict=True)) == {(1800, 1200)}
    whole = encoder.encode_all(sorted(photos.glob("*.jpg")))
    assert (rows.relation[order] * whole.relation).sum(1).min() > 0.998
    assert (rows.attributes[order] * whole.attributes).sum(1).min() > 0.998


def test_indexing_continues_after_a_kill(folder: Path, tmp_path: Path, encoder: MiniEncoder) -> None:
    """A real kill -9 between two commits."""
    code = """
import os, sys
from pathlib import Path
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.gallery import indexing
from analogen.relsim.gallery.store import Gallery
weights, pictures, gallery = sys.argv[1:]
indexing.BATCH = 4
encoder = MiniEncoder(weights)
table = Gallery.open_or_create(gallery, indexing.gallery_info(encoder, "mini"))
def stop(done):
    if done >= 4:
        os.kill(os.getpid(), 9)
with table.write_lock():
    indexing.add(table, [Path(pictures)], encoder, commit=4, on_commit=stop)
"""
    command = [sys.executable, "-P", "-c", code, str(encoder.folder), str(folder), str(tmp_path / "g")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    gallery = Gallery.open(tmp_path / "g")
    kept = len(gallery)
    assert 0 < kept < 12
    with gallery.write_lock():  # the killed process holds no lock
        report = indexing.add(gallery, [folder], encoder)
    assert (report.added, report.unchanged) == (12 - kept, kept)
    paths = list(gallery.load().rows["path"])
    assert len(paths) == len(set(paths)) == 12


def test_second_writer_is_refused(gallery: Gallery) -> None:
    code = (
        "import sys; from filelock import FileLock; a = FileLock(sys.argv[1]); a.acquire(); print(flush=True); input()"
    )
    lock = str(Path(gallery.uri) / LOCK)
    with subprocess.Popen(
        [sys.executable, "-P", "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ValueError, match="another process is writing to it: wait until that one is done"):
            gallery.write_lock().__enter__()
        assert len(gallery) == 500  # readers are not blocked
        other.communicate(b"\n")
    with gallery.write_lock():
        pass


def test_hidden_files_dead_links_and_duplicates_are_left_out(folder: Path) -> None:
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "dead.png").symlink_to(folder / "gone.png")
    found = indexing.find_files([folder, folder]).paths
    assert len(found) == 13
    assert found == sorted(found, key=lambda path: (path.parent != folder, path.name))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        indexing.find_files([folder / "gone"])
    with pytest.raises(ValueError, match="is a file: name the folder"):
        indexing.find_files([folder / "notes.txt"])
