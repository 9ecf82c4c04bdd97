"""Searching a gallery: what to look for as vectors, and the rows that come nearest."""

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

from analogen.relsim.embedding import see
from analogen.relsim.encoder import RelationalEncoder
from analogen.relsim.gallery.path_patterns import path_pattern
from analogen.relsim.gallery.store import Gallery, Loaded, Vectors

# How many times more rows than asked for are looked at again where looks count too.
AGAIN = 20
UNLIKE = 0.5


@dataclass(frozen=True)
class Query:
    """relation: (384,) unit vector; looks: (references, dim) whose nearest counts, or None.

    unlike: how much of the likeness of looks is taken off the likeness of logic; 0 leaves looks out.
    alike: share of the likeness of looks in the score, [0, 1]; what is left is the share of logic.
    """

    relation: Vectors
    looks: Vectors | None = None
    unlike: float = 0.0
    alike: float = 0.0


@dataclass(frozen=True)
class Filters:
    """What rows must be like. path: a pattern such as "*/2024/*.jpg"; aspect: landscape, portrait or square."""

    path: str | None = None
    min_width: int = 0
    min_height: int = 0
    aspect: str | None = None
    newer_than_days: float | None = None

    def sql(self) -> str | None:
        """The same as a condition for the table."""
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
        """(n,) of the rows that may be found, None for all."""
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
class Found:
    """One row that was found. score: what the order follows; relation, attribute: cosines, the latter if asked."""

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
    alike: float = 0.0,
) -> Query:
    """What to look for: pictures, words or both, away from others.

    weight: of the pictures where there are words too, [0, 1]. Half of the mean of the negatives is taken off.
    alike: share of the pictures' looks in the score, [0, 1]. Raises ValueError if nothing is asked for.
    """
    if not references and not words:
        raise ValueError("nothing says what to look for: give --reference, --relation or both")
    if unlike_looks and not references:
        raise ValueError("--unlike-looks needs the looks of a picture: give --reference")
    if alike and not references:
        raise ValueError("words alone have no looks: give a picture as well, or ask for the same logic only")
    parts: list[Vectors] = []
    looks = None
    if references:
        seen = see(encoder, references)
        looks = np.stack([one.attributes for one in seen])
        parts.append((weight if words else 1.0) * _unit(np.mean([one.relation for one in seen], axis=0)))
    if words:
        parts.append((1 - weight if references else 1.0) * _unit(encoder.embed_text(words).mean(axis=0)))
    away: list[Vectors] = []
    if negatives:
        away.append(encoder.embed(negatives))
    if negative_words:
        away.append(encoder.embed_text(negative_words))
    wanted = np.sum(parts, axis=0)
    if away:
        wanted = wanted - 0.5 * _unit(np.concatenate(away).mean(axis=0))
    return Query(_unit(wanted), looks, UNLIKE if unlike_looks else 0.0, alike)


class Searcher:
    """A gallery held in memory for many searches, all of them exact: every row is compared in full precision, which
    for a million of them is one pass through the memory that they fill."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def search(self, query: Query, top_k: int = 10, filters: Filters | None = None) -> list[Found]:
        """The best rows, best first; at most `top_k`. With `unlike` the order is of relation less looks, with `alike`
        of their weighed sum."""
        count = len(self.loaded)
        if count == 0 or top_k < 1:
            return []
        # NumPy's product of a matrix and a vector is twice as fast as torch's here, whose topk is the faster one.
        scores = torch.from_numpy(self.loaded.relation @ query.relation)
        mask = filters.mask(self.loaded.rows) if filters else None
        if mask is not None:
            scores.masked_fill_(~torch.from_numpy(mask), -2.0)
        # Where looks count too, many of the nearest have to be looked at.
        wide = max(AGAIN * top_k, 2000) if query.unlike else top_k
        if query.alike:  # the rows nearest in looks may be anywhere
            wide = count
        nearest = scores.topk(min(count, wide)).indices
        nearest = nearest[scores[nearest] > -1.5]
        exact, rows = scores[nearest].numpy(), nearest.numpy()
        attributes = None if query.looks is None else (self.loaded.attributes[rows] @ query.looks.T).max(axis=1)
        total = exact
        if attributes is not None:
            total = (1 - query.alike) * exact + (query.alike - query.unlike) * attributes
        order = np.argsort(-total, kind="stable")[:top_k]
        paths, ids = self.loaded.rows["path"], self.loaded.row_ids
        return [
            Found(
                str(paths[rows[i]]), float(total[i]), float(exact[i]),
                None if attributes is None else float(attributes[i]), int(ids[rows[i]]),
            )
            for i in order
        ]  # fmt: skip


def search(gallery: Gallery, query: Query, top_k: int = 10, filters: Filters | None = None) -> list[Found]:
    """One search of a gallery, by its index if it has one."""
    if gallery.about.index is None or query.alike:  # the index knows relations only
        return Searcher(gallery.load()).search(query, top_k, filters)
    from analogen.relsim.gallery.ann import search_index

    return search_index(gallery, query, top_k, filters)


def _unit(vector: NDArray[Any]) -> Vectors:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
