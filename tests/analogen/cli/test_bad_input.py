"""Bad input, command by command: one clear line, exit 2, nothing written, no model loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.cli import generate_main, main


def _noise(path: Path) -> bytes:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    return path.read_bytes()


def _truncated(path: Path) -> None:
    path.write_bytes(_noise(path)[:3000])


def _zero_size(path: Path) -> None:
    data = _noise(path)
    path.write_bytes(data[:16] + bytes(4) + data[20:])


def _over_large(path: Path) -> None:
    Image.new("1", (8001, 8001)).save(path)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.touch(), "is empty"),
    "truncated": (_truncated, "damaged or truncated"),
    "non-image": (lambda path: path.write_text("hello"), "is not a picture"),
    "zero-size": (_zero_size, "has no pixels"),
    "over-large": (_over_large, "64 megapixels"),
    "pipe": (lambda path: os.mkfifo(path), "not a regular file"),
}
COMMANDS = {
    "generate": lambda good, bad: ["generate", "--reference", good, "--reference", bad, "--subject", "bicycle"],
    "own art": lambda good, bad: ["generate", "--reference", good, "--subject-image", bad],
    "similarity": lambda good, bad: ["similarity", good, bad],
    "caption": lambda good, bad: ["caption", good, bad],
}


@pytest.fixture(autouse=True)
def in_a_fresh_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def refused(capsys: pytest.CaptureFixture[str], run: Callable[[list[str]], int], arguments: list[str]) -> str:
    """The one line with which a command refuses its input."""
    code = run(arguments)
    seen = capsys.readouterr()
    assert code == 2, seen.err
    assert seen.out == ""
    (line,) = seen.err.splitlines()
    assert os.listdir() == [], "something was written"
    return line


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_pictures_are_refused(
    command: str, kind: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, expected = BROKEN[kind]
    make(tmp_path / "bad.png")
    line = refused(capsys, main, COMMANDS[command](str(picture), str(tmp_path / "bad.png")))
    assert expected in line
    assert "bad.png" in line


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--subject", ""], "--subject is empty"),
        (["--subject", " \t"], "--subject is empty"),
        (["--subject", "x" * 201], "--subject has 201 characters, at most 200"),
        (["--subject", "a\x1b[31mred"], "cannot be shown"),
        (["--subject", "bad\udcff"], "cannot be shown"),
        ([], "no subject was given"),
        (["--subject", "x", "--model", "sdlx"], "unknown model 'sdlx' (did you mean 'sdxl'?)"),
        (["--subject", "x", "--model", "sdxl", "--svg"], "--svg needs --model mini, and sdxl was given"),
        (["--subject", "x", "--width", "63"], "--width is 63: expected 64 to 4096"),
        (["--subject", "x", "--height", "4097"], "--height is 4097: expected 64 to 4096"),
        (["--subject", "x", "--width", "wide"], "'wide' is not a valid integer"),
        (["--subject", "x", "--num-images", "0"], "--num-images is 0: expected 1 to 256"),
        (["--subject", "x", "--candidates", "257"], "--candidates is 257: expected 1 to 256"),
        (["--subject", "x", "--seed", "-1"], "--seed is -1"),
        (["--subject", "x", "--seed", str(2**63)], "--seed is"),
        (["--subject", "x", "--relation-scale", "nan"], "--relation-scale is nan: expected 0 to 10"),
        (["--subject", "x", "--guidance-scale", "inf"], "--guidance-scale is inf: expected 0 to 100"),
        (["--subject", "x", "--steps", "0"], "--steps is 0: expected 1 to 1000"),
        (["--subject", "x", "--relation", " "], "--relation is empty"),
        (["--subject", "x", "--device", "gpu"], "--device is 'gpu': expected auto"),
        (["--subject", "x", "--dtype", "int8"], "'int8' is not one of"),
        (["--subject", "x", "--layout"], "--layout is for diffusion models, and --model is mini"),
        (["--subject", "x", "--subjct", "y"], "--subject"),
        (["--subject", "x", "--output", "out.jpg"], "pictures are PNG"),
        (["--subject", "x", "--output", "o" * 300], "can have a name this long (300 characters): shorten it"),
        (["--subject", "x", "--model", "m" * 300], "unknown model 'mmm"),
        (["--subject", "x", "stray"], "stray"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], expected: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, generate_main, ["--reference", str(picture), *options])


def test_generate_needs_a_relation(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--reference, or words with --relation" in refused(capsys, generate_main, ["--subject", "bicycle"])


def test_file_in_the_way_of_the_output_is_refused(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    base = ["--reference", str(picture), "--subject", "bicycle", "--output"]
    assert "is a file" in refused(capsys, generate_main, [*base, str(tmp_path / "taken")])
    assert "cannot be written" in refused(capsys, generate_main, [*base, str(tmp_path / "taken" / "deep" / "a.png")])
    (tmp_path / "folder" / "many-0001.png").mkdir(parents=True)
    line = refused(capsys, generate_main, [*base, str(tmp_path / "folder" / "many.png"), "--num-images", "2"])
    assert "many-0001.png: is a folder" in line


def test_unwritable_output_is_refused(
    picture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    line = refused(capsys, generate_main, ["--reference", str(picture), "--subject", "bicycle", "--output", "made"])
    assert "cannot be written (permission denied): choose another place" in line


def test_unreadable_reference_is_refused(
    picture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    line = refused(capsys, generate_main, ["--reference", str(picture), "--subject", "bicycle"])
    assert "cannot be opened (Permission denied)" in line


def test_one_picture_is_too_few_to_compare(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "at least two" in refused(capsys, main, ["similarity", str(picture)])
    assert "--top-k is 0" in refused(capsys, main, ["caption", str(picture), "--top-k", "0"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["generat"], "did you mean 'generate'?"),
        (["world"], "Missing command"),
        (["world", "draw"], "Missing argument 'DIR'"),
        (["world", "draw", "made", "--relation", "rign"], "did you mean 'ring'?"),
        (["world", "draw", "made", "--count", "0"], "--count is 0"),
        (["world", "draw", "--output", "made"], "no such option: --output (give DIR without an option)"),
        (["caption", "--reference", "x.png"], "no such option: --reference (give IMG|DIR ... without an option)"),
        (["batch", "--manifest", "x.csv"], "no such option: --manifest (give MANIFEST without an option)"),
        (["gallery", "search", "--query", "x.png"], "did you mean '--reference'?"),
        (["world", "groups", "made", "--members", "1"], "--members is 1"),
        (["caption", "x.png", "--device", "gpu"], "--device is 'gpu'"),
        (["train", "encoder"], "Missing option '--config'"),
        (["train", "encoder", "--config", "missing.toml"], "no such file"),
        (["train", "composer", "--config", "missing.toml", "--set", "lr"], "expected key=value"),
        (["evaluate", "analogy", "--rows", "0"], "--rows is 0"),
    ],
)
def test_bad_use_of_the_other_commands_is_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, main, arguments)


def test_preset_that_is_not_toml_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "preset.toml").write_text("lr = = 3")
    assert "preset.toml: " in refused(capsys, main, ["train", "encoder", "--config", str(tmp_path / "preset.toml")])


@pytest.mark.parametrize("content", [b"", b"<svg" + bytes(5 * 2**20)])
def test_empty_and_huge_drawings_are_refused(
    content: bytes, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logo.svg").write_bytes(content)
    line = refused(capsys, generate_main, ["--reference", str(picture), "--subject-image", str(tmp_path / "logo.svg")])
    assert "logo.svg" in line


def test_bad_input_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("hello")
    code = """
import sys
from analogen.cli import generate_main, main
codes = [
    generate_main(["--reference", "bad.png", "--subject", "x"]),
    generate_main(["--relation", "{subject} in a ring", "--subject", "x", "--output", "a.jpg"]),
    main(["similarity", "bad.png", "bad.png"]),
    main(["caption", "bad.png"]),
]
assert codes == [2] * 4, codes
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 4
