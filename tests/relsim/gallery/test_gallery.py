"""Promises of the gallery: nothing twice, nothing lost, the exact answer, and other people's file names harmless."""

from __future__ import annotations

import html.parser
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analogen.cli import main
from analogen.relsim.encoder import load_encoder
from analogen.relsim.gallery import ann, indexing
from analogen.relsim.gallery.groups import find_groups
from analogen.relsim.gallery.html_page import PageImage, write_page
from analogen.relsim.gallery.path_patterns import path_pattern
from analogen.relsim.gallery.search import Filters, Query, Searcher, make_query, search
from analogen.relsim.gallery.store import FORMAT, LOCK, Entry, Gallery, GalleryInfo, LoadedGallery
from analogen.relsim.mini.encoder import MiniEncoder

DIM, LOOKS = 384, 16


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def entries(count: int, seed: int = 0, kinds: int = 20, spread: float = 0.3, start: int = 0) -> list[Entry]:
    """Rows around a few centres, as pictures of a few logics lie."""
    rng = np.random.default_rng(seed)
    centres = unit(np.random.default_rng(99).normal(size=(kinds, DIM)))
    relation = unit(centres[rng.integers(kinds, size=count)] + spread * rng.normal(size=(count, DIM)) / DIM**0.5)
    looks = unit(rng.normal(size=(count, LOOKS)))
    return [
        Entry(f"/pictures/{n + start:06d}.png", f"{n:064d}", n, 10**18 + n, 100 + n % 300, 200, 0.0, relation[n],
              looks[n], b"jpeg")
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", GalleryInfo("mini", DIM, LOOKS))
    made.upsert(entries(500))
    return made


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder: Path) -> MiniEncoder:
    return MiniEncoder(tiny_encoder_folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in two folders, a text beside them, and one that is broken."""
    rng = np.random.default_rng(1)
    place = tmp_path / "pictures"
    (place / "inner").mkdir(parents=True)
    for number in range(12):
        pixels = rng.integers(0, 256, (40 + number, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / ("inner" if number % 2 else ".") / f"{number:02d}.png")
    (place / "notes.txt").write_text("no picture")
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    return place


def made(tmp_path: Path, encoder: MiniEncoder) -> Gallery:
    return Gallery.open_or_create(tmp_path / "g", indexing.gallery_info(encoder, "mini"))


# Adding


def test_only_what_is_new_or_changed_is_embedded(
    folder: Path, tmp_path: Path, encoder: MiniEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = made(tmp_path, encoder)
    told = indexing.add(gallery, [folder], encoder)
    assert (told.found, told.added, told.changed, told.unchanged) == (13, 12, 0, 0)
    assert [bad["path"] for bad in told.refused] == [str(folder / "broken.jpg")]
    seen: list[int] = []
    embed_images = indexing.embed_images
    monkeypatch.setattr(indexing, "embed_images", lambda e, images: seen.append(len(images)) or embed_images(e, images))
    os.utime(folder / "02.png", (1, 1))  # the same bytes at another time
    Image.new("RGB", (50, 50), "red").save(folder / "04.png")
    Image.new("RGB", (50, 50), "blue").save(folder / "new.png")
    told = indexing.add(gallery, [folder, folder / "inner"], encoder)
    assert (told.added, told.changed, told.unchanged) == (1, 1, 11)
    assert sum(seen) == 2
    assert len(gallery) == 13
    assert gallery.known()[str(folder / "02.png")].mtime_ns == 10**9
    before = Gallery.open(gallery.uri).load()
    expected = encoder.embed([folder / "04.png"])[0]
    row = list(before.rows["path"]).index(str(folder / "04.png"))
    assert before.relation[row] @ expected > 0.9999
    indexing.add(gallery, [folder], encoder)
    assert sum(seen) == 2


def test_large_photographs_are_decoded_smaller_and_lie_where_whole_ones_would(
    tmp_path: Path, encoder: MiniEncoder
) -> None:
    place = tmp_path / "photos"
    place.mkdir()
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((1800, 1200), Image.Resampling.BICUBIC).save(place / f"{seed}.jpg", quality=90)
    gallery = made(tmp_path, encoder)
    indexing.add(gallery, [place], encoder)
    rows = gallery.load()
    order = np.argsort(rows.rows["path"])
    assert set(zip(rows.rows["width"].tolist(), rows.rows["height"].tolist(), strict=True)) == {(1800, 1200)}
    whole = encoder.encode_all(sorted(place.glob("*.jpg")))
    assert (rows.relation[order] * whole.relation).sum(1).min() > 0.998
    assert (rows.attributes[order] * whole.attributes).sum(1).min() > 0.998


def test_killed_while_adding_it_goes_on_where_it_was(folder: Path, tmp_path: Path, encoder: MiniEncoder) -> None:
    """A real kill -9 between two commits."""
    code = """
import os, sys
from pathlib import Path
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.gallery import indexing
from analogen.relsim.gallery.store import Gallery
weights, pictures, gallery = sys.argv[1:]
indexing.BATCH = 4
encoder = MiniEncoder(weights)
table = Gallery.open_or_create(gallery, indexing.gallery_info(encoder, "mini"))
def stop(done):
    if done >= 4:
        os.kill(os.getpid(), 9)
with table.write_lock():
    indexing.add(table, [Path(pictures)], encoder, commit=4, on_commit=stop)
"""
    command = [sys.executable, "-P", "-c", code, str(encoder.folder), str(folder), str(tmp_path / "g")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    gallery = Gallery.open(tmp_path / "g")
    kept = len(gallery)
    assert 0 < kept < 12
    with gallery.write_lock():  # the dead one holds no lock
        told = indexing.add(gallery, [folder], encoder)
    assert (told.added, told.unchanged) == (12 - kept, kept)
    paths = list(gallery.load().rows["path"])
    assert len(paths) == len(set(paths)) == 12


def test_second_writer_is_told_to_wait(gallery: Gallery) -> None:
    code = (
        "import sys; from filelock import FileLock; a = FileLock(sys.argv[1]); a.acquire(); print(flush=True); input()"
    )
    lock = str(Path(gallery.uri) / LOCK)
    with subprocess.Popen(
        [sys.executable, "-P", "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ValueError, match="another process is writing to it: wait until that one is done"):
            gallery.write_lock().__enter__()
        assert len(gallery) == 500  # readers go on
        other.communicate(b"\n")
    with gallery.write_lock():
        pass


def test_hidden_files_links_to_nowhere_and_doubles_are_left_out(folder: Path) -> None:
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "dead.png").symlink_to(folder / "gone.png")
    found = list(indexing.find_files([folder, folder]))
    assert len(found) == 13
    assert found == sorted(found, key=lambda path: (path.parent != folder, path.name))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        list(indexing.find_files([folder / "gone"]))
    with pytest.raises(ValueError, match="is a file: name the folder"):
        list(indexing.find_files([folder / "notes.txt"]))


# Searching


def slow(loaded: LoadedGallery, query: Query, top_k: int) -> list[str]:
    scores = loaded.relation.astype(np.float64) @ query.relation.astype(np.float64)
    if query.attribute_penalty:
        assert query.attributes is not None
        scores = scores - query.attribute_penalty * (loaded.attributes @ query.attributes.T).max(axis=1)
    return [str(loaded.rows["path"][i]) for i in np.argsort(-scores, kind="stable")[:top_k]]


def test_search_gives_what_comparing_all_rows_gives(gallery: Gallery) -> None:
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
            assert [one.path for one in searcher.search(query, 10)] == slow(loaded, query, 10)
    assert searcher.search(Query(unit(rng.normal(size=DIM))), 0) == []
    assert len(searcher.search(Query(unit(rng.normal(size=DIM))), 10**6)) == 500


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([None, "*7.png", "/pictures/0000??.png", "*", "*/[x]*", "nothing"]),
    min_width=st.integers(0, 450),
    min_height=st.sampled_from([0, 200, 201]),
    aspect=st.sampled_from([None, "landscape", "portrait", "square"]),
)
def test_filters_mean_the_same_for_rows_and_for_the_table(gallery: Gallery, **chosen: Any) -> None:
    filters = Filters(**chosen)
    loaded = gallery.load()
    mask = filters.mask(loaded.rows)
    kept = set(loaded.rows["path"] if mask is None else loaded.rows["path"][mask])
    asked = gallery.table.search().select(["path"])
    condition = filters.sql()
    found = (asked if condition is None else asked.where(condition)).to_arrow()["path"].to_pylist()
    assert set(found) == kept
    answers = Searcher(loaded).search(Query(loaded.relation[0]), 500, filters)
    assert {one.path for one in answers} == kept


def test_newer_files_alone_can_be_asked_for(gallery: Gallery) -> None:
    recent = [one._replace(path=f"/new/{n}.png", mtime_ns=time.time_ns()) for n, one in enumerate(entries(3, 4))]
    gallery.upsert(recent)
    found = search(gallery, Query(recent[0].relation), 100, Filters(newer_than_days=2))
    assert {one.path for one in found} == {"/new/0.png", "/new/1.png", "/new/2.png"}


@given(st.text(alphabet="ab/.*?[](){}+|^$\\#&~- '\"", max_size=12), st.text(alphabet="ab/.[](){}+^$ ", max_size=12))
@settings(max_examples=200, deadline=None)
def test_patterns_know_only_star_and_question_mark(glob: str, path: str) -> None:
    import re

    def matches(glob: str, path: str) -> bool:
        if not glob:
            return not path
        if glob[0] == "*":
            return any(matches(glob[1:], path[n:]) for n in range(len(path) + 1))
        return bool(path) and glob[0] in ("?", path[0]) and matches(glob[1:], path[1:])

    assert bool(re.match(path_pattern(glob), path)) == matches(glob, path)


def test_words_pictures_and_negatives_share_one_space(encoder: MiniEncoder, picture: Path) -> None:
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


def test_unlike_looks_puts_the_same_logic_with_other_looks_first() -> None:
    relation = unit(np.ones((1, DIM)))
    rows = {"path": np.array(["same looks", "other looks", "other logic"])}
    looks = np.eye(3, LOOKS, dtype=np.float32)
    relations = np.concatenate([relation, unit(relation + 0.1 * np.eye(1, DIM)), unit(np.eye(1, DIM))])
    loaded = LoadedGallery(relations.astype(np.float32), looks, rows, np.arange(3, dtype=np.uint64))
    query = Query(relation[0], looks[:1], 0.5)
    assert [one.path for one in Searcher(loaded).search(query)] == ["other looks", "same looks", "other logic"]


# The index


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    made = Gallery.create(tmp_path_factory.mktemp("large") / "gallery", GalleryInfo("mini", DIM, LOOKS))
    made.upsert(entries(6000, 3, 300, 0.6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ann, "ITERATIONS", 12)  # a worse start, which the tuning has to make up for
        ann.build(made, queries=40)
    return made


def test_index_keeps_its_recall_and_says_so(large: Gallery) -> None:
    index = Gallery.open(large.uri).about.index
    assert index is not None
    assert index["recall"] >= ann.RECALL
    loaded = large.load()
    rng = np.random.default_rng(8)
    hits = 0
    for row in rng.integers(6000, size=30):
        query = Query(unit(loaded.relation[row] + 0.2 * rng.normal(size=DIM) / DIM**0.5))
        hits += len(set(slow(loaded, query, 10)) & {one.path for one in search(large, query, 10)})
    assert hits / 300 >= 0.9


def test_rows_added_after_the_index_are_found_and_filters_hold(large: Gallery) -> None:
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


def test_index_that_finds_too_little_is_not_used(large: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    before = large.about
    monkeypatch.setattr(ann, "RECALL", 1.01)
    monkeypatch.setattr(ann, "SEARCH_SETTINGS", ((1, 1),))
    monkeypatch.setattr(type(large.table), "create_index", lambda *_, **__: None)  # the one that is there will do
    with pytest.raises(ValueError, match="expected 101%: searches stay exact"):
        ann.build(large, queries=20)
    assert large.about == before


# Groups


def test_groups_are_the_logics_that_were_put_in() -> None:
    made = entries(2000, 2, kinds=25, spread=0.25)
    relation, looks = np.stack([one.relation for one in made]), np.stack([one.attributes for one in made])
    loaded = LoadedGallery(
        relation, looks, {"path": np.array([one.path for one in made])}, np.arange(2000, dtype=np.uint64)
    )
    centres = unit(np.random.default_rng(99).normal(size=(25, DIM)))
    truth = (relation @ centres.T).argmax(1)
    found = find_groups(loaded, threshold=0.9)
    assert len(found) == 25
    for group in found:
        assert len(set(truth[group.rows])) == 1
        assert group.centre @ relation[group.rows[0]] >= group.relation_similarity - 1e-6
    assert sum(len(group.rows) for group in found) > 1950
    sizes = [len(group.rows) for group in found]
    assert sizes == sorted(sizes, reverse=True)
    everything = np.concatenate([group.rows for group in found])
    assert len(everything) == len(set(everything.tolist()))


def test_lonely_pictures_are_in_no_group() -> None:
    relation = unit(np.random.default_rng(0).normal(size=(200, DIM)))
    loaded = LoadedGallery(relation, relation, {"path": np.arange(200).astype(str)}, np.arange(200, dtype=np.uint64))
    assert find_groups(loaded) == []
    with pytest.raises(ValueError, match="expected a cosine between 0 and 1"):
        find_groups(loaded, threshold=1.5)


# The command line, with the shipped encoder


def run(*arguments: str | Path) -> int:
    return main(["gallery", *map(str, arguments)])


@pytest.fixture
def filled(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run("add", folder, "--gallery", tmp_path / "g") == 2
    capsys.readouterr()
    return tmp_path / "g"


def test_everyday_commands(filled: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", folder, "--gallery", filled, "--format", "json") == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["unchanged"], told["rows"], len(told["refused"])) == (12, 12, 1)
    assert "broken.jpg" in told["refused"][0]["reason"]

    page = tmp_path / "page.html"
    asked = ("--reference", folder / "02.png", "--gallery", filled, "--top-k", 3)
    assert run("search", *asked, "--html", page, "--format", "json") == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert results[0]["path"] == str(folder / "02.png")
    assert results[0]["score"] > 0.99
    assert len(results) == 3
    assert page.read_text().count("<figure>") == 4
    assert run("search", "--relation", "{subject} in a ring", "--negative", folder / "02.png", "--gallery", filled) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10

    assert run("info", "--gallery", filled, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 12
    for suffix in ("jsonl", "npz", "parquet"):
        assert run("export", tmp_path / f"rows.{suffix}", "--gallery", filled) == 0
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    with np.load(tmp_path / "rows.npz") as arrays:
        assert list(arrays["path"]) == [line["path"] for line in lines]
        assert arrays["relation"].shape == (12, 384)
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 12

    (folder / "00.png").unlink()
    assert run("info", "--gallery", filled) == 0
    assert "1 of them gone" in capsys.readouterr().out
    assert run("remove", "--gone", "--gallery", filled) == 0
    assert run("remove", folder / "inner", "--gallery", filled, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"gallery": str(filled), "removed": 6, "rows": 5}
    assert run("groups", "--gallery", filled, "--threshold", "0.1", "--html", page, "--format", "json") == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert groups[0]["size"] == 5
    assert "{subject}" in groups[0]["caption"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "--gallery", "G"), "the query is empty"),
        (("search", "--relation", "x", "--gallery", "gone"), "holds no gallery"),
        (("search", "--relation", " ", "--gallery", "G"), "expected 1 to 1000"),
        (("search", "--relation", "x", "--gallery", "G", "--top-k", "0"), "--top-k is 0"),
        (("search", "--relation", "x", "--gallery", "G", "--weight", "2"), "--weight is 2.0"),
        (("search", "--relation", "x", "--unlike-looks", "--gallery", "G"), "needs the looks of a picture"),
        (("add", "empty", "--gallery", "G"), "holds no pictures"),
        (("add", "pictures", "--gallery", "G", "--encoder", "gone"), "unknown encoder 'gone'"),
        (("remove", "--gallery", "G"), "nothing to remove was named"),
        (("export", "rows.txt", "--gallery", "G"), "ends in .jsonl, .npz or .parquet"),
        (("groups", "--gallery", "G", "--threshold", "7"), "expected a cosine between 0 and 1"),
        (("index", "--gallery", "G"), "below 4096 an index slows searches"),
        (("info", "--gallery", "pictures"), "holds no gallery"),
        (("add", "pictures", "--gallery", "pictures"), "is a folder with other things in it"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: tuple[str, ...],
    message: str,
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(*(str(filled) if one == "G" else one for one in arguments)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("analogen: ")
    assert message in line


def test_gallery_of_another_encoder_or_of_a_newer_version_is_refused(
    filled: Path, tmp_path: Path, tiny_encoder_folder: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", folder, "--gallery", filled, "--encoder", tiny_encoder_folder) == 2
    assert "is a gallery of the encoder 'mini'" in capsys.readouterr().err
    old = tmp_path / "old"
    Gallery.create(old, GalleryInfo("mini", DIM, 112, "0123"))
    assert run("search", "--relation", "x", "--gallery", old) == 2
    assert "was made with other weights of the encoder 'mini'" in capsys.readouterr().err
    Gallery.create(tmp_path / "newer", GalleryInfo("mini", DIM, 112, format=FORMAT + 1))
    assert run("info", "--gallery", tmp_path / "newer") == 2
    assert f"is a gallery of format {FORMAT + 1}, this version reads up to {FORMAT}" in capsys.readouterr().err


def test_help_is_given_without_the_table_library() -> None:
    code = """
import sys
from analogen.cli import main
for name in ("add", "search", "groups"):
    assert main(["gallery", name, "--help"]) == 0
assert not {"torch", "lancedb", "pyarrow"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True)


def test_missing_library_is_asked_for_by_its_extra(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["lancedb"] = None
from analogen.cli import main
sys.exit(main(["gallery", "info", "--gallery", sys.argv[1]]))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'pip install "analogen[gallery]"' in done.stderr


def test_hostile_names_stay_text_on_the_page(encoder: MiniEncoder, tmp_path: Path) -> None:
    place = tmp_path / "odd"
    place.mkdir()
    names = ["<script>alert(1)<", 'it\'s "quoted" & more', "a\nb", "% _ ' ; DROP TABLE pictures; --"]
    for name in names:
        Image.new("RGB", (70, 70), "navy").save(place / f"{name.replace('/', '')}.png")
    gallery = made(tmp_path, encoder)
    assert indexing.add(gallery, [place], encoder).added == 4
    assert indexing.add(gallery, [place], encoder).unchanged == 4
    loaded = gallery.load()
    page = write_page("<b>", "&", [], [("<i>", [PageImage(b"", str(path), "<u>") for path in loaded.rows["path"]])])

    class Tags(html.parser.HTMLParser):
        found: set[str] = set()  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.found.add(tag)

    Tags().feed(page)
    assert not Tags.found & {"script", "b2", "i2", "u"}
    assert "&lt;script&gt;alert(1)&lt;" in page
    assert gallery.remove([str(path) for path in loaded.rows["path"]]) == 4
    assert len(gallery) == 0


def test_gallery_can_be_copied_as_a_folder(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "copy")
    assert len(Gallery.open(tmp_path / "copy")) == 12
    assert load_encoder("mini") is not None
