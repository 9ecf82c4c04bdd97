"""Promise of all commands that take folders: two iPhone files beside a picture are listed, counted and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from analogen.cli import main
from analogen.relsim import image_formats

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A picture and two HEIC files, on a machine that cannot read these."""
    monkeypatch.setattr(image_formats, "reads_heif", lambda: False)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    place = tmp_path / "photos"
    place.mkdir()
    for name in ("IMG_1.HEIC", "IMG_2.heic"):
        (place / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    Image.open(EXAMPLES / "ring_of_owls.png").convert("RGB").resize((128, 128)).save(place / "a.png")
    return place


@pytest.mark.parametrize("command", [("caption",), ("similarity", str(EXAMPLES / "odd_duck.png")), ("read",)])
def test_iphone_files_of_a_folder_are_listed_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert main([*command, str(folder), "--format", "json"]) == 2
    seen = capsys.readouterr()
    told = json.loads(seen.out)
    assert [Path(row["path"]).name for row in told["refused"]] == ["IMG_1.HEIC", "IMG_2.heic"]
    assert "2 files were not read" in seen.err
    assert seen.err.count('pip install "analogen[heif]", or export it as PNG or JPEG') == 2


def test_gallery_add_counts_the_pictures_that_it_leaves_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lancedb")
    assert main(["gallery", "add", str(folder), "--gallery", str(tmp_path / "g")]) == 2
    seen = capsys.readouterr()
    assert seen.out == f"1 added, 0 changed, 0 unchanged, 2 not added: 1 picture in {tmp_path / 'g'}\n"
    assert seen.err.count("not added: ") == 2
    assert "IMG_2.heic: is an HEIC picture" in seen.err


def test_a_folder_of_iphone_files_only_is_refused_with_the_way_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.png").unlink()
    for command in (("caption",), ("read",), ("filter",), ("gallery", "add", "--gallery", str(tmp_path / "g"))):
        assert main([*command, str(folder)]) == 2
        assert "holds no pictures that can be read: IMG_1.HEIC is an HEIC picture" in capsys.readouterr().err


def test_filter_lists_what_it_leaves_out(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = tmp_path / "judged.jsonl"
    from analogen.relsim.vlm.filter import FilterResult
    from analogen.relsim.vlm.filter_results import ResultsFile

    ResultsFile(ledger, "any", 0.5).add([FilterResult(str(folder / "a.png"), 0.9)])
    arguments = ["filter", str(folder), "--filter", "any", "--output", str(ledger), "--format", "json"]
    assert main(arguments) == 2
    assert len(json.loads(capsys.readouterr().out)["refused"]) == 2
