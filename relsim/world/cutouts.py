"""Loads cut-outs (photographed or drawn things with alpha) from any folder, in the renderer's art format.

cutouts = CutOuts.from_folder("things")
subject, other = cutouts.draw(rng, 2)
picture = photograph(scene, SceneArt(ArtLibrary.shipped(), subject, other), ground, rng, 208)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
from numpy.random import Generator
from PIL import Image

from analogen.relsim.picture_folders import looks_like_picture
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.subject_image import SubjectArt, read_subject_image

SUFFIXES = frozenset({".png", ".webp", ".svg"})
KEPT_PX = 512  # longer side that a picture is kept at in memory
_HALO = 48  # alpha up to which the rim of a picture is cut away: it shows what the thing was cut out of


@dataclass(frozen=True)
class CutOut:
    """One thing of a folder: an `Art`. It is read when it is drawn; the last ones are kept."""

    name: str
    path: Path

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """See `Art.pixels`."""
        return _read(self.path).pixels(side, standing)

    def document(self, side: int = 512, standing: bool = False) -> str | None:
        """None for a picture of pixels, else see `Art.document`."""
        return _read(self.path).document(side, standing)


@lru_cache(maxsize=256)
def _read(path: Path) -> SubjectArt:
    art = read_subject_image(path)
    if not isinstance(art, Picture):
        return art
    rgba = art.rgba.astype(np.float32)
    rgba[..., 3] = np.clip((rgba[..., 3] - _HALO) * (255 / (255 - _HALO)), 0, 255)
    image = Image.fromarray(rgba.astype(np.uint8))
    image.thumbnail((KEPT_PX, KEPT_PX), Image.Resampling.LANCZOS)
    return Picture(art.name, np.array(image))


class CutOuts(Sequence[CutOut]):
    """The things of a folder, sorted by path. `skipped`: files that could not be used, with the reason."""

    def __init__(self, things: Sequence[CutOut], skipped: Sequence[tuple[Path, str]] = ()) -> None:
        self._things = tuple(things)
        self.skipped = tuple(skipped)
        self.names = tuple(sorted({thing.name for thing in things}))

    @staticmethod
    def from_folder(folder: str | Path, checked: bool = True) -> CutOuts:
        """The PNG, WebP and SVG files of a folder and its sub-folders, named by their files ("red_fox-2": red fox).

        checked: read each file once (some milliseconds per file) and skip what cannot be used; without it a bad
        file raises ValueError when it is drawn.
        Raises NotADirectoryError for no folder and ValueError for one without a thing that can be used.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise NotADirectoryError(f"no folder {folder}: give one of PNG, WebP or SVG files, one thing in each")
        things, skipped = [], []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if path.suffix.lower() not in SUFFIXES:
                if looks_like_picture(path):
                    skipped.append((path, f"{path}: is not PNG, WebP or SVG, as cut-outs are: save it as one of them"))
                continue
            try:
                if checked:
                    read_subject_image(path)
                things.append(CutOut(name_of(path), path))
            except (ValueError, OSError) as error:
                skipped.append((path, " ".join(str(error).split())))
        if not things:
            reason = f"; of {len(skipped)} files the first: {skipped[0][1]}" if skipped else ""
            raise ValueError(f"{folder} has no PNG, WebP or SVG that can be used as a cut-out{reason}")
        return CutOuts(things, skipped)

    def draw(self, rng: Generator, count: int = 2) -> list[CutOut]:
        """`count` things of different names. Raises ValueError if there are fewer names."""
        if count > len(self.names):
            raise ValueError(f"{count} different things are wanted, there are {len(self.names)}")
        found: list[CutOut] = []
        while len(found) < count:
            thing = self._things[int(rng.integers(len(self._things)))]
            if all(thing.name != other.name for other in found):
                found.append(thing)
        return found

    @overload
    def __getitem__(self, index: int) -> CutOut: ...
    @overload
    def __getitem__(self, index: slice) -> CutOuts: ...
    def __getitem__(self, index: int | slice) -> CutOut | CutOuts:
        return CutOuts(self._things[index]) if isinstance(index, slice) else self._things[index]

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[CutOut]:
        return iter(self._things)


def name_of(path: Path) -> str:
    """The thing's name: "red_fox-2.png" is a red fox."""
    return re.sub(r"[\s_-]+", " ", re.sub(r"[-_ ]?\d+$", "", path.stem)).strip().lower() or path.stem
