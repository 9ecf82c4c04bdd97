"""Promises of retrieval over pictures of one's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.evaluation.baselines import histogram_vectors
from analogen.relsim.evaluation.folder_retrieval import prepare_retrieval, run_folder_retrieval
from analogen.relsim.evaluation.judging import AnswerCache
from analogen.relsim.evaluation.similarity_measures import Cosine, NothingToMeasure

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (20, 40, 220)}
HISTOGRAM = Cosine("histogram", histogram_vectors)


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Three folders of three pictures of one colour each."""
    for name, colour in COLOURS.items():
        folder = tmp_path / "gallery" / name
        folder.mkdir(parents=True)
        for number in range(3):
            image = Image.new("RGB", (40, 40), colour)
            image.putpixel((number, 0), (255, 255, 255))
            image.save(folder / f"{number}.png")
    return tmp_path / "gallery"


class SameFolder:
    """Gives 10 to pictures of one colour, 2 to others, and no answer to blue."""

    name, workers = "same folder", 2

    def ask(self, images: Sequence[Image.Image], question: str) -> str:
        first, second = (np.asarray(image)[20, 20] for image in images)
        if first[2] == 220:
            return "I will not say"
        return "10" if (first == second).all() else "2"


def test_groups_by_folder_are_found_by_their_colour(gallery: Path) -> None:
    search = prepare_retrieval(gallery, None, "folders", 100, 0)
    ((row, hits),) = run_folder_retrieval(search, [HISTOGRAM])
    assert row == {
        "by": "histogram", "queries": 9, "gallery": 9, "answerable": 9, "r_at_1": 1.0, "r_at_5": 1.0, "r_at_10": 1.0,
        "chance": round(2 / 9, 4),
    }  # fmt: skip
    assert all(hit["query"] != hit["found"] for hit in hits)
    assert all(Path(hit["query"]).parent == Path(hit["found"]).parent for hit in hits)
    assert search.refused == []


def test_queries_from_elsewhere_search_the_whole_gallery(gallery: Path, tmp_path: Path) -> None:
    (tmp_path / "queries" / "red").mkdir(parents=True)
    Image.new("RGB", (9, 9), COLOURS["red"]).save(tmp_path / "queries" / "red" / "x.png")
    search = prepare_retrieval(gallery, tmp_path / "queries", "folders", 100, 0)
    ((row, hits),) = run_folder_retrieval(search, [HISTOGRAM])
    assert (row["queries"], row["gallery"], row["r_at_1"]) == (1, 9, 1.0)
    assert row["chance"] == round(3 / 9, 4)
    assert "/red/" in hits[0]["found"]


def test_asymmetric_measure_equals_its_symmetric_counterpart(gallery: Path) -> None:
    search = prepare_retrieval(gallery, None, "folders", 100, 0)
    twin = Cosine("twin", histogram_vectors, histogram_vectors)
    (one, first), (two, second) = run_folder_retrieval(search, [HISTOGRAM, twin])
    assert {**one, "by": "twin"} == two
    assert [h["found"] for h in first] == [h["found"] for h in second]


def test_table_of_groups_names_pictures_by_path_or_hash(gallery: Path, tmp_path: Path) -> None:
    rows = [{"path": f"gallery/{name}/{n}.png", "group": n % 2} for name in COLOURS for n in range(3)]
    table = tmp_path / "groups.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows[:6]))
    search = prepare_retrieval(gallery, None, str(table), 100, 0)
    ((row, _),) = run_folder_retrieval(search, [HISTOGRAM])
    # Only pictures whose group is known are asked for; the others still distract.
    assert (row["queries"], row["gallery"]) == (6, 9)


def test_queries_are_drawn_by_the_seed(gallery: Path) -> None:
    def drawn(seed: int) -> list[str]:
        return [picture.name for picture in prepare_retrieval(gallery, None, None, 4, seed).queries]

    assert len(drawn(0)) == 4
    assert drawn(0) == drawn(0)
    assert any(drawn(0) != drawn(seed) for seed in range(1, 5))


def test_judge_scores_what_is_found_first(gallery: Path) -> None:
    search = prepare_retrieval(gallery, None, None, 100, 0)
    ((row, hits),) = run_folder_retrieval(search, [HISTOGRAM], SameFolder(), AnswerCache(None))
    assert row["judged"] == {"mean": 10.0, "low": 10.0, "high": 10.0}
    assert (row["judged_pairs"], row["unanswered"]) == (6, 3)
    assert "r_at_1" not in row
    unanswered = [hit for hit in hits if hit["score"] is None]
    assert {hit["answer"] for hit in unanswered} == {"I will not say"}
    assert all("expected one number" in hit["problem"] for hit in unanswered)


def test_unreadable_pictures_are_listed_once_and_the_rest_is_measured(gallery: Path) -> None:
    (gallery / "red" / "0.png").write_bytes(b"broken")
    search = prepare_retrieval(gallery, None, "folders", 100, 0)
    ((row, _),) = run_folder_retrieval(search, [HISTOGRAM])
    assert (row["queries"], row["gallery"], row["r_at_1"]) == (8, 8, 1.0)
    assert [Path(bad["path"]).name for bad in search.refused] == ["0.png"]


def test_groups_that_fit_no_picture_and_lone_pictures_are_refused(gallery: Path, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("path,group\nelsewhere.png,a\n")
    with pytest.raises(ValueError, match="names the group of no query"):
        prepare_retrieval(gallery, None, str(table), 100, 0)
    table.write_text("path,other\nelsewhere.png,a\n")
    with pytest.raises(ValueError, match="has no relation, group or caption"):
        prepare_retrieval(gallery, None, str(table), 100, 0)
    with pytest.raises(FileNotFoundError, match="expected 'folders', or a table"):
        prepare_retrieval(gallery, None, "absent.csv", 100, 0)
    (tmp_path / "lone").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "lone" / "x.png")
    with pytest.raises(NothingToMeasure, match="1 queries and 1 pictures"):
        list(run_folder_retrieval(prepare_retrieval(tmp_path / "lone", None, None, 9, 0), [HISTOGRAM]))
