"""Tests of exact searches: results of an exhaustive comparison, filters, patterns, queries of words and pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_rows import DIM, LOOKS, entries, exhaustive_search, unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analogen.relsim.gallery.path_patterns import path_pattern
from analogen.relsim.gallery.search import Filters, Query, Searcher, make_query, search
from analogen.relsim.gallery.store import Gallery, LoadedGallery
from analogen.relsim.mini.encoder import MiniEncoder


def test_search_equals_an_exhaustive_comparison(gallery: Gallery) -> None:
    loaded = gallery.load()
    searcher = Searcher(loaded)
    rng = np.random.default_rng(5)
    for _ in range(20):
        looks = unit(rng.normal(size=(2, LOOKS)))
        for query in (
            Query(unit(rng.normal(size=DIM))),
            Query(unit(rng.normal(size=DIM)), looks),
            Query(unit(rng.normal(size=DIM)), looks, 0.5),
        ):
            assert [one.path for one in searcher.search(query, 10)] == exhaustive_search(loaded, query, 10)
    assert searcher.search(Query(unit(rng.normal(size=DIM))), 0) == []
    assert len(searcher.search(Query(unit(rng.normal(size=DIM))), 10**6)) == 500


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([None, "*7.png", "/pictures/0000??.png", "*", "*/[x]*", "nothing"]),
    min_width=st.integers(0, 450),
    min_height=st.sampled_from([0, 200, 201]),
    aspect=st.sampled_from([None, "landscape", "portrait", "square"]),
)
def test_filters_select_the_same_rows_in_memory_and_in_the_table(gallery: Gallery, **chosen: Any) -> None:
    filters = Filters(**chosen)
    loaded = gallery.load()
    mask = filters.mask(loaded.rows)
    kept = set(loaded.rows["path"] if mask is None else loaded.rows["path"][mask])
    table_query = gallery.table.search().select(["path"])
    condition = filters.sql()
    found = (table_query if condition is None else table_query.where(condition)).to_arrow()["path"].to_pylist()
    assert set(found) == kept
    answers = Searcher(loaded).search(Query(loaded.relation[0]), 500, filters)
    assert {one.path for one in answers} == kept


def test_filter_for_newer_files(gallery: Gallery) -> None:
    recent = [one._replace(path=f"/new/{n}.png", mtime_ns=time.time_ns()) for n, one in enumerate(entries(3, 4))]
    gallery.upsert(recent)
    found = search(gallery, Query(recent[0].relation), 100, Filters(newer_than_days=2))
    assert {one.path for one in found} == {"/new/0.png", "/new/1.png", "/new/2.png"}


@given(st.text(alphabet="ab/.*?[](){}+|^$\\#&~- '\"", max_size=12), st.text(alphabet="ab/.[](){}+^$ ", max_size=12))
@settings(max_examples=200, deadline=None)
def test_path_patterns_have_only_star_and_question_mark(glob: str, path: str) -> None:
    import re

    def matches(glob: str, path: str) -> bool:
        if not glob:
            return not path
        if glob[0] == "*":
            return any(matches(glob[1:], path[n:]) for n in range(len(path) + 1))
        return bool(path) and glob[0] in ("?", path[0]) and matches(glob[1:], path[1:])

    assert bool(re.match(path_pattern(glob), path)) == matches(glob, path)


def test_queries_combine_words_pictures_and_negatives(encoder: MiniEncoder, picture: Path) -> None:
    with Image.open(picture) as image:
        shown = image.convert("RGB")
    words = ["many {subject} in a ring"]
    alone = make_query(encoder, [shown]).relation
    said = make_query(encoder, words=words).relation
    both = make_query(encoder, [shown], words, weight=0.25).relation
    assert np.allclose(both, unit(0.25 * alone + 0.75 * said), atol=1e-5)
    away = make_query(encoder, [shown], negative_words=words).relation
    assert away @ said < alone @ said
    assert make_query(encoder, [shown], unlike_looks=True).attribute_penalty > 0
    with pytest.raises(ValueError, match="needs the looks of a picture"):
        make_query(encoder, words=words, unlike_looks=True)
    with pytest.raises(ValueError, match="nothing says what to look for"):
        make_query(encoder)


def test_unlike_looks_ranks_the_same_relation_with_other_looks_first() -> None:
    relation = unit(np.ones((1, DIM)))
    rows = {"path": np.array(["same looks", "other looks", "other logic"])}
    looks = np.eye(3, LOOKS, dtype=np.float32)
    relations = np.concatenate([relation, unit(relation + 0.1 * np.eye(1, DIM)), unit(np.eye(1, DIM))])
    loaded = LoadedGallery(relations.astype(np.float32), looks, rows, np.arange(3, dtype=np.uint64))
    query = Query(relation[0], looks[:1], 0.5)
    assert [one.path for one in Searcher(loaded).search(query)] == ["other looks", "same looks", "other logic"]
