"""Tests with 500 damaged, unusual and malicious files: each is read or refused in one line, fast and in little memory.

Every entry point runs in its own process, with a limit on its memory and on the time for each file.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import hostile_images
import numpy as np
import pytest
from hostile_images import write_all
from picture_builders import gray_tiff, sample_files
from PIL import Image

from analogen.relsim.image_containers import MAX_COUNTED, MAX_SCANS, count_frames, why_too_costly
from analogen.relsim.images import read_image

RUN = Path(hostile_images.__file__).with_name("hostile_run.py")
# Only the run of the reader includes these; in the other runs they would only take time.
LARGE = ("full-",)
BROKEN = (*LARGE, "cut-", "flipped-")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    assert len(write_all(folder)) >= 300
    return folder


def run(entry: str, folder: Path, *more: str | Path, skip: tuple[str, ...] = ()) -> dict[str, dict[str, object]]:
    """Outcomes by file. Fails with the files that have a fault, or with the file at which the process died."""
    # The output of the commands is checked, so that warnings stay visible there.
    environment = os.environ if entry == "cli" else {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(RUN), entry, str(folder), *map(str, more)]
    if skip:
        command += ["--skip", *skip]
    done = subprocess.run(
        command, cwd=folder.parent, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"died at {lines[-1:]}: {done.stderr[-2000:]}"
    found = {line["file"]: line for line in lines if "file" in line}
    assert len(found) >= 300
    bad = [line for line in found.values() if str(line["outcome"]).startswith("BAD")]
    assert not bad, "\n".join(map(str, bad))
    return found


def test_reader_reads_or_refuses_every_file(hostile: Path) -> None:
    found = run("read", hostile)
    outcomes = {name: str(line["outcome"]) for name, line in found.items()}
    # Unusual files are read and damaged ones are refused; there are many of both.
    assert 100 < sum(outcome == "read" for outcome in outcomes.values()) < len(outcomes) - 100
    sound = ("mode-", "exif-", "orientation", "cmyk", "animated-disposal")
    failed = [name for name, said in outcomes.items() if name.startswith(sound) and said != "read"]
    assert failed == ["mode-YCbCr-tiff.tif"]  # Pillow writes this file and cannot read it
    refused = ("bomb-sides", "bomb-png-", "bomb-inside", "bomb-scans", "svg-", "cut-png", "cut-gif-1", "polyglot-shell")
    wrong = [name for name, said in outcomes.items() if name.startswith(refused) and said == "read"]
    assert wrong == ["bomb-png-endless-rows.png"]  # eight valid rows, followed by far more data
    assert max(int(str(line["peak_mib"])) for line in found.values()) < 1536


def test_subject_images_are_read_or_refused(hostile: Path) -> None:
    found = run("subject", hostile, skip=LARGE)
    assert found["svg-sound.svg"]["outcome"] == "read"
    assert found["clear.png"]["outcome"] != "read"
    for name in ("svg-laughs", "svg-outside-entity", "svg-bomb-inside", "svg-uses", "svg-uses-itself", "svg-packed"):
        assert str(found[f"{name}.svg"]["outcome"]).startswith("refused"), name
    assert max(int(str(line["peak_mib"])) for line in found.values()) < 1536


def test_api_reads_or_refuses_every_file(hostile: Path, tiny_composer_folder: Path, tiny_encoder_folder: Path) -> None:
    found = run("api", hostile, tiny_composer_folder, tiny_encoder_folder, skip=BROKEN)
    assert sum(line["outcome"] == "read" for line in found.values()) > 100


def test_commands_answer_every_file_in_one_line(hostile: Path, picture: Path) -> None:
    found = run("cli", hostile, picture, skip=BROKEN)
    assert found["mode-RGBA-png.png"]["outcome"] == "0 0 2 2"
    assert found["svg-sound.svg"]["outcome"] == "2 0 2 2"
    assert not (hostile.parent / "sprung").exists()


def test_the_studio_keeps_or_refuses_every_upload(hostile: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')
    found = run("app", hostile, tmp_path / "studio", skip=BROKEN)
    outcomes = [str(line["outcome"]) for line in found.values()]
    assert 100 < outcomes.count("read") < len(outcomes) - 50
    # It stores nothing but the pictures, under its own names.
    assert all(re.fullmatch(r"[0-9a-f]+\.\w+", path.name) for path in (tmp_path / "studio" / "references").iterdir())


def test_gallery_takes_what_can_be_read_and_names_the_rest(
    hostile: Path, tiny_encoder_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lancedb")
    from analogen.cli import main

    few = tmp_path / "few"
    few.mkdir()
    for path in hostile.glob("cut-*-[59]*pc*"):
        (few / path.name).write_bytes(path.read_bytes())
    for name in ("a..png", "-rf.png", "line\nbreak.png", "%2e%2e%2fup.png", "trick.png.exe.png"):
        (few / name).write_bytes(sample_files()["png"])
    (few / "broken\nline.png").write_bytes(b"none")
    command = ["gallery", "add", str(few), "--gallery", str(tmp_path / "gallery"), "--device", "cpu"]
    assert main([*command, "--encoder", str(tiny_encoder_folder), "--format", "json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["added"] == 5
    assert answer["added"] + len(answer["refused"]) == answer["found"]
    assert all("\n" not in row["reason"] for row in answer["refused"])
    assert main(command) == 2
    said = capsys.readouterr().err.splitlines()
    # One line for each, after their number.
    assert sum(line.startswith("not added: ") for line in said) == len(answer["refused"]) == len(said) - 1


# The checks of a file's structure, against slow and obvious ones.
@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_frames_are_counted_as_pillow_does(kind: str, count: int) -> None:
    frames = [Image.fromarray(np.full((9, 9, 3), 20 * n, np.uint8)) for n in range(count)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    assert count_frames(buffer) == Image.open(buffer).n_frames == count


def test_many_pages_are_not_walked_through(hostile: Path) -> None:
    for name in ("bomb-pages.tif", "bomb-frames.gif"):
        with (hostile / name).open("rb") as file:
            assert count_frames(file) == MAX_COUNTED + 1
        assert read_image(hostile / name).notes == (f"has over {MAX_COUNTED} frames: the first is used",)


def test_pages_in_a_loop_end() -> None:
    one = gray_tiff(8, 8)
    looped = one[: 8 + 2 + 12 * 10] + (8).to_bytes(4, "little") + one[8 + 2 + 12 * 10 + 4 :]
    assert count_frames(io.BytesIO(looped)) == 1


def test_scans_of_a_preview_are_not_counted() -> None:
    progressive = sample_files()["progressive"]
    assert why_too_costly(io.BytesIO(progressive)) is None
    preview = b"\xff\xe1" + (60_002).to_bytes(2, "big") + b"\xff\xda\0\2" * 15_000
    assert why_too_costly(io.BytesIO(progressive[:2] + preview + progressive[2:])) is None
    scan = progressive.rindex(b"\xff\xda")
    many = progressive[:scan] + progressive[scan:-2] * MAX_SCANS + progressive[-2:]
    assert why_too_costly(io.BytesIO(many)) == "asks for over 100 passes of decoding"


def test_long_preambles_are_refused() -> None:
    gif = b"GIF89a\x08\0\x08\0\0\0\0\x21\xfe" + (b"\xff" + b"c" * 255) * 20_000 + b"\0\x3b"
    assert "4 MiB of comments" in str(why_too_costly(io.BytesIO(gif)))
    ppm = b"P6\n#" + b"x" * 100_000 + b"\n2 2\n255\n" + bytes(12)
    assert "header of over 64 KiB" in str(why_too_costly(io.BytesIO(ppm)))
    assert why_too_costly(io.BytesIO(b"P6\n# by hand\n2 2\n255\n" + bytes(200_000))) is None


def test_large_deep_pictures_keep_their_tones_strip_by_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analogen.relsim import images

    values = np.random.default_rng(0).integers(-300, 70_000, (37, 23)).astype(np.int32)
    whole = images._to_8_bits(values)
    monkeypatch.setattr(images, "_STRIP_VALUES", 50)
    assert np.array_equal(images._to_8_bits(values), whole)
    least, most = int(values.min()), int(values.max())
    assert np.array_equal(whole, np.rint((values - least) * (255 / (most - least))).astype(np.uint8))
