"""Ways of comparing pictures: a relational encoder, its other heads, cheap features, and other people's models."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.data.batching import decode_ahead
from analogen.relsim.encoder import RelationalEncoder, load_encoder
from analogen.relsim.evaluation.baselines import histogram_vectors, pixel_vectors
from analogen.relsim.images import Picture

Vectors = NDArray[np.float32]
Rows = NDArray[Any]  # one row per picture, in whatever form a way compares
Embed = Callable[[list[Image.Image]], Vectors]


class Way(Protocol):
    """A way of comparing. Pictures become rows once; rows are then compared.

    symmetric: whether a picture's row is the same asked for as stored. higher: whether more of `pairs` is nearer.
    """

    @property
    def name(self) -> str: ...

    @property
    def symmetric(self) -> bool: ...

    @property
    def higher(self) -> bool: ...

    def asked(self, images: list[Image.Image]) -> Rows:
        """(n, dim), of queries."""

    def stored(self, images: list[Image.Image]) -> Rows:
        """(m, dim), of what is searched."""

    def nearness(self, asked: Rows, stored: Rows) -> Vectors:
        """(n, m): of every pair, higher is nearer."""

    def pairs(self, asked: Rows, stored: Rows) -> Vectors:
        """(n,): row i against row i, in the way's own unit."""


@dataclass(frozen=True)
class Cosine:
    """Embeddings, compared by their cosine. embed_stored: for what is searched, if another way than queries."""

    name: str
    embed: Embed
    embed_stored: Embed | None = None
    higher: bool = True

    @property
    def symmetric(self) -> bool:
        return self.embed_stored is None

    def asked(self, images: list[Image.Image]) -> Rows:
        return _unit(self.embed(images))

    def stored(self, images: list[Image.Image]) -> Rows:
        return _unit((self.embed_stored or self.embed)(images))

    def nearness(self, asked: Rows, stored: Rows) -> Vectors:
        return np.asarray(asked @ stored.T, np.float32)

    def pairs(self, asked: Rows, stored: Rows) -> Vectors:
        return np.asarray((asked * stored).sum(axis=1), np.float32)


def encoder_ways(encoder: RelationalEncoder) -> dict[str, Embed]:
    """The encoder's relations, its subject head (a network trained on names), and the features without training."""
    return {
        "relation": encoder.embed,
        "subject names": encoder.embed_subject,
        "attributes": encoder.attributes,
        "colour histogram": histogram_vectors,
        "pixel cosine": pixel_vectors,
    }


# Names as the command line takes them. Those of other people's models are loaded by `external_models`.
OWN = {
    "relation": "relation",
    "subject": "subject names",
    "attributes": "attributes",
    "histogram": "colour histogram",
    "pixels": "pixel cosine",
}
PEERS = ("clip-i", "clip-t", "dino", "lpips", "dreamsim", "qwen-t")
KNOWN = (*OWN, *PEERS)
EXTRA = ("lpips", "dreamsim")  # through packages of the same names


def check_ways(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is unknown or comes twice, and ImportError for one whose package is missing.
    A name may be followed by =SOURCE."""
    plain = []
    for given in names:
        name, has_source, _ = given.partition("=")
        if name not in KNOWN:
            near = difflib.get_close_matches(name.lower(), KNOWN, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"unknown way of comparing {name!r}{hint}: known are {', '.join(KNOWN)}")
        if has_source and name in OWN:
            raise ValueError(f"{given!r}: {name} is of the encoder and takes no =SOURCE: choose one with --encoder")
        if name in plain:
            raise ValueError(f"{name!r} is named twice: leave one out")
        if name in EXTRA and name not in sys.modules and importlib.util.find_spec(name) is None:
            raise ImportError(f'{name} needs a package that is not installed: pip install "analogen[baselines]"')
        plain.append(name)


def load_ways(
    names: Sequence[str],
    encoder: str = "mini",
    device: str = "cpu",
    dtype: str = "auto",
    *,
    search: bool = False,
    describe: Callable[[list[Image.Image]], list[str]] | None = None,
) -> list[Way]:
    """Ways by name, each with an optional =SOURCE, the folder or hub id of its weights.

    search: everything is compared with everything, so that what cannot be embedded is compared small.
    describe: captions for clip-t and qwen-t; by default those of the plain Qwen2.5-VL.
    Raises ValueError, FileNotFoundError or ImportError with one line.
    """
    check_ways(names)
    own: dict[str, Embed] = {}
    if any(name in OWN for name in names):
        own = encoder_ways(load_encoder(encoder, device, dtype))
    found: list[Way] = []
    for given in names:
        name, _, source = given.partition("=")
        if name in OWN:
            found.append(Cosine(name, own[OWN[name]]))
        else:
            from analogen.relsim.evaluation.external_models import load_peer

            found.append(load_peer(name, source or None, device, search=search, describe=describe))
    return found


class NothingLeft(ValueError):
    """Nothing of what was handed in can be measured: the message says why, in one line."""


class Readable(Protocol):
    """A picture that can be read, such as `shards.Stored`."""

    @property
    def name(self) -> str: ...

    def read(self) -> Picture: ...


class Compared(NamedTuple):
    """Rows of the pictures that could be read. kept: their places among the pictures; refused: path and reason."""

    rows: dict[str, Rows]
    kept: list[int]
    refused: list[dict[str, str]]


def rows_of(
    pictures: Sequence[Readable],
    ways: Sequence[Way],
    side: str,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Compared:
    """Every picture read once and handed to all ways. side: "asked" or "stored".

    Raises NothingLeft if no picture can be read.
    """
    parts: dict[str, list[Rows]] = {way.name: [] for way in ways}
    kept: list[int] = []
    refused: list[dict[str, str]] = []
    batch: list[Image.Image] = []

    def flush() -> None:
        if batch:
            for way in ways:
                parts[way.name].append(way.asked(batch) if side == "asked" else way.stored(batch))
            batch.clear()

    loaded = decode_ahead(pictures, lambda picture: picture.read().image, ahead=2 * batch_size)
    for number, (picture, image) in enumerate(zip(pictures, loaded, strict=True)):
        if isinstance(image, Exception):
            if not isinstance(image, ValueError | FileNotFoundError):
                raise image
            refused.append({"path": picture.name, "reason": str(image)})
        else:
            kept.append(number)
            batch.append(image)
        if len(batch) == batch_size:
            flush()
        if progress is not None:
            progress(number + 1, len(pictures))
    flush()
    if not kept:
        first = refused[0]["reason"] if refused else "there are none"
        raise NothingLeft(f"none of {len(pictures)} pictures can be read; the first: {first}")
    return Compared({name: np.concatenate(rows) for name, rows in parts.items()}, kept, refused)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
