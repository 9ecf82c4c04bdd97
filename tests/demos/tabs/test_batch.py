"""Tests of the Batch tab: problems are reported before a batch starts, and it continues without its page."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analogen import UserError

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from analogen.demos.jobs.batch_input import BatchRefused
from analogen.demos.jobs.batches import Batches
from analogen.demos.tabs.batch import BatchTab
from analogen.demos.tabs.batch_cards import card, duration, preview

pytestmark = pytest.mark.usefixtures("tiny_shipped")

SMALL = {"num_images": 1, "candidates": 1, "width": 64, "height": 64, "steps": 2, "seed": 0}


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    for number, name in enumerate(("owl ring 1", "tower", "swan")):
        values = np.random.default_rng(number).integers(0, 256, (32, 40, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Batches]]:
    """A function that opens the batches of one output folder, as a restarted server does."""
    made: list[Batches] = []

    def open_() -> Batches:
        for earlier in made:
            earlier.close()
        made.clear()
        made.append(Batches(tmp_path / "out", tmp_path / "downloads", {"model": "mini"}, {"candidates": 8}, "cpu"))
        made[-1].start()
        return made[-1]

    yield open_
    for batches in made:
        batches.close()


def wait_until(batches: Batches, name: str, *states: str) -> None:
    end = time.monotonic() + 60
    while batches.run(name).status().state not in states:
        assert time.monotonic() < end, batches.run(name).status()
        time.sleep(0.05)


def manifest(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "assets.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_references_times_subjects_become_rows(uploads: Path, opened: Callable[[], Batches]) -> None:
    batches = opened()
    paths = [uploads / "tower.png", uploads / "swan.png"]
    checked = batches.check(paths, "apple\n\n  banana  \n", SMALL)
    assert (checked.rows, checked.pictures, checked.candidates) == (4, 4, 4)
    assert checked.subjects == ("apple", "banana")
    assert "tower.png" in preview(checked)
    assert not batches.names(), "a check starts nothing"
    name = batches.add(paths, "apple\nbanana", SMALL, "my birds")
    wait_until(batches, name, "done")
    assert batches.run(name).status().done == 4
    with zipfile.ZipFile(batches.archive(name)) as file:
        lines = [json.loads(line) for line in file.read("results.jsonl").splitlines()]
        pictures = {image["path"] for line in lines for image in line["images"]}
        assert set(file.namelist()) == {"results.jsonl", *pictures}
        assert Image.open(file.open(sorted(pictures)[0])).size == (64, 64)
    assert [line["subject"] for line in lines] == ["apple", "banana"] * 2
    assert batches.title(name) == "my birds"


def test_all_problems_of_a_manifest_are_reported_with_their_lines(uploads: Path, opened: Callable[[], Batches]) -> None:
    rows = [
        {"reference": "tower.png", "subject": "apple"},
        {"reference": "missing.png", "subject": "apple"},
        {"reference": "/etc/passwd", "subject": "apple"},
        {"reference": "tower.png"},
        {"reference": "tower.png", "subject": "apple", "model": "/srv/secret"},
        {"reference": "tower.png", "subject": "apple", "candidates": 9},
        {"reference": "other/tower.png", "subject": "apple"},
    ]
    batches = opened()
    with pytest.raises(BatchRefused, match="6 of 7 rows cannot be used") as refused:
        batches.add([manifest(uploads, rows), uploads / "tower.png"], "", SMALL)
    problems = refused.value.problems
    assert [line.split(":")[0] for line in problems] == [f"line {n}" for n in range(2, 8)]
    assert "'passwd' is not among the uploaded files" in problems[1]
    assert "unknown column 'model'" in problems[3]
    assert "candidates is 9, at most 8 here" in problems[4]
    assert "different names" in problems[5]
    assert not any(str(uploads) in line for line in problems)
    assert not batches.names()
    assert not list(batches.folder.glob(".new-*")), "no draft of a refused batch is left"


def test_damaged_pictures_are_reported_before_the_start(uploads: Path, opened: Callable[[], Batches]) -> None:
    (uploads / "swan.png").write_bytes((uploads / "swan.png").read_bytes()[:60])
    with pytest.raises(BatchRefused) as refused:
        opened().check([uploads / "tower.png", uploads / "swan.png"], "apple", SMALL)
    (line,) = refused.value.problems
    assert line.startswith("swan.png: the picture is damaged")
    assert str(uploads) not in line


def test_names_match_as_browsers_and_manifests_write_them(uploads: Path, opened: Callable[[], Batches]) -> None:
    # Gradio removes the brackets from an upload's name.
    table = manifest(uploads, [{"reference": "art/Owl Ring (1).png", "subject": "apple"}])
    assert opened().check([table, uploads / "owl ring 1.png"], "", SMALL).rows == 1


@pytest.mark.parametrize(
    ("files", "subjects", "message"),
    [
        ([], "apple", "no files were uploaded"),
        (["tower.png"], " \n", "no subject was given"),
        (["a.csv", "b.csv"], "", "2 manifests were uploaded"),
        (["a.csv"], "", "holds no rows"),
    ],
)
def test_incomplete_batches_are_refused_in_one_line(
    uploads: Path, opened: Callable[[], Batches], files: list[str], subjects: str, message: str
) -> None:
    for name in files:
        if name.endswith(".csv"):
            (uploads / name).write_text("reference,subject\n")
    with pytest.raises(UserError, match=message) as refused:
        opened().check([uploads / name for name in files], subjects, SMALL)
    assert "\n" not in str(refused.value)
    assert str(uploads.parent) not in str(refused.value)


def test_restart_continues_running_batches_and_leaves_paused_ones(uploads: Path, opened: Callable[[], Batches]) -> None:
    batches = opened()
    paths, subjects = list(uploads.iterdir()), "\n".join(f"apple{n}" for n in range(8))
    first = batches.add(paths, subjects, SMALL)
    batches.pause(first)
    time.sleep(1.1)  # names contain the second
    second = batches.add(paths, subjects, SMALL)
    wait_until(batches, second, "running", "done")
    again = opened()
    assert again.names() == [second, first]
    wait_until(again, second, "done")
    assert again.run(second).status().done == 24
    assert again.run(first).status().state == "paused"
    again.resume(first)
    wait_until(again, first, "done")
    assert again.run(first).status().done == 24


def test_page_shows_progress_and_the_possible_actions(uploads: Path, opened: Callable[[], Batches]) -> None:
    batches = opened()
    tab = BatchTab(batches, lambda path: path)
    assert "No batches yet" in tab._view(None)[1]
    name = batches.add([uploads / "tower.png"], "apple", SMALL)
    wait_until(batches, name, "done")
    _, status, pause, resume, _, cancel, pack, _, wrong, gallery, mark = tab._view(name)
    assert 'role="progressbar"' in status
    assert "1 of 1 rows" in status
    assert (pause.visible, resume.visible, cancel.visible, pack.visible) == (False, False, False, True)
    assert wrong.visible is False
    assert len(gallery.value) == 1
    assert all(update == {"__type__": "update"} for update in tab._tick(name, mark)), "nothing is sent twice"
    assert "Done" in card("x", batches.run(name).status(), 0)


@pytest.mark.parametrize(("seconds", "expected"), [(0.2, "1 s"), (80, "80 s"), (600, "10 min"), (7000, "1 h 57 min")])
def test_durations_are_rounded_for_reading(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
