"""The promises of the command line itself; a stand-in makes the pictures, so that no model is loaded."""

from __future__ import annotations

import errno
import gc
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import analogen
from analogen.cli import generate_main, main, quick_imports
from analogen.errors import RunError, UserError
from analogen.types import MAX_SEED, Candidate, FoundRelation, Request, Result, Scores


class StandIn:
    """Makes one-coloured pictures; the best candidate is the last one."""

    requests: list[Request] = []  # noqa: RUF012 - emptied for every test
    failure: BaseException | None = None

    def __init__(self, request: Request) -> None:
        self.model = request.model

    def run(self, request: Request, on_step: Callable[[str, int, int], None]) -> Result:
        StandIn.requests.append(request)
        if StandIn.failure is not None:
            raise StandIn.failure
        on_step("sample", 1, 1)
        made = [
            Candidate(
                Image.new("RGB", (request.width, request.height), (seed % 256, 80, 90)),
                seed,
                Scores(0.9, 0.8, 0.1, 0.5 + number / 1000),
                rank=request.candidates - 1 - number,
                svg="<svg/>" if request.svg else None,
            )
            for number, seed in enumerate(request.candidate_seeds)
        ]
        relation = FoundRelation("{subject} arranged in a ring", 0.5)
        return Result("mini", request.subject or "", relation, tuple(reversed(made)), ("a note",), {"sample": 0.1})


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[StandIn]:
    module = types.ModuleType("analogen.loading")
    module.load_generator = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "analogen.loading", module)
    monkeypatch.setattr(StandIn, "requests", [])
    monkeypatch.chdir(tmp_path)
    return StandIn


def generate(picture: Path, *options: str) -> int:
    return generate_main(
        ["--reference", str(picture), "--subject", "bicycle", "--width", "64", "--height", "64", *options]
    )


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_help_of_every_command_imports_nothing_heavy() -> None:
    code = """
import sys, click
from analogen.cli import generate_main, main, program
calls = [["--help"], ["models"], ["--version"]]
def walk(group, path):
    context = click.Context(group)
    for name in group.list_commands(context):
        calls.append([*path, name, "--help"])
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            walk(command, [*path, name])
walk(program, [])
assert len(calls) > 25, calls
heavy = {"torch", "numpy", "PIL", "diffusers", "transformers", "skia", "gradio", "lancedb", "pyarrow", "ray", "peft"}
for call in calls:
    assert main(call) == 0, call
    assert not heavy & set(sys.modules), (call, heavy & set(sys.modules))
assert generate_main(["--help"]) == 0
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_collector_rests_during_imports_and_works_again_after() -> None:
    def broken() -> None:
        with quick_imports():
            assert not gc.isenabled()
            raise UserError("broken")

    with pytest.raises(UserError):
        broken()
    assert gc.isenabled()
    gc.unfreeze()


def test_public_names_resolve_without_torch() -> None:
    code = """
import sys, analogen
assert not {"torch", "numpy", "PIL", "diffusers", "click"} & set(sys.modules), "by import analogen alone"
HEAVY = {
    "Generator", "load_encoder", "load_generator", "PictureGallery", "FoundPicture", "Indexed", "Likeness", "Reading",
    "compare_images", "read_logic", "Stages", "OneAtATime", "SceneReading", "read_scene", "reading_from_json",
    "reading_to_json",
    "ArtSelection", "scene_art_of", "selection_of",
    "EditedPicture", "on_ground", "checked_reading", "checked_scene", "draw_reading", "drawing_names", "find_drawing",
    "drawing_picture", "palettes", "preview_prompts", "scene_read_back",
    "load_reader", "palette_colors", "read_scene_file", "scene_to_json",
}
assert all(getattr(analogen, name) for name in analogen.__all__ if name not in HEAVY)
assert "torch" not in sys.modules
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = analogen.nothing


def test_generate_is_the_same_program_under_both_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_main(["--help"]) == 0
    short = capsys.readouterr().out
    assert main(["generate", "--help"]) == 0
    assert capsys.readouterr().out.replace("analogen generate", "generate") == short


def test_folder_gets_numbers_that_go_on(picture: Path, tmp_path: Path) -> None:
    assert generate(picture, "--output", "made", "--num-images", "2") == 0
    assert generate(picture, "--output", "made") == 0
    assert files_of(tmp_path / "made") == ["0000.png", "0001.png", "0002.png"]


def test_file_name_is_used_and_numbered_for_several(picture: Path, tmp_path: Path) -> None:
    assert generate(picture, "--output", "deep/one.png", "--svg") == 0
    assert generate(picture, "--output", "deep/one.png") == 0
    assert generate(picture, "--output", "deep/many.png", "--num-images", "2", "--sheet") == 0
    assert files_of(tmp_path / "deep") == ["many-0000.png", "many-0001.png", "many-sheet.png", "one.png", "one.svg"]


def test_existing_folder_with_a_suffix_is_a_folder(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.png").mkdir()
    assert generate(picture, "--output", "odd.png") == 0
    assert generate(picture, "--output", "v1.0/") == 0
    assert files_of(tmp_path / "odd.png") == files_of(tmp_path / "v1.0") == ["0000.png"]


def test_sheet_and_svg_lie_beside_the_pictures(picture: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert generate(picture, "--output", "made", "--sheet", "--svg") == 0
    expected = ["0000.png", "0000.svg", "0001.png", "0001.svg", "sheet-0001.png", "sheet.png"]
    assert files_of(tmp_path / "made") == expected


def test_json_has_the_agreed_shape(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(picture, "--num-images", "2", "--seed", "10", "--format", "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["model", "subject", "relation", "images", "left_out", "seconds", "notes"]
    assert answer["relation"] == {"caption": "{subject} arranged in a ring", "confidence": 0.5}
    assert [image["rank"] for image in answer["images"]] == [0, 1]
    assert answer["images"][0] == {
        "path": os.path.join("out", "0000.png"),
        "seed": 13,
        "rank": 0,
        "scores": {"relation": 0.9, "subject": 0.8, "copy": 0.1, "total": 0.503, "structure": 0.0},
        "reason": "",
    }
    assert set(answer["seconds"]) == {"sample", "save", "total"}


def test_results_on_stdout_and_notes_on_stderr(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(picture, "--seed", "10", "--candidates", "2") == 0
    seen = capsys.readouterr()
    assert "0000.png  seed 11  total 0.50" in seen.out
    assert "note" not in seen.out
    assert seen.err.splitlines() == [
        "note: a note",
        "note: kept 1 of 2",
        "note: not kept: seed 10  total 0.50 = relation 0.90, structure 0.00, subject 0.80, copy 0.10",
    ]


def test_recorded_seed_makes_the_picture_again(picture: Path) -> None:
    assert generate(picture, "--seed", "10", "--output", "first.png") == 0
    seed = analogen.read_metadata("first.png")["seed"]
    assert generate(picture, "--seed", str(seed), "--candidates", "1", "--output", "again.png") == 0
    assert Image.open("first.png").tobytes() == Image.open("again.png").tobytes()


def test_seeds_run_on_past_the_largest() -> None:
    request = Request(relation="{subject} in a ring", subject="owl", seed=MAX_SEED, candidates=3)
    assert request.candidate_seeds == (MAX_SEED, 0, 1)


def test_random_seeds_differ_and_are_recorded(picture: Path, stand_in: type[StandIn]) -> None:
    assert generate(picture) == generate(picture) == 0
    first, second = (request.seed for request in stand_in.requests)
    assert first != second
    assert analogen.read_metadata(Path("out/0001.png"))["seed"] in range(second, second + 4)


def test_metadata_can_be_switched_off(picture: Path) -> None:
    assert generate(picture, "--no-metadata", "--sheet") == 0
    assert Image.open("out/0000.png").text == Image.open("out/sheet.png").text == {}
    assert generate(picture, "--output", "with.png") == 0
    assert set(Image.open("with.png").text) == {"parameters", "analogen"}


def test_dry_run_prints_the_plan_and_leaves_nothing(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stand_in: type[StandIn]
) -> None:
    assert generate(picture, "--dry-run", "--seed", "5", "--output", "deep/made", "--num-images", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "subject bicycle, other chosen by seed, style chosen by seed"
    assert lines[1] == "seed 5  64 x 64  mini (composer and renderer)"
    assert lines[5:] == [f"to {Path('deep/made/0000.png')}", f"to {Path('deep/made/0001.png')}"]
    assert files_of(tmp_path) == [picture.name]
    assert not (tmp_path / "deep").exists()
    assert stand_in.requests == []


def test_candidates_are_raised_to_the_pictures_wanted(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(picture, "--num-images", "6") == 0
    assert "raised from 4 to --num-images 6" in capsys.readouterr().err
    assert len(files_of(Path("out"))) == 6


def test_words_alone_and_own_art_are_enough(stand_in: type[StandIn]) -> None:
    art = Image.new("RGB", (40, 40), "white")
    art.paste("red", (10, 10, 30, 30))
    art.save("logo.png")
    assert generate_main(["--relation", "{subject} in  a\nring", "--subject-image", "logo.png"]) == 0
    assert stand_in.requests[0].relation == "{subject} in a ring"


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (UserError("style 'x' is unknown"), 2, "style 'x' is unknown"),
        (RunError("the device is gone"), 1, "the device is gone"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (ZeroDivisionError("a\nslip"), 1, "failed: ZeroDivisionError: a slip (--debug shows where)"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stand_in: type[StandIn],
    monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int, text: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(stand_in, "failure", failure)
    assert generate(picture) == code
    assert text in capsys.readouterr().err.strip().splitlines()[-1]
    assert files_of(tmp_path) == [picture.name]
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback(
    picture: Path, capsys: pytest.CaptureFixture[str], stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "failure", ZeroDivisionError("slip"))
    assert generate(picture) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert generate(picture, "--debug") == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("ANALOGEN_DEBUG", "1")
    assert generate(picture) == 1
    assert "Traceback" in capsys.readouterr().err


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_is_found_before_the_work(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stand_in: type[StandIn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(os, "fsync", full_disk)
    assert generate(picture) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert (stand_in.requests, files_of(tmp_path)) == ([], [picture.name])


def test_disk_that_fills_up_loses_nothing_already_made(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, calls = os.replace, []

    def replace_once(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) > 1:
            full_disk()
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_once)
    assert generate(picture, "--num-images", "3") == 1
    assert "the disk is full" in capsys.readouterr().err
    assert files_of(tmp_path / "out") == ["0000.png"]
    assert Image.open("out/0000.png").size == (64, 64)


def test_finished_files_follow_the_umask(picture: Path) -> None:
    before = os.umask(0o027)
    try:
        assert generate(picture) == 0
    finally:
        os.umask(before)
    assert Path("out/0000.png").stat().st_mode & 0o777 == 0o640


def test_reader_that_goes_away_is_no_error() -> None:
    code = """
import subprocess, sys
program = "import sys; from analogen.cli import main; sys.exit(main(['models']))"
child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
child.stdout.close()
assert child.stderr.read() == ""
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_models_and_env_answer_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["models"]
    assert rows[0]["name"] == "mini"
    assert rows[0]["cached"]
    flux = next(row for row in rows if row["name"] == "flux")
    assert flux["parts"]["transformer"] == pytest.approx(11901.4)
    assert main(["env", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["analogen"] == analogen.__version__


def test_line_of_a_refusal_shows_every_sign(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = "red\x1b[31m\nline\x07.png"
    assert generate(tmp_path / name) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert r"red\x1b[31m line\x07.png: no such file" in line


@pytest.mark.parametrize("name", ["generate", "batch"])
def test_every_option_has_a_section_of_the_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "\nOther:" not in text
    big = "Big models (mini does without these, and refuses all but the first):"
    headings = ["What:", "How many:", "Looks:", big, "Output:", "Run:"]
    assert [line for line in text.splitlines() if line in headings] == headings
    assert "_flash_3" not in text
    assert "[default: (" not in text
