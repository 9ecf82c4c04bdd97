"""Promises of --dry-run: it refuses what the run would refuse, and shows the plan. And of options given again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from analogen import Request, UserError
from analogen.cli import generate_main, main
from analogen.generator import Generator
from analogen.preflight import check_loadable

BASE = ("--relation", "{subject} in a ring", "--subject", "bicycle")
no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--style", "watercolor"), "--style is 'watercolor': mini draws in fluent-flat, noto"),
        (("--style", "Noto"), "--style is 'Noto': mini draws in"),
        pytest.param(("--device", "cuda"), "--device is 'cuda', and torch sees 0 CUDA devices", marks=no_cuda),
        (("--subject-image", "text.svg"), "text.svg"),
        (("--subject-image", "wide.png"), "wide.png"),
        (("--model", "sdxl"), "not wholly in the cache"),
        (("--model", "org/model", "--encoder", "nowhere/at/all"), "not wholly in the cache"),
        (("--model", "MODEL", "--encoder", "nowhere/at/all"), "--encoder nowhere/at/all: no such file or folder"),
        (("--model", "MODEL", "--lora", "style.safetensors"), "--lora style.safetensors: no such file or folder"),
        (("--model", "MODEL", "--adapter", "gone"), "gone: no such folder"),
        (("--model", "MODEL", "--layout", "--control", "depth"), "not wholly in the cache"),
        (("--model", "MODEL", "--cpu-offload", "sequential", "--device", "cpu"), "leave one of them out"),
    ],
)
def test_a_dry_run_refuses_what_the_run_refuses(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    Path("text.svg").write_text("no drawing")
    Image.new("RGBA", (40, 40)).save("wide.png")  # nothing to be seen in it
    Path("model").mkdir()
    Path("model/model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    options = tuple("model" if option == "MODEL" else option for option in options)
    for more in (("--dry-run",), ()):
        assert generate_main([*BASE, *options, *more]) == 2
        seen = capsys.readouterr()
        assert message in seen.err
        assert seen.err.count("\n") == 1
        assert seen.out == ""


def test_an_unknown_style_is_refused_in_python_and_tables_too() -> None:
    with pytest.raises(UserError, match="--style is 'watercolor'"):
        Request(relation="any", subject="any", style="watercolor")
    Path("rows.csv").write_text("relation,subject,style\nany,owl,noto\nany,owl,oil\n")
    assert main(["batch", "rows.csv", "--output", "made", "--dry-run"]) == 2


def test_a_dry_run_of_a_batch_finds_files_that_are_no_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.png").write_text("no picture")
    Path("rows.csv").write_text("reference,subject\na.png,owl\n")
    assert main(["batch", "rows.csv", "--output", "made", "--dry-run"]) == 2
    assert "line 2: a.png: is not a picture" in capsys.readouterr().err


@no_cuda
def test_a_batch_refuses_a_missing_device_before_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_text("relation,subject\nany,owl\n")
    for more in ((), ("--dry-run",)):
        assert main(["batch", "rows.csv", "--output", "made", "--device", "cuda", *more]) == 2
        assert "torch sees 0 CUDA devices" in capsys.readouterr().err
    assert not Path("made").exists()


def test_the_plan_shows_subject_other_style_size_and_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--other", "ladybug", "--style", "noto", "--width", "640", "--height", "320", "--seed", "7")
    assert generate_main([*BASE, *options, "--candidates", "2", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "subject bicycle, other ladybug, style noto",
        "seed 7  640 x 320  mini (composer and renderer)",
        "seed 8  640 x 320  mini (composer and renderer)",
        f"to {Path('out/0000.png')}",
    ]
    assert generate_main([*BASE, *options, "--candidates", "2", "--dry-run", "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["subject"], plan["other"], plan["style"]) == ("bicycle", "ladybug", "noto")
    assert (plan["width"], plan["height"], plan["seeds"]) == (640, 320, [7, 8])
    assert [row["seed"] for row in plan["rows"]] == [7, 8]


def test_each_repeated_subject_gets_pictures_of_its_own(
    tiny_shipped: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr(
        Generator, "run", lambda self, request, *_, run=Generator.run: loaded.append(self) or run(self, request)
    )
    small = ("--width", "64", "--height", "64", "--steps", "2", "--seed", "3", "--format", "json")
    arguments = (*BASE, "--subject", "teapot", "--num-images", "2", "--candidates", "2", *small)
    assert generate_main([*arguments, "--dry-run"]) == 0
    plans = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert generate_main(arguments) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["subject"] for row in rows] == [plan["subject"] for plan in plans] == ["bicycle", "teapot"]
    made = [[image["path"] for image in row["images"]] for row in rows]
    assert made == [plan["outputs"] for plan in plans]
    assert made == [[str(Path(f"out/000{n}.png")) for n in pair] for pair in ((0, 1), (2, 3))]
    assert len({id(one) for one in loaded}) == 1, "the model is loaded once"


def test_options_that_are_given_again_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_main([*BASE, "--seed", "1", "--seed", "2", "--dry-run"]) == 0
    seen = capsys.readouterr()
    assert seen.err == "note: --seed was given 2 times: the last one, 2, is used\n"
    assert "seed 2 " in seen.out
    assert generate_main([*BASE, "--relation", "in a row", "--dry-run"]) == 2
    assert "--relation was given 2 times: say the logic in one text" in capsys.readouterr().err
    assert generate_main([*BASE, "--subject", "bicycle", "--dry-run"]) == 0
    assert "--subject 'bicycle' was given 2 times: it is made once" in capsys.readouterr().err


def test_checks_of_mini_load_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analogen.relsim.encoder.load_encoder", None)
    check_loadable(Request(relation="any", subject="owl", device="cpu"))
