"""Benchmark of gallery searches in a warm process, exact and by index, against NumPy in the same run.

python benchmarks/gallery_search.py [--rows 100000 1000000] [--queries 50] [--indexed]

The vectors are distributed like mini's: embeddings of drawings of the relational world, each repeated with noise.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from machine import describe
from table import Row

from analogen.relsim.encoder import load_mini
from analogen.relsim.gallery import ann
from analogen.relsim.gallery.search import Query, Searcher
from analogen.relsim.gallery.store import Entry, Gallery, GalleryInfo, LoadedGallery
from analogen.relsim.world.dataset import write_samples

NOISE = 0.35  # length of the noise, for unit vectors: cosines of about 0.94 to the original


def vectors(rows: int, kinds: np.ndarray, seed: int) -> np.ndarray:
    """(rows, 384) unit vectors near the rows of `kinds`."""
    rng = np.random.default_rng(seed)
    found = np.empty((rows, kinds.shape[1]), np.float32)
    for start in range(0, rows, 65536):
        block = kinds[rng.integers(len(kinds), size=min(65536, rows - start))]
        noise = rng.standard_normal(block.shape, np.float32)
        block = block + NOISE * noise / kinds.shape[1] ** 0.5
        found[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return found


def loaded_gallery(relation: np.ndarray) -> LoadedGallery:
    rows = {"path": np.arange(len(relation))}
    return LoadedGallery(
        relation, np.zeros((len(relation), 1), np.float32), rows, np.arange(len(relation), dtype=np.uint64)
    )


def numpy_search(relation: np.ndarray, query: np.ndarray, top_k: int) -> np.ndarray:
    scores = relation @ query
    nearest = np.argpartition(-scores, top_k)[:top_k]
    return nearest[np.argsort(-scores[nearest])]


def milliseconds(run: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    """The median time of a search, after one that is not counted."""
    run(queries[0])
    found = []
    for query in queries:
        started = time.perf_counter()
        run(query)
        found.append(time.perf_counter() - started)
    return statistics.median(found) * 1000


def measure(rows: int = 100_000, queries: int = 50) -> list[Row]:
    """One exact search among `rows` vectors against NumPy in float32."""
    with tempfile.TemporaryDirectory() as made:
        write_samples(Path(made), count=min(200, rows), size=224, seed=1)
        kinds = load_mini().embed(sorted(Path(made).glob("*.png")))
    relation, query_vectors = vectors(rows, kinds, 1), vectors(queries, kinds, 2)
    searcher = Searcher(loaded_gallery(relation))
    numpy_seconds = milliseconds(lambda query: numpy_search(relation, query, 10), query_vectors) / 1000
    exact_seconds = milliseconds(lambda query: searcher.search(Query(query), 10), query_vectors) / 1000
    return [Row(f"search among {rows}, exact, top 10", exact_seconds, "NumPy, float32", numpy_seconds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--indexed", action="store_true", help="also write the table, build the index and search it")
    options = parser.parse_args()
    print(describe("torch", "numpy", "lancedb"), f"{torch.get_num_threads()} threads", sep=", ")
    with tempfile.TemporaryDirectory() as made:
        write_samples(Path(made) / "world", count=1000, size=128, seed=9)
        kinds = load_mini().embed(sorted((Path(made) / "world").glob("*.png")))
        for rows in options.rows:
            relation = vectors(rows, kinds, 1)
            queries = vectors(options.queries, kinds, 2)
            searcher = Searcher(loaded_gallery(relation))
            numpy_ms = milliseconds(lambda q, r=relation: numpy_search(r, q, 10), queries)
            exact_ms = milliseconds(lambda q, s=searcher: s.search(Query(q), 10), queries)
            same = np.mean(
                [
                    len(set(numpy_search(relation, q, 10)) & {int(one.path) for one in searcher.search(Query(q), 10)})
                    for q in queries
                ]
            )
            print(f"{rows} rows, top 10, median of {options.queries}")
            print(f"  {'NumPy, float32':<24}{numpy_ms:8.2f} ms")
            ratio = numpy_ms / exact_ms
            print(f"  {'gallery, exact':<24}{exact_ms:8.2f} ms  {ratio:5.2f} times as fast, recall@10 {same / 10:.3f}")
            if options.indexed:
                del searcher
                _measure_index(Path(made) / f"g{rows}", relation, queries, numpy_ms)


def _measure_index(folder: Path, relation: np.ndarray, queries: np.ndarray, numpy_ms: float) -> None:
    gallery = Gallery.create(folder, GalleryInfo("mini", relation.shape[1], 1))
    none = np.ones(1, np.float32)
    for start in range(0, len(relation), 50_000):
        rows = enumerate(relation[start : start + 50_000], start)
        gallery.upsert([Entry(f"{n}.png", "", 0, 0, 1, 1, 0.0, vector, none, b"") for n, vector in rows])
    gallery.compact()
    started = time.perf_counter()
    index = ann.build(gallery)
    seconds = time.perf_counter() - started
    index_ms = milliseconds(lambda q: ann.search_index(gallery, Query(q), 10), queries)
    ratio, recall = numpy_ms / index_ms, index["recall"]
    print(f"  {'gallery, by index':<24}{index_ms:8.2f} ms  {ratio:5.2f} times as fast, recall@10 {recall:.3f}")
    print(f"  index built and measured in {seconds:.0f} s")


if __name__ == "__main__":
    main()
