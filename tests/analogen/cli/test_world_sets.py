"""Promise of commands that write a set of pictures: two sets are never mixed in one folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from analogen.cli import main

SMALL = ("--count", "2", "--size", "64", "--relation", "ring")


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("command", ["draw", "groups"])
def test_a_second_set_is_not_mixed_into_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder = tmp_path / "set"
    assert main(["world", command, str(folder), *SMALL]) == 0
    before = files_of(folder)
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    assert {f"{row['image_hash']}.png" for row in rows} == set(before) - {"data.jsonl"}, "every picture has its row"
    capsys.readouterr()
    for again in ("draw", "groups"):
        assert main(["world", again, str(folder), *SMALL, "--seed", "9"]) == 2
        assert "holds a set already (data.jsonl): name a new folder" in capsys.readouterr().err
    assert files_of(folder) == before


@pytest.mark.parametrize(
    ("left", "told"), [("data.jsonl.tmp", "not finished"), ("cat.png", r"other pictures (cat.png)")]
)
def test_what_no_row_would_name_is_refused_before_anything_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left: str, told: str
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    (tmp_path / left).touch()
    before = files_of(tmp_path)
    assert main(["world", "draw", str(tmp_path), *SMALL]) == 2
    assert told in capsys.readouterr().err
    assert files_of(tmp_path) == before


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["world", "draw", str(tmp_path / "empty"), *SMALL]) == 0
