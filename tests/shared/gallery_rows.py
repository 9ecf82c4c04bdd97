"""Galleries in tests: rows of random vectors, and a slow exact search."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analogen.relsim.gallery import indexing
from analogen.relsim.gallery.search import Query
from analogen.relsim.gallery.store import Entry, Gallery, LoadedGallery
from analogen.relsim.mini.encoder import MiniEncoder

DIM, LOOKS = 384, 16  # widths of relation and attribute vectors


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def entries(count: int, seed: int = 0, kinds: int = 20, spread: float = 0.3, start: int = 0) -> list[Entry]:
    """Rows around a few centres, like pictures of a few relations."""
    rng = np.random.default_rng(seed)
    centres = unit(np.random.default_rng(99).normal(size=(kinds, DIM)))
    relation = unit(centres[rng.integers(kinds, size=count)] + spread * rng.normal(size=(count, DIM)) / DIM**0.5)
    looks = unit(rng.normal(size=(count, LOOKS)))
    return [
        Entry(f"/pictures/{n + start:06d}.png", f"{n:064d}", n, 10**18 + n, 100 + n % 300, 200, 0.0, relation[n],
              looks[n], b"jpeg")
        for n in range(count)
    ]  # fmt: skip


def open_gallery(tmp_path: Path, encoder: MiniEncoder) -> Gallery:
    """A gallery in a folder, for an encoder."""
    return Gallery.open_or_create(tmp_path / "g", indexing.gallery_info(encoder, "mini"))


def exhaustive_search(loaded: LoadedGallery, query: Query, top_k: int) -> list[str]:
    """The paths of the best rows, by comparing all of them in float64."""
    scores = loaded.relation.astype(np.float64) @ query.relation.astype(np.float64)
    if query.attribute_penalty:
        assert query.attributes is not None
        scores = scores - query.attribute_penalty * (loaded.attributes @ query.attributes.T).max(axis=1)
    return [str(loaded.rows["path"][i]) for i in np.argsort(-scores, kind="stable")[:top_k]]
