"""Promises of the measures of foreign references and of words, with tiny untrained models."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from analogen.errors import UserError
from analogen.evaluation.external_references import read_labelled_images, run_external_references
from analogen.evaluation.text_relations import read_paraphrases, run_text_relations
from analogen.relsim.world.relations import RELATIONS

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def write(path: Path, *rows: tuple[str, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_foreign_references_are_twenty_relations_by_three_manners() -> None:
    named = read_labelled_images(BENCHMARKS / "foreign" / "foreign.csv")
    assert set(Counter(row.relation for row in named).values()) == {3}
    assert len({row.relation for row in named}) == 20
    assert len({(row.relation, row.manner) for row in named}) == 60
    assert sum(path.stat().st_size for path in (BENCHMARKS / "foreign").iterdir()) < 2_000_000


def test_foreign_references_are_reported_by_manner(tiny_shipped: None, tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (64, 48), "#88aa66").save(tmp_path / f"{name}.png")
    rows = (("path", "relation", "manner"), ("a.png", "ring", "pen"), ("b.png", "caged", "glass"))
    lines = list(run_external_references(write(tmp_path / "t.csv", *rows), 2, 0, "cpu", None, tmp_path / "out"))
    assert [line.get("manner") for line in lines] == ["all", "glass", "pen", None]
    assert [line["pictures"] for line in lines[:3]] == [2, 1, 1]
    assert (tmp_path / "out" / "foreign-0.png").is_file()


def test_paraphrases_are_new_to_the_catalogue() -> None:
    said = read_paraphrases(BENCHMARKS / "words" / "paraphrases.csv")
    assert len(set(said)) == 200
    assert set(Counter(relation for relation, _ in said).values()) == {5}
    known = {text.casefold() for relation in RELATIONS.values() for text in relation.captions}
    assert not [text for _, text in said if text.casefold() in known]


def test_words_and_mixtures_are_measured_and_shown(tiny_shipped: None, tmp_path: Path) -> None:
    table = write(tmp_path / "w.csv", ("relation", "text"), ("ring", "a wreath of {subject}"))
    lines = list(run_text_relations(table, 3, 0, "cpu", tmp_path))
    assert [(line["way"], line["rows"]) for line in lines] == [
        ("words", 1), ("picture and words", 3), ("two pictures", 3), ("picture less its words", 3)
    ]  # fmt: skip
    for line in lines[1:3]:
        assert float(str(line["both"])) <= float(str(line["first"])) <= float(str(line["either"]))
    assert len(list(tmp_path.glob("*.png"))) == 4


@pytest.mark.parametrize("read", [read_labelled_images, read_paraphrases])
def test_tables_without_known_relations_are_refused(read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(UserError, match="has no rows"):
        read(write(tmp_path / "a.csv", ("path", "what")))
    with pytest.raises(UserError, match="unknown relation 'rink'"):
        read(write(tmp_path / "b.csv", ("path", "relation", "text"), ("x.png", "rink", "a rink")))
