"""An index for galleries that are too large to be looked at as a whole for one search.

`build` measures what it built: recall@10 against the exact answer, for ever wider settings, until it reaches RECALL.
LanceDB's own defaults find a sixth of the ten nearest at this dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.gallery.search import AGAIN, Filters, Found, Query
from analogen.relsim.gallery.store import Gallery, Vectors

MIN_ROWS = 4096  # fewer are searched faster without
RECALL = 0.95
QUERIES = 100
ITERATIONS = 50  # of k-means
# Partitions asked, and how many times more rows than wanted are compared once more in full precision.
WAYS = ((4, 4), (8, 4), (16, 8), (32, 8), (64, 16), (128, 16), (256, 32))


def build(gallery: Gallery, say: Callable[[str], None] = lambda text: None, queries: int = QUERIES) -> dict[str, Any]:
    """Build the index and find out how it has to be asked. Returns what `About.index` then holds: nprobes, refine,
    recall. Raises ValueError for a gallery that needs none, or if RECALL is not reached."""
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
    asked = _sample(gallery, queries)
    exact = [_nearest(gallery, vector, None) for vector in asked]
    found: dict[str, Any] = {}
    for nprobes, refine in WAYS:
        if nprobes > 2 * partitions and found:
            break
        hits = [len(truth & _nearest(gallery, v, (nprobes, refine))) for v, truth in zip(asked, exact, strict=True)]
        recall = float(np.sum(hits)) / sum(len(truth) for truth in exact)
        say(f"recall@10 {recall:.3f} with nprobes {nprobes}, refine {refine}")
        found = {"nprobes": nprobes, "refine": refine, "recall": round(recall, 4), "rows": rows}
        if recall >= RECALL:
            gallery.remember_index(found)
            return found
    raise ValueError(
        f"{gallery.uri}: the index finds {found['recall']:.0%} of the ten nearest, expected {RECALL:.0%}: searches "
        "stay exact"
    )


def search_index(gallery: Gallery, query: Query, top_k: int, filters: Filters | None = None) -> list[Found]:
    """As `Searcher.search`, by the index; rows added since it was built are looked at one by one."""
    settings = gallery.about.index
    assert settings is not None, "the gallery has an index"
    wide = max(AGAIN * top_k, 2000) if query.unlike else top_k
    columns = ["path", "relation", *(["attributes"] if query.looks is not None else [])]
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
    looks = None if query.looks is None else (_matrix(rows, "attributes") @ query.looks.T).max(axis=1)
    total = relation if looks is None or not query.unlike else relation - query.unlike * looks
    order = np.argsort(-total, kind="stable")[:top_k]
    paths, ids = rows["path"].to_pylist(), rows["_rowid"].to_pylist()
    return [
        Found(paths[i], float(total[i]), float(relation[i]), None if looks is None else float(looks[i]), int(ids[i]))
        for i in order
    ]


def _sample(gallery: Gallery, count: int) -> Vectors:
    """Relations of rows here and there, a little shaken: a query is near pictures, and none of them."""
    rng = np.random.default_rng(0)
    every = max(1, len(gallery) // count)
    rows = gallery.table.take_offsets([n * every for n in range(count)]).select(["relation"]).to_arrow()
    vectors = _matrix(rows, "relation")
    shaken = vectors + rng.normal(0, 0.3 / vectors.shape[1] ** 0.5, vectors.shape)
    return (shaken / np.linalg.norm(shaken, axis=1, keepdims=True)).astype(np.float32)


def _nearest(gallery: Gallery, vector: NDArray[np.float32], way: tuple[int, int] | None) -> set[int]:
    """Row ids of the ten nearest, by the index asked in a way, or exactly."""
    asked = gallery.table.search(vector, vector_column_name="relation").distance_type("cosine")
    asked = asked.bypass_vector_index() if way is None else asked.nprobes(way[0]).refine_factor(way[1])
    found = asked.select(["width", "_distance"]).with_row_id(True).limit(10).to_arrow()
    return set(found["_rowid"].to_pylist())


def _matrix(rows: Any, name: str) -> Vectors:
    """(n, dim) of a column of vectors."""
    flat = rows[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    matrix: Vectors = flat.reshape(rows.num_rows, -1)
    return matrix
