"""A user's own cut-outs as art: the pictures of a folder, with names, found by name, by meaning or by a picture."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.bounded_cache import BoundedCache
from analogen.relsim.world.cutouts import SUFFIXES, name_of
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.picture import held_bytes
from analogen.relsim.world.subject_image import SubjectArt, read_subject_image

NAMES_FILE = "names.csv"
MAX_FILES = 20_000
KEPT_BYTES = 128 * 2**20  # of the cut-outs that were drawn last
# Smallest cosine between a text and a thing's name at which the thing is taken. Higher than for the shipped library
# (art.NEAR), which has a nearer one in most cases.
NEAR = 0.6

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class OwnThing:
    """One cut-out: an `Art` that is read when it is drawn. names: the first is its own, the others are found too.

    changed: of the file, so that one that is replaced is another thing.
    """

    names: tuple[str, ...]
    path: Path
    changed: int

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the user about how the picture was read."""
        return _read(self.path, self.changed).notes

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """See `Art.pixels`. Raises ValueError for a file that cannot be used, FileNotFoundError without it."""
        return _read(self.path, self.changed).pixels(side, standing)

    def document(self, side: int = 512, standing: bool = False) -> str | None:
        """See `Art.document`."""
        return _read(self.path, self.changed).document(side, standing)


def _read(path: Path, changed: int) -> SubjectArt:
    return _KEPT.get((path, changed), lambda: read_subject_image(path))


_KEPT: BoundedCache[SubjectArt] = BoundedCache(KEPT_BYTES, lambda _, art: held_bytes(art) + 1024)


@dataclass(frozen=True)
class OwnArt:
    """Cut-outs, sorted by path. text_vectors, picture_vectors: (things, 384) unit vectors of the names and the
    pictures, None where they have not been computed."""

    folder: Path
    things: tuple[OwnThing, ...]
    text_vectors: Vectors | None = None
    picture_vectors: Vectors | None = None

    @staticmethod
    def from_folder(folder: str | Path) -> OwnArt:
        """The PNG, WebP and SVG files of a folder and its sub-folders.

        Their names are those of the files ("red_fox-2.png": red fox), or those of a table names.csv in the folder with
        the columns file and name; several names for a file are separated by semicolons. No picture is opened.
        Raises NotADirectoryError for no folder, and ValueError for one without pictures and for a table that cannot be
        read.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise NotADirectoryError(f"no folder {folder}: give one of PNG, WebP or SVG files, one thing in each")
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not files:
            raise ValueError(f"{folder} has no PNG, WebP or SVG file: give a folder of cut-outs, one thing in each")
        if len(files) > MAX_FILES:
            raise ValueError(f"{folder} has {len(files)} pictures, at most {MAX_FILES} are read: give a smaller folder")
        table = _names_table(folder)
        things = tuple(OwnThing(table.get(path, (name_of(path),)), path, path.stat().st_mtime_ns) for path in files)
        return OwnArt(folder, things)

    @property
    def names(self) -> tuple[str, ...]:
        """The things' own names, each once, sorted."""
        return tuple(sorted({thing.name for thing in self.things}))

    def by_name(self, forms: Sequence[str]) -> OwnThing | None:
        """The first thing with one of these names. forms: in lower case, the likeliest first."""
        for form in forms:
            for thing in self.things:
                if form in thing.names:
                    return thing
        return None

    def by_text(self, vector: Vectors) -> tuple[OwnThing, float]:
        """The thing whose name is nearest in meaning to a text, and its cosine. vector: (384,), the text's."""
        assert self.text_vectors is not None, "the names have to be embedded first"
        scores = self.text_vectors @ vector
        best = int(scores.argmax())
        return self.things[best], float(scores[best])

    def search(self, vector: Vectors, top_k: int, *, by_picture: bool) -> list[tuple[OwnThing, float]]:
        """The nearest things by name or by picture, best first, with their cosines. vector: (384,)."""
        rows = self.picture_vectors if by_picture else self.text_vectors
        assert rows is not None, "a library has both"
        scores = rows @ vector
        return [(self.things[int(i)], float(scores[i])) for i in np.argsort(-scores, kind="stable")[:top_k]]


def plain_name(text: str) -> str:
    """A name as it is compared: lower case, single spaces, no hyphens."""
    return re.sub(r"[\s_-]+", " ", text).strip().lower()


def _names_table(folder: Path) -> dict[Path, tuple[str, ...]]:
    """The names of files by path, from names.csv; none without that file."""
    path = folder / NAMES_FILE
    if not path.is_file():
        return {}
    found: dict[Path, tuple[str, ...]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"file", "name"} <= set(reader.fieldnames or ()):
                raise ValueError(f"{path}: its first line is {reader.fieldnames}: expected the columns file and name")
            for row in reader:
                names = tuple(name for part in (row["name"] or "").split(";") if (name := plain_name(part)))
                if row["file"] and names:
                    found[folder / row["file"].strip()] = names
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{path} is no CSV in UTF-8 ({error}): save it as one, with the columns file and name"
        ) from error
    lost = [p for p in found if not p.is_file()]
    if lost:
        raise ValueError(f"{path}: names {lost[0].name}, which is not in the folder: correct the column file")
    return found
