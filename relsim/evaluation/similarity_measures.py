"""Similarity measures between pictures: a relational encoder, its other heads, cheap features, published models."""

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
Rows = NDArray[Any]  # one row per picture, in whatever form a measure compares
Embed = Callable[[list[Image.Image]], Vectors]


class SimilarityMeasure(Protocol):
    """A way to compare pictures: each picture becomes a row once, and rows are then compared.

    symmetric: whether a picture has the same row as a query and in the gallery. higher_is_closer: whether larger
    values of `similarity_pairwise` mean that pictures are more alike.
    """

    @property
    def name(self) -> str: ...

    @property
    def symmetric(self) -> bool: ...

    @property
    def higher_is_closer(self) -> bool: ...

    def embed_queries(self, images: list[Image.Image]) -> Rows:
        """Rows of queries, (n, dim)."""

    def embed_gallery(self, images: list[Image.Image]) -> Rows:
        """Rows of the pictures that are searched, (m, dim)."""

    def similarity(self, queries: Rows, gallery: Rows) -> Vectors:
        """(n, m), for every pair; higher always means more alike."""

    def similarity_pairwise(self, queries: Rows, gallery: Rows) -> Vectors:
        """(n,), row i against row i, in the measure's own unit."""


@dataclass(frozen=True)
class Cosine:
    """Compares embeddings by their cosine. embed_gallery_images: for a gallery unlike queries."""

    name: str
    embed: Embed
    embed_gallery_images: Embed | None = None
    higher_is_closer: bool = True

    @property
    def symmetric(self) -> bool:
        return self.embed_gallery_images is None

    def embed_queries(self, images: list[Image.Image]) -> Rows:
        return _unit(self.embed(images))

    def embed_gallery(self, images: list[Image.Image]) -> Rows:
        return _unit((self.embed_gallery_images or self.embed)(images))

    def similarity(self, queries: Rows, gallery: Rows) -> Vectors:
        return np.asarray(queries @ gallery.T, np.float32)

    def similarity_pairwise(self, queries: Rows, gallery: Rows) -> Vectors:
        return np.asarray((queries * gallery).sum(axis=1), np.float32)


def encoder_measures(encoder: RelationalEncoder) -> dict[str, Embed]:
    """The encoder's embeddings and the features without training, each by the name in results."""
    return {
        "relation": encoder.embed,
        "subject names": encoder.embed_subject,
        "attributes": encoder.attributes,
        "colour histogram": histogram_vectors,
        "pixel cosine": pixel_vectors,
    }


# The names on the command line. External measures are loaded by `external_models`.
ENCODER_MEASURES = {
    "relation": "relation",
    "subject": "subject names",
    "attributes": "attributes",
    "histogram": "colour histogram",
    "pixels": "pixel cosine",
}
EXTERNAL_MEASURES = ("clip-i", "clip-t", "dino", "lpips", "dreamsim", "qwen-t")
MEASURES = (*ENCODER_MEASURES, *EXTERNAL_MEASURES)
PACKAGE_MEASURES = ("lpips", "dreamsim")  # need packages of the same names


def check_measures(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is unknown or comes twice, and ImportError for one whose package is missing.
    A name may be followed by =SOURCE."""
    plain = []
    for given in names:
        name, has_source, _ = given.partition("=")
        if name not in MEASURES:
            near = difflib.get_close_matches(name.lower(), MEASURES, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"unknown measure of comparing {name!r}{hint}: known are {', '.join(MEASURES)}")
        if has_source and name in ENCODER_MEASURES:
            raise ValueError(f"{given!r}: {name} is of the encoder and takes no =SOURCE: choose one with --encoder")
        if name in plain:
            raise ValueError(f"{name!r} is named twice: leave one out")
        if name in PACKAGE_MEASURES and name not in sys.modules and importlib.util.find_spec(name) is None:
            raise ImportError(f'{name} needs a package that is not installed: pip install "analogen[baselines]"')
        plain.append(name)


def load_measures(
    names: Sequence[str],
    encoder: str = "mini",
    device: str = "cpu",
    dtype: str = "auto",
    *,
    search: bool = False,
    describe: Callable[[list[Image.Image]], list[str]] | None = None,
) -> list[SimilarityMeasure]:
    """Ways by name, each with an optional =SOURCE, the folder or hub id of its weights.

    search: every query is compared with the whole gallery, so a measure without embeddings takes smaller pictures.
    describe: writes the captions for clip-t and qwen-t; by default Qwen2.5-VL without an adapter.
    Raises ValueError, FileNotFoundError or ImportError with one line.
    """
    check_measures(names)
    own: dict[str, Embed] = {}
    if any(name in ENCODER_MEASURES for name in names):
        own = encoder_measures(load_encoder(encoder, device, dtype))
    found: list[SimilarityMeasure] = []
    for given in names:
        name, _, source = given.partition("=")
        if name in ENCODER_MEASURES:
            found.append(Cosine(name, own[ENCODER_MEASURES[name]]))
        else:
            from analogen.relsim.evaluation.external_models import load_external_measure

            found.append(load_external_measure(name, source or None, device, search=search, describe=describe))
    return found


class NothingToMeasure(ValueError):
    """None of the given pictures can be measured; the message gives the reason in one line."""


class ReadablePicture(Protocol):
    """A picture that can be read, such as `shards.StoredPicture`."""

    @property
    def name(self) -> str: ...

    def read(self) -> Picture: ...


class MeasuredRows(NamedTuple):
    """Rows of the pictures that could be read. kept: their indices; refused: path and reason of the others."""

    rows: dict[str, Rows]
    kept: list[int]
    refused: list[dict[str, str]]


def compute_rows(
    pictures: Sequence[ReadablePicture],
    measures: Sequence[SimilarityMeasure],
    side: str,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> MeasuredRows:
    """Reads every picture once and computes its row for each measure. side: "queries" or "gallery".

    Raises NothingToMeasure if no picture can be read.
    """
    parts: dict[str, list[Rows]] = {measure.name: [] for measure in measures}
    kept: list[int] = []
    refused: list[dict[str, str]] = []
    batch: list[Image.Image] = []

    def flush() -> None:
        if batch:
            for measure in measures:
                parts[measure.name].append(
                    measure.embed_queries(batch) if side == "queries" else measure.embed_gallery(batch)
                )
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
        raise NothingToMeasure(f"none of {len(pictures)} pictures can be read; the first: {first}")
    return MeasuredRows({name: np.concatenate(rows) for name, rows in parts.items()}, kept, refused)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
