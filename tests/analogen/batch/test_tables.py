"""Promises of tables as people have them, from pandas, Excel, Google Sheets, macOS and Windows; and of refusals."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analogen.batch import manifest_rows
from analogen.batch.manifest import Asset, Manifest
from analogen.batch.manifest_rows import Problem
from analogen.cli import main
from analogen.errors import UserError

NFD, NFC = (unicodedata.normalize(form, "vögel.png") for form in ("NFD", "NFC"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "refs").mkdir()
    for name in ("ring_of_owls.png", "odd_duck.png", "-dash.png", "refs/ring_of_owls.png", NFD):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


def rows(folder: Path, table: str | bytes, name: str = "rows.csv") -> list[Asset]:
    (folder / name).write_bytes(table if isinstance(table, bytes) else table.encode())
    found = list(Manifest(folder / name).assets())
    assert not [one for one in found if isinstance(one, Problem)], found
    return found  # type: ignore[return-value]


def refusal(folder: Path, table: str | bytes, name: str = "rows.csv") -> str:
    (folder / name).write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(UserError) as caught:
        Manifest(folder / name).check()
    return str(caught.value)


TWO = ["a", "b"]
TAKEN = {
    "pandas: whole numbers with .0 beside a missing one":
        "id,reference,subject,num_images,seed\na,ring_of_owls.png,bicycle,2.0,11.0\nb,odd_duck.png,tulip,1.0,\n",
    "pandas: NaN in a column of numbers":
        "id,reference,subject,seed\na,ring_of_owls.png,bicycle,NaN\nb,odd_duck.png,tulip,nan\n",
    "Excel: empty columns and rows behind":
        "id,reference,subject,,\r\na,ring_of_owls.png,bicycle,,\r\n,,,,\r\nb,odd_duck.png,tulip,,\r\n,,,,\r\n",
    "Excel: sep=,": "sep=,\nid,reference,subject\na,ring_of_owls.png,bicycle\nb,odd_duck.png,tulip\n",
    "Excel: sep=;": "sep=;\r\nid;reference;subject\r\na;ring_of_owls.png;bicycle\r\nb;odd_duck.png;tulip\r\n",
    "Excel: semicolons": "id;reference;subject\na;ring_of_owls.png;bicycle\nb;odd_duck.png;tulip\n",
    "Excel: semicolons with commas in the text":
        "id;subject;reference\na;bicycle, red;ring_of_owls.png\nb;tulip;odd_duck.png\n",
    "old Mac: carriage returns alone": "id,reference,subject\ra,ring_of_owls.png,bicycle\rb,odd_duck.png,tulip\r",
    "carriage returns in some lines": "id,reference,subject\na,ring_of_owls.png,bicycle\rb,odd_duck.png,tulip\n",
    "a byte order mark": "\ufeffid,reference,subject\na,ring_of_owls.png,bicycle\nb,odd_duck.png,tulip\n",
    "headers in capitals, with spaces and dashes":
        "ID,Reference, SUBJECT ,Num-Images,Guidance Scale\na,ring_of_owls.png,bicycle,1,1\nb,odd_duck.png,tulip,1,2\n",
    "quoted headers":
        '"id","reference","subject"\r\n"a","ring_of_owls.png","bicycle"\r\n"b","odd_duck.png","tulip"\r\n',
    "Google Sheets":
        "id,reference,subject,relation\r\na,ring_of_owls.png,bicycle,\r\nb,odd_duck.png,\"tulip, \"\"red\"\"\",\r\n",
}  # fmt: skip


@pytest.mark.parametrize("table", TAKEN.values(), ids=TAKEN)
def test_tables_as_people_have_them_are_taken(folder: Path, table: str) -> None:
    found = rows(folder, table)
    assert [one.id for one in found] == TWO
    assert [one.request.references[0].name for one in found] == ["ring_of_owls.png", "odd_duck.png"]
    assert str(found[0].request.subject).startswith("bicycle")


def test_pandas_numbers_are_the_numbers_that_were_meant(folder: Path) -> None:
    first, second = rows(folder, next(iter(TAKEN.values())))
    assert (first.request.num_images, first.request.seed, second.request.num_images) == (2, 11, 1)
    one, other = rows(folder, TAKEN["pandas: NaN in a column of numbers"])
    again = rows(folder, "id,reference,subject\na,ring_of_owls.png,bicycle\nb,odd_duck.png,tulip\n")
    assert [one.request.seed, other.request.seed] == [row.request.seed for row in again], "as if the cell were empty"
    lines = json.dumps({"id": "a", "Reference": "odd_duck.png", "subject": "x", "seed": 2.0}) + "\n"
    (row,) = rows(folder, lines, "rows.jsonl")
    assert row.request.seed == 2


@pytest.mark.parametrize("name", ["rows.tsv", "rows.tab", "rows.csv"])
def test_tabs_separate_columns_too(folder: Path, name: str) -> None:
    (row,) = rows(folder, "id\treference\tsubject\na\tring_of_owls.png\tbicycle, red\n", name)
    assert row.request.subject == "bicycle, red"


def test_names_are_found_in_another_normal_form_and_with_backslashes(folder: Path) -> None:
    for name in (NFC, NFD):
        (row,) = rows(folder, f"id,reference,subject\na,{name},bicycle\n")
        assert row.request.references[0].is_file()
    (row,) = rows(folder, "id,reference,subject\na,refs\\ring_of_owls.png,bicycle\n")
    assert row.request.references == (folder / "refs" / "ring_of_owls.png",)
    assert row.values["reference"] == ["refs/ring_of_owls.png"]
    assert "refs\\none.png: no such file" in refusal(folder, "id,reference,subject\na,refs\\none.png,bicycle\n")


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "ids like flags": ("id,reference,subject\n-rf,-dash.png,bicycle\n", "line 2: id is '-rf': it names files"),
    "--help as an id": ("id,reference,subject\n--help,-dash.png,bicycle\n", "line 2: id is '--help': it names files"),
    "a negative seed": (
        "reference,subject,seed\nodd_duck.png,x,-1\n",
        "line 2: --seed is -1: expected 0 to 9223372036854775807; leave it out"
    ),
    "a decimal comma": (
        'reference,subject,relation_scale\nodd_duck.png,x,"0,5"\n',
        "line 2: relation_scale is '0,5': expected a number, with a point for decimals: 0.5?",
    ),
    "columns of other tools": (
        "id,image,prompt\na,ring_of_owls.png,bicycle\n",
        "line 1: unknown columns 'image', 'prompt' (did you mean 'reference', 'subject'?)"
    ),
    "an address": (
        "reference,subject\nhttps://example.com/ring_of_owls.png,x\n",
        "line 2: reference is https://example.com/ring_of_owls.png: pictures are not fetched: download it",
    ),
    "a missing subject": ("reference,subject\nodd_duck.png,NaN\n",
    "line 2: subject is 'NaN', as programs write an empty cell"),
    "half a picture": ("reference,subject,num_images\nodd_duck.png,x,2.5\n",
    "line 2: num_images is '2.5': expected a whole"),
    "pandas' index": (",reference,subject\n0,odd_duck.png,x\n",
    "line 1: column 1 has no name: give it one, or leave it out (pandas"),
    "a value without a column": ("reference,subject,\nodd_duck.png,x,stray\n",
    "line 2: has 3 cells, and the header has 2: cell 3 is 'stray'"),
    "UTF-16": ("reference,subject\nodd_duck.png,x\n".encode("utf-16"), "line 1: is not UTF-8 text but UTF-16"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_unclear_is_refused_with_row_column_and_what_was_read(
    folder: Path, table: str | bytes, message: str
) -> None:
    told = refusal(folder, table)
    assert message in told
    assert "\n" not in told


def test_spreadsheets_themselves_are_refused_with_the_way_out(folder: Path) -> None:
    (folder / "rows.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"a spreadsheet saves as CSV"):
        Manifest(folder / "rows.xlsx")
    (folder / "rows.json").write_bytes(b"[]")
    with pytest.raises(UserError, match=r"one object per line"):
        Manifest(folder / "rows.json")


def test_a_long_table_of_carriage_returns_is_read_line_by_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_rows, "MAX_LINE_BYTES", 256)
    (folder / "rows.csv").write_text("reference,subject\r" + "odd_duck.png,x\r" * 100, newline="")
    assert sum(isinstance(row, Asset) for row in Manifest(folder / "rows.csv").assets()) == 100


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--image", "--reference"), ("--prompt", "--subject"), ("--ref", "--reference"), ("--n", "--num-images"),
        ("-n", "--num-images"), ("--cfg", "--guidance-scale"), ("--out", "--output"), ("--subjct", "--subject"),
        ("--num-inference-steps", "--steps"), ("--gpu", "--device"), ("--size", "--width"),
    ],
)  # fmt: skip
def test_unknown_flags_get_suggestions_by_meaning(capsys: pytest.CaptureFixture[str], flag: str, meant: str) -> None:
    assert main(["generate", flag, "x"]) == 2
    assert f"no such option: {flag} (did you mean {meant!r}?)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ref.png", "--subject", "owl"], "'ref.png' stands alone: a picture is named with --reference ref.png"),
        (["bicycle", "--reference", "a.png"], "the subject is named with --subject 'bicycle'"),
        (["--reference", "a.png", "--subject", "red", "bicycle"], "in quotes if it has several words"),
    ],
)
def test_a_bare_argument_is_told_its_flag(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["generate", *arguments]) == 2
    assert message in capsys.readouterr().err


URL = "https://example.com//art/ring_of_owls.png?size=2&x=%20"


@pytest.mark.parametrize(
    "command",
    [
        ["generate", "--subject", "owl", "--reference"], ["generate", "--relation", "any", "--subject-image"],
        ["caption"], ["read"], ["similarity", "a.png"], ["gallery", "search", "--gallery", "g", "--reference"],
        ["batch", "--output", "o"], ["filter"],
    ],
)  # fmt: skip
def test_addresses_are_told_that_pictures_are_not_fetched(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, URL]) == 2
    told = capsys.readouterr().err
    assert f"{URL}: pictures are not fetched from addresses: download it" in told


def test_an_address_in_python_keeps_both_its_slashes() -> None:
    from analogen import read_image

    with pytest.raises(ValueError, match=r"^https://example\.com/a\.png: pictures are not fetched"):
        read_image(Path("https://example.com/a.png"))


def refused_row(row: dict[str, Any], folder: Path) -> str:
    return refusal(folder, json.dumps(row) + "\n", "rows.jsonl")


def test_lines_of_json_get_the_same_answers(folder: Path) -> None:
    assert "did you mean 'reference', 'subject'?" in refused_row({"image": "a.png", "prompt": "x"}, folder)
    assert "pictures are not fetched" in refused_row({"reference": "https://a.b/c.png", "subject": "x"}, folder)
    assert "leave it out for a random one" in refused_row(
        {"reference": "odd_duck.png", "subject": "x", "seed": -1}, folder
    )
