"""Promises of `generate --recall`: a picture is made again from its own record, and a record is never trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analogen.cli import main
from analogen.errors import UserError
from analogen.metadata import png_bytes, read_metadata
from analogen.reproduce import request_fields
from analogen.types import Request

pytestmark = pytest.mark.usefixtures("tiny_shipped")

SMALL = ("--steps", "2", "--width", "64", "--height", "64", "--device", "cpu")


def generate(*options: str | Path) -> int:
    return main(["generate", *map(str, options)])


def same(one: Path, other: Path) -> bool:
    """Alike but for the rounding that a pass of another shape brings."""
    with Image.open(one) as first, Image.open(other) as second:
        apart = np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16))
    return bool((apart > 8).mean() < 0.01)


@pytest.fixture
def made(picture: Path, tmp_path: Path) -> Path:
    """The third best of five pictures with settings of their own."""
    out = tmp_path / "out"
    more = ("--relation-scale", "0.8", "--other", "frog", "--num-images", "3", "--candidates", "5", "--seed", "41")
    assert generate("--reference", picture, "--subject", "apple", *SMALL, *more, "--output", out) == 0
    return out / "0002.png"


def test_one_of_several_is_made_again_alone(made: Path, picture: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.png"
    assert generate("--recall", made, "--reference", picture, "--device", "cpu", "--output", again) == 0
    assert same(made, again)
    assert not same(made.with_name("0000.png"), again)
    before, after = read_metadata(made), read_metadata(again)
    assert (before["seed"], before["rank"]) == (after["seed"], 2)
    assert {**before["settings"], "candidates": 1} == after["settings"]


def test_row_of_a_batch_is_made_again_alone_also_after_a_resume(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analogen.batch import chunk_processor
    from analogen.errors import RunError

    manifest = tmp_path / "rows.jsonl"
    rows = [{"id": f"r{n}", "reference": picture.name, "subject": "frog", "seed": 7 + n} for n in range(4)]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    save = chunk_processor.save_candidate

    def breaks_once(request: Any, result: Any, candidate: Any, path: Path, *more: Any, **options: Any) -> None:
        if path.name == "r2-0.png" and not (tmp_path / "broke").exists():
            (tmp_path / "broke").touch()
            raise RunError("the disk is full")
        save(request, result, candidate, path, *more, **options)

    monkeypatch.setattr(chunk_processor, "save_candidate", breaks_once)
    command = ["batch", str(manifest), "--output", str(tmp_path / "out"), *SMALL, "--candidates", "2"]
    assert main(command) == 1
    assert main(command) == 0
    for name in ("r1-0.png", "r3-0.png"):
        again = tmp_path / f"again-{name}"
        assert (
            generate("--recall", tmp_path / "out" / name, "--reference", picture, "--device", "cpu", "--output", again)
            == 0
        )
        assert same(tmp_path / "out" / name, again)


def test_options_that_are_said_change_what_they_name(made: Path, picture: Path, tmp_path: Path) -> None:
    again = tmp_path / "large.png"
    assert (
        generate("--recall", made, "--reference", picture, "--width", 96, "--subject", "frog", "--output", again) == 0
    )
    record = read_metadata(again)
    assert (record["settings"]["width"], record["settings"]["height"]) == (96, 64)
    assert (record["subject"], record["seed"]) == ("frog", read_metadata(made)["seed"])


def test_own_picture_of_the_subject_is_asked_for(picture: Path, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    image = Image.new("RGBA", (40, 40))
    image.paste((200, 30, 60, 255), (8, 8, 30, 34))
    image.save(logo)
    assert generate("--reference", picture, "--subject-image", logo, *SMALL, "--output", tmp_path / "a.png") == 0
    fields = request_fields(tmp_path / "a.png", [picture], logo)
    assert Request(**fields).subject_image == logo
    with pytest.raises(UserError, match=r"was made with --subject-image logo\.png, and 0 were given"):
        request_fields(tmp_path / "a.png", [picture], None)


def test_other_files_are_refused_in_one_line(
    made: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (8, 8)).save(other)
    for files, message in (
        ((), "was made with --reference picture.png, and 0 were given"),
        (("--reference", other), "is not the file that 0002.png was made of ('picture.png'"),
        (("--reference", tmp_path / "gone.png"), "no such file"),
    ):
        capsys.readouterr()
        assert generate("--recall", made, *files, "--output", tmp_path / "x.png") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert generate("--recall", picture, "--reference", picture) == 2
    assert "carries no analogen record" in capsys.readouterr().err


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(
        st.sampled_from(["subject", "relation", "steps", "width", "seed", "model", "other", "style", "guidance_scale"]),
        ANYTHING,
        max_size=3,
    ),
    marks=st.lists(ANYTHING, max_size=2),
)
def test_any_record_makes_a_request_or_one_line(
    changes: dict[str, Any], marks: list[Any], tmp_path: Path, picture: Path
) -> None:
    record: dict[str, Any] = {
        "schema": 1, "version": "0", "model": changes.pop("model", "mini"), "subject": "apple",
        "relation": {"caption": "c", "confidence": 1}, "references": marks, "seed": changes.pop("seed", 1), "rank": 0,
        "settings": {"subject": "apple", "relation": "r", "negative_prompt": None, "other": None, "steps": None,
                     "guidance_scale": None, "width": 64, "height": 64, **changes}, "scores": {},
    }  # fmt: skip
    path = tmp_path / "hostile.png"
    try:
        path.write_bytes(png_bytes(Image.new("RGB", (4, 4)), record))
    except (AttributeError, TypeError, KeyError):
        return  # no record that could have been written
    told = ""
    try:
        assert Request(**request_fields(path, [], None)).candidates == 1
    except (UserError, FileNotFoundError) as error:
        told = str(error)
    assert len(told.splitlines()) <= 1
    assert len(told) < 600
