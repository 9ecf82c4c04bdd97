"""`analogen read`: scenes of pictures on the command line, with a tiny encoder that has a dense head."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import analogen
from analogen.cli import main
from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    net = MiniNet(MiniConfig(image_size=64, trunk="efficientnet-lite0", dense_dim=8, dim=32, depth=1, heads=2))
    with torch.no_grad():
        net.dense_head.out.bias[:1] = 0.0  # finds things everywhere
    folder = tmp_path_factory.mktemp("encoder")
    net.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    scene = draw_sample(RELATIONS["ring"], training_selection(), np.random.default_rng(0)).scene
    path = tmp_path / "ring.png"
    Image.fromarray(render(scene, 128, 96)).save(path)
    return path


def test_one_picture_gives_a_sentence_a_scene_a_drawing_and_an_overlay(
    encoder: str, ring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, svg, boxes = (tmp_path / name for name in ("scene.json", "scene.svg", "boxes.png"))
    options = ["--output", str(scene), "--svg", str(svg), "--overlay", str(boxes), "--encoder", encoder]
    assert main(["read", str(ring), *options]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    reading = analogen.reading_from_json(scene.read_text())
    assert reading.count > 0
    assert out == f"{reading.sentence}  (certainty {reading.certainty:.2f})\n"
    assert reading == analogen.read_scene(ring, encoder)
    assert svg.read_text().startswith("<svg")
    assert Image.open(boxes).width >= 640


def test_several_pictures_go_to_a_folder_and_json_lists_them(
    encoder: str, ring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (90, 90), "white").save(blank)
    (tmp_path / "more").mkdir()
    again = tmp_path / "more" / "ring.png"
    again.write_bytes(ring.read_bytes())
    out = tmp_path / "out"
    assert main(["read", str(ring), str(blank), str(again), "--output", str(out), "--encoder", encoder,
                 "--format", "json"]) == 0  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in out.iterdir()) == ["blank.json", "ring-2.json", "ring.json"]
    assert [row["path"] for row in told["images"]] == [str(ring), str(blank), str(again)]
    assert told["images"][1]["sentence"] == "nothing to read: it is blank"
    assert told["images"][1]["certainty"] == 0
    assert told["images"][0]["scene"] == json.loads((out / "ring.json").read_text())


def test_an_encoder_without_a_dense_head_is_told_what_to_do(
    ring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    MiniNet(MiniConfig(image_size=32, dim=32, heads=2, depth=1)).save_pretrained(tmp_path / "old")
    assert main(["read", str(ring), "--encoder", str(tmp_path / "old")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "cannot read scenes" in error
    assert "--encoder" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.png"], "no such file"),
        (["ring.png", "blank.png", "--output", "ring.png"], "name a folder"),
        (["ring.png", "--encoder", "nothing-of-the-kind"], "unknown encoder"),
        (["ring.png", "--device", "abacus"], "device"),
        ([], "Missing argument"),
    ],
)
def test_bad_use_is_refused_in_one_line(
    ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (90, 90), "white").save("blank.png")
    assert main(["read", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_a_broken_picture_of_a_folder_stops_nothing(
    encoder: str, ring: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    assert main(["read", str(tmp_path), "--encoder", encoder]) == 2
    streams = capsys.readouterr()
    assert "ring.png: " in streams.out
    assert "not read: " in streams.err
