from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from analogen.errors import UserError
from analogen.metadata import MAX_RECORD_BYTES, make_record, parameters_line, png_bytes, read_metadata
from analogen.types import Candidate, FoundRelation, Request, Result, Scores

IMAGE = Image.new("RGB", (16, 12), "teal")


@pytest.fixture
def record(picture: Path) -> dict[str, object]:
    request = Request(references=(picture,), subject="Fahrrad für Ümläute 自転車", seed=2**63 - 1)
    candidate = Candidate(IMAGE, 7, Scores(0.91234, 0.8, 0.1, 0.9), rank=0)
    relation = FoundRelation("{subject} arranged in a ring around {other}", 0.98765)
    return make_record(request, Result("mini", request.subject or "", relation, (candidate,)), candidate)


def with_text(path: Path, text: str, *, packed: bool = False) -> Path:
    info = PngInfo()
    info.add_text("analogen", text, zip=packed)
    IMAGE.save(path, pnginfo=info)
    return path


def test_record_survives_the_file(tmp_path: Path, record: dict[str, object]) -> None:
    (tmp_path / "made.png").write_bytes(png_bytes(IMAGE, record))
    assert read_metadata(tmp_path / "made.png") == record
    assert np.array_equal(np.asarray(Image.open(tmp_path / "made.png")), np.asarray(IMAGE))


def test_references_appear_by_name_and_hash_only(picture: Path, record: dict[str, object]) -> None:
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    assert record["references"] == [{"name": picture.name, "sha256": digest}]
    assert str(picture.parent) not in json.dumps(record)


def test_parameters_line_reads_like_the_peers(record: dict[str, object]) -> None:
    prompt, settings = parameters_line(record).split("\n")
    assert prompt == "Fahrrad für Ümläute 自転車 arranged in a ring around things"
    assert "Seed: 7, Size: 1024x1024, Model: mini, Version: analogen " in settings


def test_no_record_means_no_text_at_all(tmp_path: Path) -> None:
    image = IMAGE.copy()
    image.info["comment"] = "a note of the user's"
    (tmp_path / "bare.png").write_bytes(png_bytes(image, None))
    assert Image.open(tmp_path / "bare.png").text == {}
    with pytest.raises(UserError, match="carries no analogen record"):
        read_metadata(tmp_path / "bare.png")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "[" * 100_000,
        '{"schema": 99}',
        '{"schema": 1}',
        '{"schema": true}',
        '{"schema": NaN}',
    ],
)
def test_hostile_records_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="analogen record"):
        read_metadata(with_text(tmp_path / "hostile.png", text))


def test_wrong_types_are_refused(tmp_path: Path, record: dict[str, object]) -> None:
    for key in record:
        with pytest.raises(UserError, match="analogen record"):
            read_metadata(with_text(tmp_path / "hostile.png", json.dumps({**record, key: None})))
    with pytest.raises(UserError, match="'seed'"):
        read_metadata(with_text(tmp_path / "hostile.png", json.dumps({**record, "seed": True})))


def test_large_and_packed_records_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="KiB or packed"):
        read_metadata(with_text(tmp_path / "large.png", " " * (MAX_RECORD_BYTES + 1)))
    with pytest.raises(UserError, match="packed"):
        read_metadata(with_text(tmp_path / "packed.png", "{}", packed=True))


def test_damaged_record_is_refused(tmp_path: Path, record: dict[str, object]) -> None:
    data = png_bytes(IMAGE, record).replace(b'"rank":0', b'"rank":9')
    (tmp_path / "damaged.png").write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        read_metadata(tmp_path / "damaged.png")


def test_other_files_are_refused(tmp_path: Path) -> None:
    IMAGE.save(tmp_path / "photo.jpg")
    with pytest.raises(UserError, match="not a PNG"):
        read_metadata(tmp_path / "photo.jpg")
    with pytest.raises(FileNotFoundError):
        read_metadata(tmp_path / "missing.png")
    with pytest.raises(UserError, match="is a folder"):
        read_metadata(tmp_path)
