"""The art library: drawings of concrete nouns in several styles, found by name or by meaning.

A drawing is an `Icon` (icon.py) or a `Picture` of pixels (subject_image.py); the renderer needs of either only what
`Art` lists. The data lie in the folder art/, made by recipes/build_art.py (the nouns that training draws) and
recipes/build_clip_art.py (more nouns, and the pictures in 3D); importing this file reads nothing.
"""

from __future__ import annotations

import bisect
import difflib
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.world.bounded_cache import BoundedCache
from analogen.relsim.world.icon import Icon, Pixels
from analogen.relsim.world.picture import Picture

# If a style lacks a noun, the first of these that has it is used. Training draws the first three only.
STYLES = ("fluent-flat", "noto", "fluent-color", "3d", "clip-art", "silhouette")
TRAINING_STYLES = STYLES[:3]
PICTURES = "3d"  # the style that has pictures of pixels
PICTURE_BYTES = 64 * 2**20  # of the pictures of pixels that are kept
SPLITS = ("train", "held_out")
# Smallest cosine between a text and its nearest noun at which the noun is used. Measured without the listed relatives:
# of 63 concrete words that are not names here, 51 lie above ("puppy" 0.80, "armchair" 0.73, "espresso" 0.56;
# about 8 of them by mere spelling, "dragonfly" for dragon), of 28 abstract or made-up words 4 ("quantum" for atom 0.57,
# "speed" for speedboat, "happiness" for smiling face, "justice" for judge).
NEAR = 0.55

Embed = Callable[[list[str]], NDArray[np.float32]]


class Match(NamedTuple):
    """The noun found for a text. exact: by its name; near: by a listed relative ("kitten" for cat, score 1) or by
    meaning, with a cosine `score` of at least NEAR."""

    name: str
    score: float
    exact: bool
    near: bool


class Splits(NamedTuple):
    """Held out from training: names of subjects (first nouns, not synonyms), styles and relations."""

    subjects: frozenset[str]
    styles: tuple[str, ...]
    relations: tuple[str, ...]


@lru_cache(maxsize=1)
def splits() -> Splits:
    """The held-out parts of the world, from splits.json."""
    data = json.loads((Path(__file__).parent / "splits.json").read_text(encoding="utf-8"))
    return Splits(frozenset(data["subjects"]), tuple(data["styles"]), tuple(data["relations"]))


class ArtLibrary:
    """The drawings of a folder, which are read when first needed. Use `ArtLibrary.shipped()`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archives: dict[str, zipfile.ZipFile] = {}
        self._lock = threading.Lock()
        # One object for each, so that what is drawn of it is found again; see Picture, which is equal to itself alone.
        self._pictures: BoundedCache[Picture] = BoundedCache(PICTURE_BYTES, lambda _, art: art.rgba.nbytes)

    @staticmethod
    @lru_cache(maxsize=1)
    def shipped() -> ArtLibrary:
        """The library in the package."""
        return ArtLibrary(Path(__file__).parent / "art")

    @property
    def styles(self) -> tuple[str, ...]:
        return STYLES

    @cached_property
    def _data(self) -> dict[str, dict[str, Any]]:
        data: dict[str, dict[str, Any]] = json.loads((self._folder / "nouns.json").read_text(encoding="utf-8"))
        more = json.loads((self._folder / "more.json").read_text(encoding="utf-8"))
        return {**data, **more, "nouns": {**more["nouns"], **data["nouns"]}, "trained": data["nouns"]}

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(self._data["nouns"]))

    @property
    def meanings(self) -> NDArray[np.float32]:
        """(nouns, 384) unit vectors by all-MiniLM-L6-v2, in the order of `nouns()`."""
        return self._meanings

    @cached_property
    def _meanings(self) -> NDArray[np.float32]:
        """Unit vectors of the nouns, (nouns, 384), in the order of `_names`."""
        files = (("nouns.npy", self._data["trained"]), ("more.npy", self._data["nouns"].keys() - self._data["trained"]))
        meanings = np.concatenate([np.load(self._folder / file) for file, _ in files]).astype(np.float32)
        names = [name for _, part in files for name in sorted(part)]
        meanings = meanings[np.argsort(names)]
        norms = np.linalg.norm(meanings, axis=1, keepdims=True)
        return np.asarray(meanings / norms, dtype=np.float32)

    def nouns(self, style: str | None = None, split: str | None = None, stock: bool = False) -> tuple[str, ...]:
        """Sorted names, synonyms included: all, or those drawn in a style, on one side of the split ("train",
        "held_out"), or of the stock (clear silhouettes without synonyms). Clip art and silhouettes are on neither side
        of the split and not in the stock: no training draws them. Raises ValueError for unknown words."""
        if style is not None:
            self._check_style(style)
        if split is not None and split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
        return tuple(
            name
            for name in self._names
            if (style is None or self._has(name, style))
            and (split is None or self._split(name) == split)
            and (not stock or self._data["nouns"][name].get("stock", False))
        )

    def first_noun(self, name: str) -> str:
        """The noun that the icon is listed under: "car" for "automobile". Raises ValueError as `icon` does."""
        entry = self._data["nouns"].get(name)
        if entry is None:
            nearest = difflib.get_close_matches(name, self._names, n=3, cutoff=0.0)
            raise ValueError(f"no art is called {name!r}; nearest names: {', '.join(nearest)}")
        return str(entry.get("same_as", name))

    def category(self, name: str) -> str:
        """ "animal", "food", "vehicle", ... Raises ValueError as `icon` does."""
        return str(self._entry(name)["category"])

    def group(self, name: str) -> str:
        """The group of a noun. Nouns of a group look alike ("cat", "tomcat", "cat face") and never share a picture."""
        return str(self._entry(name)["group"])

    def meaning(self, name: str) -> NDArray[np.float32]:
        """(384,) unit vector of a noun, synonyms included, by all-MiniLM-L6-v2. Raises ValueError as `icon` does."""
        self.first_noun(name)
        row: NDArray[np.float32] = self._meanings[bisect.bisect_left(self._names, name)]
        return row

    def icon(self, name: str, style: str = STYLES[0]) -> Icon | Picture:
        """The drawing of a noun: a Picture in the style "3d", else an Icon. If the style lacks it, the first of STYLES
        that has it is used (see Icon.style).

        Raises ValueError for an unknown style, and for an unknown name with the nearest ones; `find` understands
        more than exact names.
        """
        self._check_style(style)
        ids = self._entry(name)["icons"]
        if style == PICTURES and self._has(name, style):
            return self._pictures.get(name, lambda: self._picture(name))
        style = style if style in ids else next(s for s in STYLES if s in ids)
        x, y, width, height = self._data[f"boxes {style}"][ids[style]]
        return Icon(name, style, self._archive(style).read(ids[style]).decode("utf-8"), (x, y, width, height))

    def _picture(self, name: str) -> Picture:
        content = self._archive(PICTURES).read(f"{self.first_noun(name)}.webp")
        picture = Image.open(io.BytesIO(content)).convert("RGBA")
        return Picture(name, np.array(picture.crop(picture.getchannel("A").getbbox())))

    def pixels(self, name: str, style: str, side: int, standing: bool = False) -> Pixels:
        """(side, side, 4) RGBA, straight alpha, read-only, see `Art.pixels`. Raises ValueError as `icon` does."""
        return self.icon(name, style).pixels(side, standing)

    def find(self, text: str, embed: Embed | None = None) -> Match:
        """Finds the noun for a text: by name, in any case and number, by a listed relative (porcupine:
        hedgehog), or else the nearest in meaning.

        embed   Maps n texts to (n, 384) unit vectors of all-MiniLM-L6-v2. Without it only names are understood,
                and ValueError with the nearest spellings is raised for the rest.
        With it there is always a match, but with near=False it means something else than the text.
        """
        words = re.sub(r"[\s_-]+", " ", text.strip().lower())
        words = re.sub(r"^(a|an|the|some) (?=.)", "", words)
        for name, exact in ((self.by_name(words), True), (self.by_relative(words), False)):
            if name is not None:
                return Match(name, 1.0, exact=exact, near=True)
        if not words or embed is None:
            return Match(self.first_noun(text), 1.0, exact=True, near=True)
        scores = self._meanings @ np.asarray(embed([words]), dtype=np.float32)[0]
        best = int(scores.argmax())
        score = float(scores[best])
        return Match(self._names[best], score, exact=False, near=score >= NEAR)

    def by_name(self, words: str) -> str | None:
        """The name, synonyms included, that the words spell in either number; None if there is none.

        words: in lower case, with single spaces instead of hyphens.
        """
        return next((self._by_spelling[form] for form in spellings(words) if form in self._by_spelling), None)

    def by_relative(self, words: str) -> str | None:
        """The noun that draws a listed relative ("kitten" for cat), see `by_name`; None if there is none."""
        relatives = self._data["relatives"]
        return next((str(relatives[form]) for form in spellings(words) if form in relatives), None)

    def relatives(self) -> tuple[str, ...]:
        """The relatives that are listed, sorted."""
        return tuple(sorted(self._data["relatives"]))

    @cached_property
    def _by_spelling(self) -> dict[str, str]:
        return {re.sub(r"[\s_-]+", " ", name): name for name in self._names}

    def _has(self, name: str, style: str) -> bool:
        if style == PICTURES:
            return self.first_noun(name) in self._pictured
        return style in self._entry(name)["icons"]

    @cached_property
    def _pictured(self) -> frozenset[str]:
        """The first nouns that have a picture of pixels."""
        return frozenset(name.removesuffix(".webp") for name in self._archive(PICTURES).namelist())

    def _split(self, name: str) -> str | None:
        """The side of the split that a name is on, None for nouns that no training draws."""
        if name not in self._data["trained"]:
            return None
        return "held_out" if self.first_noun(name) in splits().subjects else "train"

    def _entry(self, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = self._data["nouns"][self.first_noun(name)]
        return entry

    def _check_style(self, style: str) -> None:
        if style not in STYLES:
            raise ValueError(f"unknown style {style!r}; known: {', '.join(STYLES)}")

    def _archive(self, style: str) -> zipfile.ZipFile:
        # Read completely, because an open file would share its position with forked data loaders.
        with self._lock:
            if style not in self._archives:
                content = (self._folder / f"{style}.zip").read_bytes()
                self._archives[style] = zipfile.ZipFile(io.BytesIO(content))
            return self._archives[style]


_IRREGULAR = {
    "mice": "mouse", "geese": "goose", "oxen": "ox", "teeth": "tooth", "feet": "foot", "men": "man",
    "women": "woman", "people": "person", "children": "child", "dice": "die", "octopi": "octopus",
    "cacti": "cactus", "wolves": "wolf", "leaves": "leaf", "knives": "knife", "loaves": "loaf", "scarves": "scarf",
}  # fmt: skip


def spellings(words: str) -> list[str]:
    """The text, and its variants with the singular or plural of its last word."""
    start, _, last = words.rpartition(" ")
    found = [last, _IRREGULAR.get(last, last)]
    if last.endswith("ies"):
        found.append(last[:-3] + "y")
    if last.endswith("es"):
        found.append(last[:-2])
    if last.endswith("s") and not last.endswith("ss"):
        found.append(last[:-1])
    plural = last[:-1] + "ies" if last.endswith("y") else last + "s"
    found += [plural, last + "es"]
    return [f"{start} {word}".strip() for word in found if word]
