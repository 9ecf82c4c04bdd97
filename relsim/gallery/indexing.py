"""Adds pictures of folders to a gallery; only new and changed files are embedded."""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from analogen.relsim.data.batching import run_all
from analogen.relsim.embedding import ImageEmbedding, embed_images
from analogen.relsim.encoder import RelationalEncoder
from analogen.relsim.gallery.path_patterns import path_pattern
from analogen.relsim.gallery.store import THUMBNAIL_PX, Entry, FileState, Gallery, GalleryInfo
from analogen.relsim.images import open_checked, read_image_from
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.picture_folders import FolderPictures, scan_pictures

BATCH = 32
# Rows per commit: if the process is killed, only seconds of work are lost, and commits are still rare.
COMMIT = 512


@dataclass
class IndexingReport:
    """The result of `add`. refused: path and reason of every picture that was not taken."""

    found: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)


class _LoadedFile(NamedTuple):
    """A file that was read. image: the input of the encoder."""

    path: str
    sha256: str
    length: int
    mtime_ns: int
    size: tuple[int, int]
    thumbnail: bytes
    image: Image.Image


def add(
    gallery: Gallery,
    folders: Sequence[Path],
    encoder: RelationalEncoder,
    progress: bool = False,
    commit: int = COMMIT,
    on_commit: Callable[[int], None] | None = None,
) -> IndexingReport:
    """Embeds the pictures of the folders that the gallery lacks. A killed run continues where it was.

    A file whose size and time are known is not opened; a file with another time but the same bytes is not embedded.
    Raises FileNotFoundError or ValueError if a folder is missing or is a file.
    """
    report, known = IndexingReport(), gallery.known()
    found = find_files(folders)
    paths = found.paths
    report.found = len(paths) + len(found.left_out)
    waiting: list[Entry] = []
    touched: dict[str, int] = {}

    def fresh() -> Iterator[Path]:
        for path in paths:
            before = known.get(str(path))
            state = path.stat()
            if before and (before.length, before.mtime_ns) == (state.st_size, state.st_mtime_ns):
                report.unchanged += 1
            elif before and before.length == state.st_size and _digest(path) == before.sha256:
                report.unchanged += 1
                touched[str(path)] = state.st_mtime_ns
            else:
                yield path

    work = list(fresh())
    gallery.touch(touched)
    preprocess = encoder.preprocess if isinstance(encoder, MiniEncoder) else (lambda image: image)
    min_px = max(encoder.min_px, 2 * THUMBNAIL_PX) if isinstance(encoder, MiniEncoder) else None

    def on_refused(index: int, reason: str) -> None:
        report.refused.append({"path": str(work[index]), "reason": reason})

    def embed(read: list[_LoadedFile]) -> list[tuple[_LoadedFile, ImageEmbedding]]:
        return list(zip(read, embed_images(encoder, [one.image for one in read]), strict=True))

    def flush() -> None:
        gallery.upsert(waiting)
        waiting.clear()
        if on_commit is not None:
            on_commit(report.added + report.changed)

    for batch in run_all(work, lambda path: _read(path, preprocess, min_px), embed, BATCH, on_refused, progress):
        for _, (read, seen) in batch:
            if read.path in known:
                report.changed += 1
            else:
                report.added += 1
            size = read.size
            waiting.append(
                Entry(
                    read.path, read.sha256, read.length, read.mtime_ns, *size, time.time(), seen.relation,
                    seen.attributes, read.thumbnail,
                )
            )  # fmt: skip
        if len(waiting) >= commit:
            flush()
    flush()
    report.refused += found.left_out
    if report.added + report.changed:
        gallery.compact()
    return report


def gallery_info(encoder: RelationalEncoder, name: str) -> GalleryInfo:
    """The `GalleryInfo` of a gallery by this encoder."""
    if isinstance(encoder, MiniEncoder):
        config, weights = encoder.net.config, encoder.folder / "model.safetensors"
        return GalleryInfo(name, config.relation_dim, config.looks_dim, _digest(weights)[:16])
    one = Image.new("RGB", (64, 64))
    return GalleryInfo(name, encoder.embed([one]).shape[1], encoder.attributes([one]).shape[1])


def find_files(folders: Iterable[Path]) -> FolderPictures:
    """Finds the pictures of the folders and their subfolders, as absolute paths in the order of their names, without
    hidden ones, and what is left out. Raises FileNotFoundError or ValueError with one line."""
    found = FolderPictures()
    seen: set[str] = set()
    for folder in folders:
        if folder.is_file():
            raise ValueError(f"{folder}: is a file: name the folder that holds it")
        here = scan_pictures(folder.resolve() if folder.is_dir() else folder)
        found.paths += [path for path in here.paths if str(path) not in seen]
        found.left_out += [row for row in here.left_out if row["path"] not in seen]
        seen.update(map(str, here.paths), (row["path"] for row in here.left_out))
    return found


def matching(known: Iterable[str], wanted: Sequence[str]) -> set[str]:
    """The known paths that equal, lie in or match one of `wanted`.

    Names match exactly where there is such a path, so that two files that differ in case only stay two; names that are
    not there and patterns match whatever the case and normal form.
    """
    chosen = set()
    paths = list(known)
    for text in wanted:
        whole = os.path.abspath(text)
        exact = {path for path in paths if path == whole or path.startswith(whole + os.sep)}
        if not exact:
            pattern = re.compile(path_pattern(whole if not text.startswith("*") else text))
            below = re.compile(path_pattern(os.path.join(whole, "*")))
            exact = {path for path in paths if pattern.match(path) or below.match(path)}
        chosen |= exact
    return chosen


def missing(known: dict[str, FileState]) -> list[str]:
    """The paths of rows whose files no longer exist."""
    return [path for path in known if not Path(path).is_file()]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, preprocess: Callable[[Image.Image], Image.Image], min_px: int | None = None) -> _LoadedFile:
    with open_checked(path) as file:
        data, state = file.read(), os.fstat(file.fileno())
    picture = read_image_from(io.BytesIO(data), path, min_px)
    image, size = picture.image, picture.size
    digest = hashlib.sha256(data).hexdigest()
    return _LoadedFile(str(path), digest, len(data), state.st_mtime_ns, size, thumbnail_of(image), preprocess(image))


def thumbnail_of(image: Image.Image) -> bytes:
    """A JPEG thumbnail with sides of at most THUMBNAIL_PX."""
    factor = max(image.size) // (2 * THUMBNAIL_PX)
    small = image.reduce(factor) if factor > 1 else image.copy()
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    with io.BytesIO() as out:
        small.convert("RGB").save(out, "JPEG", quality=82)
        return out.getvalue()
