"""`analogen evaluate folder`: what a folder of results scores, with the shipped encoder on a small benchmark."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analogen.batch.manifest import Manifest
from analogen.cli import main
from analogen.evaluation.benchmark import read_benchmark
from analogen.evaluation.folder import CHOICES, other_choices
from analogen.evaluation.reference_facts import facts_of_reading
from analogen.relsim.images import read_image
from analogen.relsim.mini.reading import reading_of
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render
from analogen.scoring import SAME_NOUN

SHIPPED = Path(__file__).parents[3] / "benchmarks" / "analogies"
CASES = (("ring", "drawn", "umbrella"), ("growth_stages", "drawn", "bicycle"), ("checkerboard", "photographed", "owl"))
OTHER_LOGIC = {"ring": "tower", "growth_stages": "water_reflection", "checkerboard": "orbit"}


def picture(relation: str, subject: str, seed: int, hard: bool) -> tuple[Any, Image.Image]:
    rng = np.random.default_rng(seed)
    scene = draw_sample(RELATIONS[relation], training_selection(), rng, hard=hard, subject=subject).scene
    scene = replace(scene, other="key", style="noto")
    return scene, Image.fromarray(render(scene, 256))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of three references, and three folders of results: right ones, copies, and other logics."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "benchmark/references").mkdir(parents=True)
    lines = []
    for number, (relation, manner, subject) in enumerate(CASES):
        scene, image = picture(relation, "cactus", number, hard=True)
        id = f"case-{number}"
        image.save(folder / f"benchmark/references/{id}.png")
        lines.append(json.dumps({
            "id": id, "file": f"references/{id}.png", "manner": manner, "relation": relation,
            "logic": RELATIONS[relation].caption, "shows": "cactus", "subject": subject, "other": "key",
            "structure": facts_of_reading(reading_of(scene), relation),
        }))  # fmt: skip
        answers = {
            "right": picture(relation, subject, number, hard=False)[1],
            "copies": image,
            "other-logic": picture(OTHER_LOGIC[relation], subject, number, hard=False)[1],
        }
        for name, made in answers.items():
            (folder / name).mkdir(exist_ok=True)
            made.save(folder / name / f"{id}.png")
    (folder / "benchmark/references.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def figures(world: Path, results: str | Path, *options: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = main(["evaluate", "folder", str(world / results), "--benchmark", str(world / "benchmark"),
                 "--format", "json", *options])  # fmt: skip
    assert code == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_right_answers_score_above_copies_and_other_logics(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, copies, other = (
        {k: v["mean"] for k, v in figures(world, name, capsys=capsys)["figures"][0].items() if isinstance(v, dict)}
        for name in ("right", "copies", "other-logic")
    )
    assert right["relation"] > other["relation"] + 0.3
    assert right["structure"] > other["structure"]
    assert right["named"] > other["named"]
    assert right["subject"] == 1
    assert copies["subject"] == 0
    assert copies["copying"] > 0.9 > right["copying"]
    assert copies["relation"] > 0.8
    assert right["kept"] > max(copies["kept"], other["kept"])
    assert copies["structure"] == 1  # what the reader sees in a reference it sees in its copy


def test_intervals_manners_and_each_picture_are_in_the_file(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out" / "figures.json"
    told = figures(world, "right", "--output", str(file), "--seed", "4", capsys=capsys)
    written = json.loads(file.read_text())
    assert told["figures"] == written["figures"]
    assert [row["manner"] for row in written["figures"]] == ["all", "drawn", "photographed"]
    assert [row["pictures"] for row in written["figures"]] == [3, 2, 1]
    for mean in (row["relation"] for row in written["figures"][:2]):
        assert mean["low"] <= mean["mean"] <= mean["high"]
    assert [row["id"] for row in written["pictures"]] == ["case-0", "case-1", "case-2"]
    assert all(set(row["facts"].values()) <= {True, False} for row in written["pictures"])
    again = figures(world, "right", "--seed", "4", capsys=capsys)
    assert again["figures"] == told["figures"]


def test_a_table_tells_other_subjects(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "subjects.csv"
    table.write_text("id,subject\n" + "".join(f"case-{n},cactus\n" for n in range(3)))
    asked = figures(world, "right", capsys=capsys)["figures"][0]["subject"]["mean"]
    wrong = figures(world, "right", "--subjects", str(table), capsys=capsys)["figures"][0]["subject"]["mean"]
    assert (asked, wrong) == (1, 0)


def test_the_choice_of_a_subject_is_among_a_hundred_nouns_with_the_references_own(world: Path) -> None:
    library = ArtLibrary.shipped()
    for reference in read_benchmark(world / "benchmark"):
        asked = library.meaning(reference.subject)
        others = other_choices(reference, asked)
        assert len(others) == CHOICES - 1
        assert (others[0] == library.meaning("cactus")).all()
        assert (others @ asked).max() < SAME_NOUN
        assert (others @ library.meaning(reference.other)).max() < SAME_NOUN
        assert (others == other_choices(reference, asked)).all()


def test_faults_of_a_folder_are_told_in_one_line_each(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    shutil.copy(world / "right/case-0.png", results / "case-0-0.png")
    shutil.copy(world / "right/case-0.png", results / "case-0-1.png")
    (results / "case-1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    shutil.copy(world / "right/case-0.png", results / "sheet.png")
    (results / "notes.txt").write_text("not a picture")
    assert main(["evaluate", "folder", str(results), "--benchmark", str(world / "benchmark")]) == 2
    streams = capsys.readouterr()
    assert "kept of all 3 references: " in streams.out
    assert streams.out.splitlines()[1].split()[:2] == ["all", "1"]
    unreadable, missing, extra, further = streams.err.splitlines()
    assert "case-1.png" in unreadable
    assert "1 of 3 references have no result: case-2" in missing
    assert "1 other files were not looked at: sheet.png" in extra
    assert "1 further results were not looked at" in further


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such folder"),
        (["copies/case-0.png"], "is no folder"),
        (["empty"], "holds no result for any reference"),
        (["right", "--benchmark", "empty"], "name the folder of the benchmark with --benchmark"),
        (["right", "--subjects", "missing.csv"], "no such file"),
        (["right", "--subjects", "strange.csv"], "'case-9' is the id of no reference"),
        (["right", "--benchmark", "bad"], "line 1: is no reference"),
        (["right", "--benchmark", "twice"], "is there twice"),
        (["right", "--judges", "empty"], "holds no judge"),
        (["right", "--encoder", "nothing-of-the-kind"], "unknown encoder"),
    ],
)
def test_bad_use_is_refused_in_one_line(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(world)
    for name in ("empty", "bad", "twice"):
        Path(name).mkdir(exist_ok=True)
    Path("strange.csv").write_text("id,subject\ncase-9,cat\n")
    Path("bad/references.jsonl").write_text('{"id": "a"}\n')
    first = Path("benchmark/references.jsonl").read_text().splitlines()[0]
    Path("twice/references.jsonl").write_text(f"{first}\n{first}\n")
    arguments = arguments if "--benchmark" in arguments else [*arguments, "--benchmark", "benchmark"]
    assert main(["evaluate", "folder", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_the_shipped_benchmark_is_whole() -> None:
    references = read_benchmark(SHIPPED)
    assert len(references) == 300
    assert {reference.manner for reference in references} == {"drawn", "photographed", "composed", "laid out"}
    files = sorted(path.name for path in (SHIPPED / "references").iterdir())
    assert files == sorted(reference.path.name for reference in references)
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 15e6
    for reference in references[::10]:
        assert read_image(reference.path).image.size == (320, 320)
    rows = [json.loads(line) for line in (SHIPPED / "references.jsonl").read_text().splitlines()]
    for row in rows:
        assert "{subject}" in row["logic"]
        assert ("{other}" in row["logic"]) == bool(row["other"])
        assert row["subject"] not in (row["shows"], row["shows_other"], row["other"])
        assert row["relation"] in RELATIONS or row["composition"].count("/") == 3
    assert sum(bool(row["structure"]) for row in rows) > 200


def test_the_shipped_benchmark_can_be_made_by_a_batch_and_states_its_licences() -> None:
    with (SHIPPED / "manifest.csv").open(newline="") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    assert ids == [reference.id for reference in read_benchmark(SHIPPED)]
    assert Manifest(SHIPPED / "manifest.csv").check(headers=True).rows == 300
    assert "Microsoft Corporation" in (SHIPPED / "LICENSE-fluent.txt").read_text()
    assert "Apache License" in (SHIPPED / "LICENSE-noto.txt").read_text()
    assert "LICENSE-fluent.txt" in (SHIPPED / "README.md").read_text()
