"""Searches of a gallery in a warm process, exact and by index, beside plain NumPy in the same run.

python benchmarks/gallery_search.py [--rows 100000 1000000] [--queries 50] [--indexed]

Vectors as mini's lie: embeddings of drawings of the relational world, each many times over with noise.
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

NOISE = 0.35  # of a row, in lengths of a vector: cosines of about .94 to the picture that it is made of


def vectors(rows: int, kinds: np.ndarray, seed: int) -> np.ndarray:
    """(rows, 384) unit vectors around the given ones."""
    rng = np.random.default_rng(seed)
    found = np.empty((rows, kinds.shape[1]), np.float32)
    for start in range(0, rows, 65536):
        block = kinds[rng.integers(len(kinds), size=min(65536, rows - start))]
        noise = rng.standard_normal(block.shape, np.float32)
        block = block + NOISE * noise / kinds.shape[1] ** 0.5
        found[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return found


def loaded(relation: np.ndarray) -> LoadedGallery:
    rows = {"path": np.arange(len(relation))}
    return LoadedGallery(
        relation, np.zeros((len(relation), 1), np.float32), rows, np.arange(len(relation), dtype=np.uint64)
    )


def numpy_search(relation: np.ndarray, query: np.ndarray, top_k: int) -> np.ndarray:
    scores = relation @ query
    nearest = np.argpartition(-scores, top_k)[:top_k]
    return nearest[np.argsort(-scores[nearest])]


def milliseconds(run: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    run(queries[0])
    found = []
    for query in queries:
        started = time.perf_counter()
        run(query)
        found.append(time.perf_counter() - started)
    return statistics.median(found) * 1000


def measure(rows: int = 100_000, queries: int = 50) -> list[Row]:
    """Seconds of one exact search among `rows`, beside plain NumPy in float32."""
    with tempfile.TemporaryDirectory() as made:
        write_samples(Path(made), count=min(200, rows), size=224, seed=1)
        kinds = load_mini().embed(sorted(Path(made).glob("*.png")))
    relation, asked = vectors(rows, kinds, 1), vectors(queries, kinds, 2)
    searcher = Searcher(loaded(relation))
    plain = milliseconds(lambda query: numpy_search(relation, query, 10), asked) / 1000
    exact = milliseconds(lambda query: searcher.search(Query(query), 10), asked) / 1000
    return [Row(f"search among {rows}, exact, top 10", exact, "NumPy, float32", plain)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--indexed", action="store_true", help="Also write the table, build the index and ask it.")
    given = parser.parse_args()
    print(describe("torch", "numpy", "lancedb"), f"{torch.get_num_threads()} threads", sep=", ")
    with tempfile.TemporaryDirectory() as made:
        write_samples(Path(made) / "world", count=1000, size=128, seed=9)
        kinds = load_mini().embed(sorted((Path(made) / "world").glob("*.png")))
        for rows in given.rows:
            relation = vectors(rows, kinds, 1)
            queries = vectors(given.queries, kinds, 2)
            searcher = Searcher(loaded(relation))
            plain = milliseconds(lambda q, r=relation: numpy_search(r, q, 10), queries)
            exact = milliseconds(lambda q, s=searcher: s.search(Query(q), 10), queries)
            same = np.mean(
                [
                    len(set(numpy_search(relation, q, 10)) & {int(one.path) for one in searcher.search(Query(q), 10)})
                    for q in queries
                ]
            )
            print(f"{rows} rows, top 10, median of {given.queries}")
            print(f"  {'NumPy, float32':<24}{plain:8.2f} ms")
            ratio = plain / exact
            print(f"  {'gallery, exact':<24}{exact:8.2f} ms  {ratio:5.2f} times as fast, recall@10 {same / 10:.3f}")
            if given.indexed:
                del searcher
                _indexed(Path(made) / f"g{rows}", relation, queries, plain)


def _indexed(folder: Path, relation: np.ndarray, queries: np.ndarray, plain: float) -> None:
    gallery = Gallery.create(folder, GalleryInfo("mini", relation.shape[1], 1))
    none = np.ones(1, np.float32)
    for start in range(0, len(relation), 50_000):
        rows = enumerate(relation[start : start + 50_000], start)
        gallery.upsert([Entry(f"{n}.png", "", 0, 0, 1, 1, 0.0, vector, none, b"") for n, vector in rows])
    gallery.compact()
    started = time.perf_counter()
    index = ann.build(gallery)
    seconds = time.perf_counter() - started
    asked = milliseconds(lambda q: ann.search_index(gallery, Query(q), 10), queries)
    ratio, recall = plain / asked, index["recall"]
    print(f"  {'gallery, by index':<24}{asked:8.2f} ms  {ratio:5.2f} times as fast, recall@10 {recall:.3f}")
    print(f"  index built and measured in {seconds:.0f} s")


if __name__ == "__main__":
    main()
