"""Tests of the approximate index: its recall is measured, and an index with low recall is not used."""

from __future__ import annotations

import numpy as np
import pytest
from gallery_rows import DIM, LOOKS, entries, exhaustive_search, unit

from analogen.relsim.gallery import ann
from analogen.relsim.gallery.search import Filters, Query, search
from analogen.relsim.gallery.store import Gallery, GalleryInfo


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    made = Gallery.create(tmp_path_factory.mktemp("large") / "gallery", GalleryInfo("mini", DIM, LOOKS))
    made.upsert(entries(6000, 3, 300, 0.6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ann, "ITERATIONS", 12)  # a worse start, which the tuning has to compensate
        ann.build(made, queries=40)
    return made


def test_index_reaches_the_recall_that_it_reports(large: Gallery) -> None:
    index = Gallery.open(large.uri).about.index
    assert index is not None
    assert index["recall"] >= ann.RECALL
    loaded = large.load()
    rng = np.random.default_rng(8)
    hits = 0
    for row in rng.integers(6000, size=30):
        query = Query(unit(loaded.relation[row] + 0.2 * rng.normal(size=DIM) / DIM**0.5))
        hits += len(set(exhaustive_search(loaded, query, 10)) & {one.path for one in search(large, query, 10)})
    assert hits / 300 >= 0.9


def test_rows_added_after_the_index_are_found_and_filtered(large: Gallery) -> None:
    (late,) = entries(1, 77, 300, 0.6)
    late = late._replace(path="/late/one.png", width=999)
    large.upsert([late])
    try:
        assert search(large, Query(late.relation), 1)[0].path == "/late/one.png"
        found = search(large, Query(late.relation, late.attributes[None], 0.5), 5, Filters(min_width=900))
        assert [one.path for one in found] == ["/late/one.png"]
        assert found[0].attribute == pytest.approx(1.0, abs=1e-5)
    finally:
        large.remove(["/late/one.png"])


def test_small_gallery_needs_no_index(gallery: Gallery) -> None:
    with pytest.raises(ValueError, match="below 4096 an index slows searches"):
        ann.build(gallery)


def test_index_with_low_recall_is_not_used(large: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    before = large.about
    monkeypatch.setattr(ann, "RECALL", 1.01)
    monkeypatch.setattr(ann, "SEARCH_SETTINGS", ((1, 1),))
    monkeypatch.setattr(type(large.table), "create_index", lambda *_, **__: None)  # the existing index is used
    with pytest.raises(ValueError, match="expected 101%: searches stay exact"):
        ann.build(large, queries=20)
    assert large.about == before
