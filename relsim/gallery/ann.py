"""Approximate nearest-neighbour index for large galleries.

`build` measures recall@10 of its index against exact search, with wider and wider settings, until it reaches RECALL.
LanceDB's own defaults find a sixth of the ten nearest at this dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.gallery.search import RERANK_FACTOR, Filters, Query, SearchResult
from analogen.relsim.gallery.store import Gallery, Vectors

MIN_ROWS = 4096  # fewer are searched faster without
RECALL = 0.95
QUERIES = 100
ITERATIONS = 50  # of k-means
# Partitions that are searched, and how many times more rows than wanted are compared again in full precision.
SEARCH_SETTINGS = ((4, 4), (8, 4), (16, 8), (32, 8), (64, 16), (128, 16), (256, 32))


def build(gallery: Gallery, log: Callable[[str], None] = lambda text: None, queries: int = QUERIES) -> dict[str, Any]:
    """Builds the index and chooses its search settings. Returns what `GalleryInfo.index` then holds: nprobes, refine,
    recall, rows. Raises ValueError for a gallery that is too small for an index, or if RECALL is not reached."""
    rows = len(gallery)
    if rows < MIN_ROWS:
        raise ValueError(
            f"{gallery.uri}: holds {rows} pictures, and below {MIN_ROWS} an index slows searches: leave it"
        )
    # Partitions of a few thousand rows; four dimensions a byte, whose errors the full vectors mend.
    partitions = max(16, min(4096, rows // 4096))
    from lancedb.index import IvfPq

    gallery.table.create_index(
        "relation",
        config=IvfPq(
            distance_type="cosine",
            num_partitions=partitions,
            num_sub_vectors=gallery.about.relation_dim // 4,
            max_iterations=ITERATIONS,
        ),
        replace=True,
    )
    sample = _sample(gallery, queries)
    exact = [_nearest(gallery, vector, None) for vector in sample]
    found: dict[str, Any] = {}
    for nprobes, refine in SEARCH_SETTINGS:
        if nprobes > 2 * partitions and found:
            break
        hits = [len(truth & _nearest(gallery, v, (nprobes, refine))) for v, truth in zip(sample, exact, strict=True)]
        recall = float(np.sum(hits)) / sum(len(truth) for truth in exact)
        log(f"recall@10 {recall:.3f} with nprobes {nprobes}, refine {refine}")
        found = {"nprobes": nprobes, "refine": refine, "recall": round(recall, 4), "rows": rows}
        if recall >= RECALL:
            gallery.save_index_settings(found)
            return found
    raise ValueError(
        f"{gallery.uri}: the index finds {found['recall']:.0%} of the ten nearest, expected {RECALL:.0%}: searches "
        "stay exact"
    )


def search_index(gallery: Gallery, query: Query, top_k: int, filters: Filters | None = None) -> list[SearchResult]:
    """Like `Searcher.search`, with the index; rows added since it was built are compared one by one."""
    settings = gallery.about.index
    assert settings is not None, "the gallery has an index"
    wide = max(RERANK_FACTOR * top_k, 2000) if query.attribute_penalty else top_k
    columns = ["path", "relation", *(["attributes"] if query.attributes is not None else [])]
    asked = (
        gallery.table.search(query.relation, vector_column_name="relation")
        .distance_type("cosine")
        .nprobes(settings["nprobes"])
        .refine_factor(settings["refine"])
        .select([*columns, "_distance"])
        .with_row_id(True)
        .limit(wide)
    )
    condition = filters.sql() if filters else None
    if condition is not None:
        asked = asked.where(condition, prefilter=True)
    rows = asked.to_arrow()
    if rows.num_rows == 0:
        return []
    relation = _matrix(rows, "relation") @ query.relation
    looks = None if query.attributes is None else (_matrix(rows, "attributes") @ query.attributes.T).max(axis=1)
    total = relation if looks is None or not query.attribute_penalty else relation - query.attribute_penalty * looks
    order = np.argsort(-total, kind="stable")[:top_k]
    paths, ids = rows["path"].to_pylist(), rows["_rowid"].to_pylist()
    return [
        SearchResult(
            paths[i], float(total[i]), float(relation[i]), None if looks is None else float(looks[i]), int(ids[i])
        )
        for i in order
    ]


def _sample(gallery: Gallery, count: int) -> Vectors:
    """Query vectors: relations of evenly spaced rows with a little noise, because a query equals no picture exactly."""
    rng = np.random.default_rng(0)
    every = max(1, len(gallery) // count)
    rows = gallery.table.take_offsets([n * every for n in range(count)]).select(["relation"]).to_arrow()
    vectors = _matrix(rows, "relation")
    shaken = vectors + rng.normal(0, 0.3 / vectors.shape[1] ** 0.5, vectors.shape)
    return (shaken / np.linalg.norm(shaken, axis=1, keepdims=True)).astype(np.float32)


def _nearest(gallery: Gallery, vector: NDArray[np.float32], settings: tuple[int, int] | None) -> set[int]:
    """Row ids of the ten nearest, by the index with these settings, or exactly for None."""
    asked = gallery.table.search(vector, vector_column_name="relation").distance_type("cosine")
    asked = asked.bypass_vector_index() if settings is None else asked.nprobes(settings[0]).refine_factor(settings[1])
    found = asked.select(["width", "_distance"]).with_row_id(True).limit(10).to_arrow()
    return set(found["_rowid"].to_pylist())


def _matrix(rows: Any, name: str) -> Vectors:
    """(n, dim) of a column of vectors."""
    flat = rows[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    matrix: Vectors = flat.reshape(rows.num_rows, -1)
    return matrix
