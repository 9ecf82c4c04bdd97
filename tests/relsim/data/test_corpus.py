"""Promises of the training corpus: rows matched with pictures, nothing bad ever handed out."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from analogen.relsim.data.corpus import Corpus, Example, read_rows
from analogen.relsim.world.dataset import write_groups, write_samples


def url_of(number: int) -> str:
    return f"https://example.org/{number}.jpg"


def save_picture(folder: Path, number: int, size: tuple[int, int] = (80, 72)) -> Path:
    """A picture named as the published data names it, by the md5 of its url."""
    values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path = folder / f"{hashlib.md5(url_of(number).encode()).hexdigest()}.png"
    Image.fromarray(values).save(path)
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four good pictures, one cut short, one too small, one that is a line; number 7 is missing."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        save_picture(folder, number)
    damaged = save_picture(folder, 4)
    damaged.write_bytes(damaged.read_bytes()[:200])
    save_picture(folder, 5, (40, 80))
    save_picture(folder, 6, (2000, 70))
    return folder


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    rows = [
        {"image_hash": "not-a-file", "caption": f"{{subject}} in a row of {n % 2}", "url_link": url_of(n)}
        for n in range(8)
    ]
    return write_jsonl(tmp_path / "captions.jsonl", rows)


def test_bad_pictures_are_left_out_counted_and_listed(captions: Path, images: Path) -> None:
    corpus = Corpus.build(captions, images)
    assert len(corpus) == 4
    assert corpus.report.counts == {"missing": 1, "damaged": 1, "tiny": 2}
    assert (corpus.report.rows, corpus.report.kept) == (8, 4)
    told = json.loads(json.dumps(corpus.report.to_json()))
    assert {row["kind"] for row in told["refused"]} == {"missing", "damaged", "tiny"}
    assert any(row["name"] == url_of(7) and "line 8" in row["reason"] for row in told["refused"])


def test_rows_keep_their_order_and_their_pictures(captions: Path, images: Path) -> None:
    corpus = Corpus.build(captions, images, workers=4)
    again = Corpus.build(captions, images, workers=1)
    assert corpus.entries == again.entries
    for number in range(4):
        example = corpus[number]
        assert isinstance(example, Example)
        expected = np.random.default_rng(number).integers(0, 256, (72, 80, 3), dtype=np.uint8)
        np.testing.assert_array_equal(np.asarray(example.picture), expected)


def test_same_caption_is_one_group(captions: Path, images: Path) -> None:
    corpus = Corpus.build(captions, images)
    assert corpus.groups.tolist() == [0, 1, 0, 1]
    assert corpus.members() == [[0, 2], [1, 3]]
    assert corpus.captions[0] == "{subject} in a row of 0"


def test_seed_groups_give_a_group_each_without_the_quotes_around_their_captions(tmp_path: Path, images: Path) -> None:
    groups = [
        {"anonymous_caption": '"A {thing} ages."', "image_urls": [url_of(0), url_of(3)]},
        {"anonymous_caption": '"A {thing} ages."', "image_urls": [url_of(1), url_of(7), url_of(2)]},
        {"anonymous_caption": "none", "image_urls": []},
    ]
    for path in (tmp_path / "groups.json", tmp_path / "groups.jsonl"):
        path.write_text(json.dumps(groups) if path.suffix == ".json" else "\n".join(json.dumps(g) for g in groups))
        corpus = Corpus.build(path, images)
        assert corpus.members() == [[0, 1], [2, 3]]
        assert set(corpus.captions) == {"A {thing} ages."}
        assert corpus.report.counts == {"missing": 2}


def test_own_world_is_read_by_relation(tmp_path: Path) -> None:
    rows = write_groups(tmp_path, 3, members=2, size=96, relations=["ring", "grid"])
    corpus = Corpus.build(rows, tmp_path)
    # Groups 0 and 2 are both rings: they share one logic.
    assert corpus.groups.tolist() == [0, 0, 1, 1, 0, 0]
    drawn = write_samples(tmp_path / "draw", 2, size=96, relations=["ring"])
    assert Corpus.build(drawn, tmp_path / "draw").groups.tolist() == [0, 0]


def test_rows_without_caption_and_broken_lines_are_listed(tmp_path: Path, images: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = ['{"caption": "a {thing}", "url_link": "' + url_of(0) + '"}', "{broken", "[1]", ""]
    lines += [json.dumps({"url_link": url_of(1)}), json.dumps({"caption": "  ", "url_link": url_of(2)})]
    path.write_text("\n".join(lines))
    corpus = Corpus.build(path, images)
    assert len(corpus) == 1
    assert corpus.report.counts == {"bad row": 2, "no caption": 2}


def test_lines_end_only_at_line_feeds(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"caption": "a\u2028b"}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [row for _, row in read_rows(path)] == [{"caption": "a\u2028b"}]


def test_index_round_trip_gives_the_same_corpus(captions: Path, images: Path, tmp_path: Path) -> None:
    corpus = Corpus.build(captions, images)
    corpus.save(tmp_path / "index.json")
    loaded = Corpus.load(tmp_path / "index.json")
    assert loaded.entries == corpus.entries
    assert loaded.report == corpus.report
    assert loaded[3].picture.tobytes() == corpus[3].picture.tobytes()
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="no index of a corpus"):
        Corpus.load(tmp_path / "other.json")
    with pytest.raises(FileNotFoundError, match="no such index"):
        Corpus.load(tmp_path / "absent.json")


def test_picture_that_breaks_after_the_check_is_an_error_and_no_black_square(captions: Path, images: Path) -> None:
    corpus = Corpus.build(captions, images)
    corpus.entries[1].stored.path.write_bytes(b"gone")
    with pytest.raises(ValueError, match="is not a picture"):
        _ = corpus[1]


def test_loader_of_torch_takes_it_with_workers(captions: Path, images: Path) -> None:
    corpus: Corpus = pickle.loads(pickle.dumps(Corpus.build(captions, images)))
    loader = DataLoader(corpus, batch_size=3, collate_fn=lambda rows: [row.group for row in rows])
    assert list(loader) == [[0, 1, 0], [1]]


def test_nothing_left_is_an_error_that_counts(captions: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    save_picture(empty, 99)
    with pytest.raises(ValueError, match=r"nothing is left to train on \(8 missing\)"):
        Corpus.build(captions, empty)
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(ValueError, match="is empty"):
        Corpus.build(tmp_path / "none.jsonl", empty)


def test_labelled_rows_are_found_by_path_as_filters_write_it(tmp_path: Path) -> None:
    """By the path below the folder, and by the one that starts with the folder's name."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("a.png", "b.png", "more/c.png"):
        Image.new("RGB", (80, 80)).save(folder / name)
    paths = ["a.png", str(folder / "b.png"), "more/c.png", "c.png"]
    rows = [{"path": path, "label": number % 2 == 0} for number, path in enumerate(paths)]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = Corpus.build(tmp_path / "labels.jsonl", folder)
    assert corpus.captions == ["yes", "no", "yes"]
    assert [entry.stored.path.name for entry in corpus.entries] == ["a.png", "b.png", "c.png"]
    assert [(refused.name, refused.kind) for refused in corpus.report.refused] == [("c.png", "missing")]
