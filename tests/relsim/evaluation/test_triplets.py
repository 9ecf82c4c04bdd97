"""Promises of triplets and of tables of analogies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.evaluation.analogies import read_analogies, run_analogies
from analogen.relsim.evaluation.baselines import histogram_vectors
from analogen.relsim.evaluation.similarity_measures import Cosine, NothingToMeasure, Rows, Vectors
from analogen.relsim.evaluation.triplets import read_triplets, run_triplets

HISTOGRAM = Cosine("histogram", histogram_vectors)


class Distance(Cosine):
    """The same rows, compared by a distance: more is farther."""

    def similarity_pairwise(self, queries: Rows, gallery: Rows) -> Vectors:
        return 1 - super().similarity_pairwise(queries, gallery)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour in {"r1": (220, 0, 0), "r2": (215, 5, 5), "g": (0, 220, 0), "b": (0, 0, 220)}.items():
        Image.new("RGB", (30, 30), colour).save(tmp_path / f"{name}.png")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text.replace(" ", "\n"))
    return path


def test_accuracy_is_counted_per_group_and_over_all(folder: Path) -> None:
    table = write(folder / "t.csv", "anchor,positive,negative,group r1.png,r2.png,g.png,x r1.png,g.png,r2.png,x "
                  "g.png,g.png,b.png,y")  # fmt: skip
    rows = list(run_triplets(read_triplets(table), [HISTOGRAM], []))
    assert [(row["group"], row["triplets"], row["accuracy"]) for row in rows] == [
        ("x", 2, 0.5),
        ("y", 1, 1.0),
        ("all", 3, round(2 / 3, 4)),
    ]
    assert rows[1]["low"] is None
    assert 0 <= rows[2]["low"] <= rows[2]["accuracy"] <= rows[2]["high"] <= 1


def test_smaller_distances_are_closer(folder: Path) -> None:
    table = write(folder / "t.csv", "anchor,positive,negative,group r1.png,r2.png,g.png,x r1.png,b.png,r2.png,x")
    distance = Distance("distance", histogram_vectors, higher_is_closer=False)
    near, far = (list(run_triplets(read_triplets(table), [measure], [])) for measure in (HISTOGRAM, distance))
    assert [row["accuracy"] for row in near] == [row["accuracy"] for row in far] == [0.5, 0.5]


def test_tie_is_wrong(folder: Path) -> None:
    table = write(folder / "t.csv", "anchor,positive,negative,group r1.png,g.png,g.png,x")
    assert next(run_triplets(read_triplets(table), [HISTOGRAM], []))["accuracy"] == 0


def test_triplets_with_bad_pictures_are_left_out_and_listed_once(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"broken")
    text = "anchor,positive,negative,group r1.png,r2.png,g.png,x bad.png,r2.png,bad.png,x r1.png,gone.png,g.png,x"
    refused: list[dict[str, str]] = []
    rows = list(run_triplets(read_triplets(write(folder / "t.csv", text)), [HISTOGRAM], refused))
    assert rows[-1]["triplets"] == 1
    assert sorted(Path(row["path"]).name for row in refused) == ["bad.png", "gone.png"]
    lost = write(folder / "u.csv", "anchor,positive,negative,group r1.png,gone.png,g.png,x")
    with pytest.raises(NothingToMeasure, match="none of 1 triplets"):
        list(run_triplets(read_triplets(lost), [HISTOGRAM], []))


def test_analogies_are_means_per_model(folder: Path) -> None:
    table = write(folder / "a.csv", "input,instruction,output,model r1.png,keep,r1.png,copy g.png,keep,g.png,copy "
                  "r1.png,keep,b.png,new")  # fmt: skip
    rows = list(run_analogies(read_analogies(table), [HISTOGRAM], []))
    assert [(row["model"], row["by"], row["rows"]) for row in rows] == [
        ("copy", "histogram", 2),
        ("new", "histogram", 1),
    ]
    assert rows[0]["mean"] == pytest.approx(1)
    assert rows[1]["mean"] == pytest.approx(0)


def test_analogies_equal_a_slow_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)) for _ in range(6)]
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.png")
    lines = [f'{{"input": "{n}.png", "instruction": "same idea", "output": "{n + 3}.png"}}' for n in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    (row,) = run_analogies(read_analogies(tmp_path / "a.jsonl"), [HISTOGRAM], [])
    vectors = histogram_vectors(images)
    assert row["mean"] == pytest.approx(np.mean([vectors[n] @ vectors[n + 3] for n in range(3)]), abs=1e-4)
    assert row["model"] == ""


def test_analogies_leave_out_bad_rows(folder: Path) -> None:
    table = write(folder / "a.csv", "input,instruction,output r1.png,keep,r2.png gone.png,keep,b.png")
    refused: list[dict[str, str]] = []
    (row,) = run_analogies(read_analogies(table), [HISTOGRAM], refused)
    assert row["rows"] == 1
    assert len(refused) == 1
