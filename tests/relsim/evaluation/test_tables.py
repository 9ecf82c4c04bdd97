"""Promises of the tables that users write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analogen.relsim.evaluation.tables import picture_at, read_table, write_rows

COLUMNS = ("input", "output")


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('\ufeffinput,output,other\na.png, b.png ,x\n"c, d.png",e.png,\n', "utf-8")
    (tmp_path / "t.tsv").write_text("input\toutput\na.png\tb.png\nc, d.png\te.png\n")
    rows = [{"input": "a.png", "output": "b.png"}, {"input": "c, d.png", "output": "e.png"}]
    write_rows(tmp_path / "t.jsonl", rows)
    for name in ("t.csv", "t.tsv", "t.jsonl"):
        assert read_table(tmp_path / name, COLUMNS) == rows
    assert read_table(tmp_path / "t.csv", COLUMNS, ("other",))[1]["other"] == ""


def test_paths_are_relative_to_the_table(tmp_path: Path) -> None:
    assert picture_at(tmp_path / "t.csv", "a/b.png").path == tmp_path / "a" / "b.png"
    assert picture_at(tmp_path / "t.csv", "/else/b.png").path == Path("/else/b.png")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "input\na.png\n", "line 2: has no output"),
        ("a.csv", "input,output\na.png,\n", "line 2: has no output"),
        ("a.csv", "input,output\n", "has no rows"),
        ("a.jsonl", json.dumps({"input": ["a"], "output": True}), "has no input and no output"),
        ("a.jsonl", "{broken", "is no JSON"),
        ("a.jsonl", "", "is empty"),
        ("a.csv", 'input,output\n"a,b\n', "cannot be read as CSV"),
    ],
)
def test_wrong_tables_are_refused_in_one_line(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=expected) as caught:
        read_table(tmp_path / name, COLUMNS)
    assert "\n" not in str(caught.value)


def test_absent_table_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_table(tmp_path / "absent.csv", COLUMNS)
