"""Promises of the reader of manifests: every row is checked, every slip is named with its line, memory stays flat."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analogen.batch.manifest import Asset, Manifest, checked_id, seed_of
from analogen.batch.manifest_rows import MAX_LINE_BYTES, Problem
from analogen.errors import UserError

ROW = {"reference": "picture.png", "subject": "apple"}


def write(picture: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    """A manifest beside the picture; rows that are no text become JSON."""
    path = picture.with_name(name)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def assets(path: Path, **defaults: Any) -> list[Asset]:
    found = list(Manifest(path, defaults).assets())
    assert not [one for one in found if isinstance(one, Problem)]
    return found  # type: ignore[return-value]


def refusal(path: Path, **defaults: Any) -> str:
    with pytest.raises(UserError) as caught:
        Manifest(path, defaults).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_both_formats_say_the_same(picture: Path) -> None:
    full = {
        "id": "Ä-1", "reference": ["picture.png", str(picture)], "relation": "many {subject}, in a ring",
        "subject": "自転車", "num_images": 2, "candidates": 6, "seed": 2**63 - 1, "steps": 3, "guidance_scale": 1.25,
        "relation_scale": 0.5, "width": 640, "height": 480, "svg": True, "style": "noto", "other": "key",
    }  # fmt: skip
    small = {"id": "b", **ROW}
    lines = write(picture, full, "", small)
    table = picture.with_name("rows.csv")
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(full))
        writer.writeheader()
        writer.writerow({**full, "reference": json.dumps(full["reference"]), "svg": "yes"})
        writer.writerow({})
        writer.writerow(small)
    from_lines, from_table = assets(lines), assets(table)
    assert [one.values for one in from_lines] == [one.values for one in from_table]
    assert [one.request for one in from_lines] == [one.request for one in from_table]
    assert [one.line for one in from_lines] == [1, 3]
    assert [one.line for one in from_table] == [2, 4]
    request = from_lines[0].request
    assert request.references == (picture, picture)
    assert (request.seed, request.guidance_scale, request.svg, request.width) == (2**63 - 1, 1.25, True, 640)


def test_rows_get_ids_and_seeds_of_their_own_that_stay(picture: Path) -> None:
    path = write(picture, ROW, ROW, {**ROW, "seed": 7, "id": 12})
    first, second, third = assets(path)
    assert [first.id, second.id, third.id] == ["000000", "000001", "12"]
    assert first.request.seed != second.request.seed
    assert third.request.seed == 7
    assert [one.request.seed for one in assets(path)] == [first.request.seed, second.request.seed, 7]
    assert assets(path, seed=1)[0].request.seed == seed_of("000000", 1) != first.request.seed


def test_defaults_hold_where_a_row_says_nothing(picture: Path) -> None:
    path = write(picture, ROW, {**ROW, "steps": 9, "num_images": 8}, {**ROW, "candidates": 2, "steps": None})
    first, second, third = (one.request for one in assets(path, steps=5, candidates=3))
    assert (first.steps, first.candidates) == (5, 3)
    assert (second.steps, second.candidates, second.num_images) == (9, 8, 8)
    assert (third.steps, third.candidates) == (5, 2)
    with pytest.raises(UserError, match="--steps is 0: expected 1 to 1000"):
        Manifest(path, {"steps": 0})


def test_check_counts_what_will_be_made(picture: Path) -> None:
    path = write(picture, {**ROW, "num_images": 2}, {**ROW, "candidates": 1})
    checked = Manifest(path).check()
    assert (checked.rows, checked.pictures, checked.candidates) == (2, 3, 5)
    again = Manifest(path).check()
    assert again == checked
    write(picture, {**ROW, "num_images": 2}, {**ROW, "candidates": 2})
    assert Manifest(path).check().sha256 != checked.sha256


def test_every_bad_row_is_named_in_one_line(picture: Path) -> None:
    path = write(picture, ROW, {**ROW, "steps": 0}, "", "{", ROW, {"subject": "apple"})
    message = refusal(path)
    assert "rows.jsonl line 2: --steps is 0" in message
    assert "(2 more of 5 rows cannot be used: lines 4, 6)" in message
    told: list[Problem] = []
    with pytest.raises(UserError):
        Manifest(path).check(told.append)
    assert [problem.line for problem in told] == [2, 4, 6]


def test_many_bad_rows_still_make_one_short_line(picture: Path) -> None:
    message = refusal(write(picture, *[{**ROW, "width": 3}] * 500))
    assert "499 more of 500 rows" in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"reference": "picture.png", "subject"', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"subject": "a", "seed": NaN}', "NaN is not a number in JSON"),
        ('{"subject": "a", "subject": "b"}', "'subject' comes twice"),
        ("[1, 2]", "expected an object"),
        ({**ROW, "subjct": "a"}, r"unknown column 'subjct' \(did you mean 'subject'\?\)"),
        ({**ROW, "steps": "4"}, "steps is '4': expected a whole number"),
        ({**ROW, "steps": True}, "steps is True: expected a whole number"),
        ({**ROW, "steps": 2.5}, r"steps is 2.5: expected a whole number"),
        ({**ROW, "svg": "maybe"}, "svg is 'maybe': expected true or false"),
        ({**ROW, "seed": -1}, "--seed is -1"),
        ({**ROW, "width": 10**30}, "--width is"),
        ({**ROW, "guidance_scale": "x"}, "guidance_scale is 'x': expected a number"),
        ({**ROW, "subject": 5}, "subject is 5: expected text"),
        ({**ROW, "subject": "  "}, "--subject is empty"),
        ({**ROW, "subject": "a" * 1_000_000}, "--subject has 1000000 characters, at most 200"),
        ({**ROW, "subject": "a\u0007"}, "cannot be shown"),
        ({**ROW, "subject": "\ud800"}, "cannot be shown"),
        ({"reference": "picture.png"}, "no subject was given"),
        ({"subject": "apple"}, "no relation was given"),
        ({**ROW, "reference": []}, "no relation was given"),
        ({**ROW, "reference": "none.png"}, "none.png: no such file"),
        ({**ROW, "reference": ["picture.png", 5]}, "expected a path or a list of paths"),
        ({**ROW, "reference": ""}, "expected a path or a list of paths"),
        ({**ROW, "reference": "."}, "is a folder"),
        ({**ROW, "reference": "a\u0000b"}, "no file has such a name"),
        ({**ROW, "reference": "\udcff.png"}, "no file has such a name"),
        ({**ROW, "reference": "x" * 5000}, "no file has such a name"),
        ({**ROW, "subject_image": "a\u0000"}, "no file has such a name"),
        ({**ROW, "reference": "x" * 300 + ".png"}, "cannot be opened"),
        ({**ROW, "subject_image": "none.svg"}, "none.svg: no such file"),
        ({**ROW, "candidates": 1, "num_images": 2}, "--candidates is 1"),
        ({**ROW, "model": "maxi"}, "unknown model 'maxi'"),
        ({**ROW, "id": "../x"}, "it names files"),
        ({**ROW, "id": "a/b"}, "it names files"),
        ({**ROW, "id": "c:\\x"}, "it names files"),
        ({**ROW, "id": ".hidden"}, "start with a dot"),
        ({**ROW, "id": ""}, "expected a name"),
        ({**ROW, "id": " a"}, "white space"),
        ({**ROW, "id": "a\nb"}, "cannot be shown"),
        ({**ROW, "id": "a" * 121}, "at most 120 fit"),
        ({**ROW, "id": "NUL.txt"}, "Windows"),
        ({**ROW, "id": ["a"]}, "expected text"),
    ],
)
def test_bad_row_is_refused_with_its_line(picture: Path, row: Any, message: str) -> None:
    path = write(picture, ROW, row)
    with pytest.raises(UserError, match=r"rows.jsonl line 2: .*" + message):
        Manifest(path).check()


@pytest.mark.parametrize("second", ["a", "A"])
def test_ids_that_would_share_a_file_are_refused(picture: Path, second: str) -> None:
    path = write(picture, {**ROW, "id": "a"}, ROW, {**ROW, "id": second})
    assert f"line 3: id {second!r} is that of line 1 too" in refusal(path)
    accents = write(picture, {**ROW, "id": "\u00e9"}, {**ROW, "id": "e\u0301"})
    assert "is that of line 1 too" in refusal(accents)
    automatic = write(picture, {**ROW, "id": "000001"}, ROW)
    assert "line 2: id '000001' is that of line 1 too" in refusal(automatic)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id;reference;subject\n", "holds no rows"),
        ("reference\tsubject\n", "holds no rows"),
        ("reference,subjct\n", r"line 1: unknown column 'subjct' (did you mean 'subject'?)"),
        ("reference,subject,subject\n", "line 1: column 'subject' comes twice"),
        ("reference,subject\npicture.png,apple\npicture.png\n", "line 3: has 1 cells, and the header has 2"),
        ("reference,subject\npicture.png,apple,pear\n", "line 2: has 3 cells"),
        ('reference,subject\npicture.png,"apple\n', "line 2: is not CSV"),
        ('reference,subject\n"picture.png"x,apple\n', "line 2: is not CSV"),
        ("reference,subject,steps\npicture.png,apple,4.5\n", "line 2: steps is '4.5': expected a whole number"),
        ("reference,subject,steps\npicture.png,apple,1" + "0" * 5000 + "\n", "line 2: steps is"),
        ("reference,subject\n" + "picture.png," + "a" * 1_000_000 + "\n", "line 2: has a cell of over 131072"),
        ('reference,subject\n"[""picture.png""",apple\n', "line 2: reference is '[\"picture.png\"': expected a path"),
        ("", "is empty (0 bytes)"),
        ("\n\n", "holds no rows"),
        ("reference,subject\n", "holds no rows"),
        ("\ufeff", "holds no rows"),
    ],
)
def test_bad_table_is_refused(picture: Path, text: str, message: str) -> None:
    path = picture.with_name("rows.csv")
    path.write_text(text)
    assert message in refusal(path)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_bytes_that_are_no_text_are_refused(picture: Path, name: str) -> None:
    path = picture.with_name(name)
    path.write_bytes(b"reference,subject\n" * 2 + b"\xff\xfe\n")
    assert "line 3: is not UTF-8 text" in refusal(path) or "line 1" in refusal(path)
    path.write_bytes("reference,subject\n".encode("utf-16-le"))
    assert "line 1: holds a zero byte" in refusal(path)
    path.write_bytes(b"a" * (MAX_LINE_BYTES + 1))
    assert "line 1: is over 4 MiB long" in refusal(path)


@pytest.mark.parametrize(
    ("name", "message"), [("rows.xlsx", "ends in .csv, .tsv or .jsonl"), ("none.csv", "no such file")]
)
def test_file_that_is_no_manifest_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Manifest(tmp_path / name)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        Manifest(tmp_path / "folder.csv")


@given(st.text(max_size=200))
def test_accepted_id_is_one_safe_file_name(name: str) -> None:
    with suppress(UserError):
        path = Path("folder", f"{checked_id(name, 'unused')}-0.png")
        assert path.parent == Path("folder")
        assert len(path.name.encode()) < 200
        assert not path.name.startswith(".")


@given(st.binary(max_size=300), st.sampled_from([".csv", ".jsonl"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(data)
    with suppress(UserError):
        assert Manifest(path).check().rows > 0


def test_manifest_is_checked_without_models() -> None:
    code = (
        "import sys, analogen.batch.manifest, analogen.request_schema;"
        " assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_memory_does_not_grow_with_the_rows(picture: Path) -> None:
    def peak(rows: int) -> int:
        path = write(picture, *({**ROW, "id": f"asset-{number}"} for number in range(rows)))
        tracemalloc.start()
        try:
            assert Manifest(path).check().rows == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(20_000) < peak(200) + 1_000_000
