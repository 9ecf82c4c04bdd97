"""Searches a gallery: builds a query vector, and finds the nearest rows."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.embedding import embed_images
from analogen.relsim.encoder import RelationalEncoder
from analogen.relsim.gallery.path_patterns import path_pattern
from analogen.relsim.gallery.store import Gallery, LoadedGallery, Vectors
from analogen.relsim.world.relation_words import read_words

# How many times more rows than requested are ranked again where attributes count too.
RERANK_FACTOR = 20
ATTRIBUTE_PENALTY = 0.5


@dataclass(frozen=True)
class Query:
    """A search. relation: (384,) unit vector; attributes: (references, dim), of which the nearest counts, or None.

    attribute_penalty: how much of the attributes' cosine is subtracted from the relation's; 0 ignores attributes.
    attribute_weight: weight of the attributes' cosine in the score, [0, 1]; the relation has the rest.
    """

    relation: Vectors
    attributes: Vectors | None = None
    attribute_penalty: float = 0.0
    attribute_weight: float = 0.0


@dataclass(frozen=True)
class Filters:
    """Conditions on rows. path: a pattern such as "*/2024/*.jpg"; aspect: landscape, portrait or square."""

    path: str | None = None
    min_width: int = 0
    min_height: int = 0
    aspect: str | None = None
    newer_than_days: float | None = None

    def sql(self) -> str | None:
        """The conditions in SQL for the table, or None."""
        parts = []
        if self.min_width:
            parts.append(f"width >= {int(self.min_width)}")
        if self.min_height:
            parts.append(f"height >= {int(self.min_height)}")
        shapes = {
            "landscape": "100 * width > 105 * height", "portrait": "100 * height > 105 * width",
            "square": "100 * width <= 105 * height AND 100 * height <= 105 * width",
        }  # fmt: skip
        if self.aspect is not None:
            parts.append(f"({shapes[self.aspect]})")
        if self.newer_than_days is not None:
            parts.append(f"mtime_ns >= {int((time.time() - 86400 * self.newer_than_days) * 1e9)}")
        if self.path is not None:
            pattern = path_pattern(self.path).replace("'", "''")
            parts.append(f"regexp_like(path, '{pattern}')")
        return " AND ".join(parts) or None

    def mask(self, rows: dict[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
        """(n,), the rows that fulfil the conditions; None for all rows."""
        if self == Filters():
            return None
        width, height = rows["width"].astype(np.int64), rows["height"].astype(np.int64)
        keep = (width >= self.min_width) & (height >= self.min_height)
        if self.aspect == "landscape":
            keep &= 100 * width > 105 * height
        elif self.aspect == "portrait":
            keep &= 100 * height > 105 * width
        elif self.aspect == "square":
            keep &= (100 * width <= 105 * height) & (100 * height <= 105 * width)
        if self.newer_than_days is not None:
            keep &= rows["mtime_ns"] >= (time.time() - 86400 * self.newer_than_days) * 1e9
        if self.path is not None:
            matches = re.compile(path_pattern(self.path)).match
            keep &= np.fromiter((matches(str(path)) is not None for path in rows["path"]), bool, len(keep))
        return keep


@dataclass(frozen=True)
class SearchResult:
    """A result. score: results are sorted by it; relation, attribute: cosines, the latter if it counts."""

    path: str
    score: float
    relation: float
    attribute: float | None
    row_id: int


def make_query(
    encoder: RelationalEncoder,
    references: Sequence[Image.Image] = (),
    words: Sequence[str] = (),
    negatives: Sequence[Image.Image] = (),
    negative_words: Sequence[str] = (),
    weight: float = 0.5,
    unlike_looks: bool = False,
    attribute_weight: float = 0.0,
) -> Query:
    """Builds a query from pictures, words or both. Half of the mean of the negatives is subtracted.

    weight: of the pictures if there are words too, [0, 1]; unlike_looks: whether results should look different from
    the pictures; attribute_weight: weight of the pictures' looks in the score, [0, 1].
    Raises ValueError if there are neither pictures nor words.
    """
    if not references and not words:
        raise ValueError("nothing says what to look for: give --reference, --relation or both")
    if unlike_looks and not references:
        raise ValueError("--unlike-looks needs the looks of a picture: give --reference")
    if attribute_weight and not references:
        raise ValueError("words alone have no looks: give a picture as well, or ask for the same logic only")
    parts: list[Vectors] = []
    attributes = None
    if references:
        embedded = embed_images(encoder, references)
        attributes = np.stack([one.attributes for one in embedded])
        parts.append((weight if words else 1.0) * _unit(np.mean([one.relation for one in embedded], axis=0)))
    if words:
        said = encoder.embed_text([read_words(text).text for text in words])
        parts.append((1 - weight if references else 1.0) * _unit(said.mean(axis=0)))
    away: list[Vectors] = []
    if negatives:
        away.append(encoder.embed(negatives))
    if negative_words:
        away.append(encoder.embed_text([read_words(text).text for text in negative_words]))
    wanted = np.sum(parts, axis=0)
    if away:
        wanted = wanted - 0.5 * _unit(np.concatenate(away).mean(axis=0))
    return Query(_unit(wanted), attributes, ATTRIBUTE_PENALTY if unlike_looks else 0.0, attribute_weight)


class Searcher:
    """A gallery in memory for many exact searches. Each search compares every row in full precision, in one pass over
    the memory."""

    def __init__(self, loaded: LoadedGallery) -> None:
        self.loaded = loaded

    def search(self, query: Query, top_k: int = 10, filters: Filters | None = None) -> list[SearchResult]:
        """Returns at most `top_k` rows, best first. See `Query` for the score."""
        count = len(self.loaded)
        if count == 0 or top_k < 1:
            return []
        # NumPy's product of a matrix and a vector is twice as fast as torch's here, whose topk is the faster one.
        scores = torch.from_numpy(self.loaded.relation @ query.relation)
        mask = filters.mask(self.loaded.rows) if filters else None
        if mask is not None:
            scores.masked_fill_(~torch.from_numpy(mask), -2.0)
        # Where attributes count too, more of the nearest rows are ranked again.
        wide = max(RERANK_FACTOR * top_k, 2000) if query.attribute_penalty else top_k
        if query.attribute_weight:  # the rows nearest in attributes may be anywhere
            wide = count
        nearest = scores.topk(min(count, wide)).indices
        nearest = nearest[scores[nearest] > -1.5]
        exact, rows = scores[nearest].numpy(), nearest.numpy()
        attributes = (
            None if query.attributes is None else (self.loaded.attributes[rows] @ query.attributes.T).max(axis=1)
        )
        total = exact
        if attributes is not None:
            total = (1 - query.attribute_weight) * exact + (
                query.attribute_weight - query.attribute_penalty
            ) * attributes
        order = np.argsort(-total, kind="stable")[:top_k]
        paths, ids = self.loaded.rows["path"], self.loaded.row_ids
        return [
            SearchResult(
                str(paths[rows[i]]), float(total[i]), float(exact[i]),
                None if attributes is None else float(attributes[i]), int(ids[rows[i]]),
            )
            for i in order
        ]  # fmt: skip


def search(gallery: Gallery, query: Query, top_k: int = 10, filters: Filters | None = None) -> list[SearchResult]:
    """Searches a gallery once, with its index if it has one."""
    if gallery.about.index is None or query.attribute_weight:  # the index holds relations only
        return Searcher(gallery.load()).search(query, top_k, filters)
    from analogen.relsim.gallery.ann import search_index

    return search_index(gallery, query, top_k, filters)


def _unit(vector: NDArray[Any]) -> Vectors:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
