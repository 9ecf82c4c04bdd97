"""Promises of the commands that take folders: good pictures finish, bad ones are listed last and in the JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analogen.cli import main
from analogen.relsim import embedding
from analogen.relsim.encoder import load_encoder
from analogen.relsim.vlm.model import Vlm

BAD = ("07.png", "20.jpg", "39.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures in two folders; three of them are empty, text, and cut short."""
    place = tmp_path / "photos"
    (place / "inner").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(40):
        pixels = rng.integers(0, 256, (30 + number, 60, 3), dtype=np.uint8)
        ending = "jpg" if number % 4 == 0 else "png"
        Image.fromarray(pixels).save(place / ("inner" if number % 2 else ".") / f"{number:02d}.{ending}")
    (place / "inner" / "07.png").write_bytes(b"")
    (place / "20.jpg").write_text("no picture")
    whole = (place / "inner" / "39.png").read_bytes()
    (place / "inner" / "39.png").write_bytes(whole[: len(whole) // 2])
    (place / "notes.txt").write_text("no picture, and none expected")
    return place


def check_told(seen: pytest.CaptureResult[str]) -> dict[str, object]:
    told = json.loads(seen.out)
    assert sorted(Path(row["path"]).name for row in told["refused"]) == sorted(BAD)
    for row in told["refused"]:
        reason = row["reason"]
        assert "empty" in reason or "not a picture" in reason or "truncated" in reason
    lines = seen.err.splitlines()
    assert [line for line in lines if line.startswith("not read: ")] == lines[-3:]
    assert "Traceback" not in seen.err
    return told


def test_similarity_scores_all_good_pictures_of_a_folder(
    folder: Path, picture: Path, tiny_encoder_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["similarity", str(picture), str(folder), "--encoder", str(tiny_encoder_folder), "--device", "cpu"]
    assert main([*command, "--format", "json"]) == 2
    told = check_told(capsys.readouterr())
    rows = told["scores"]
    assert isinstance(rows, list)
    good = sorted(path for path in folder.rglob("*.*g") if path.name not in BAD)
    assert [row["path"] for row in rows] == [str(path) for path in good]
    encoder = load_encoder(str(tiny_encoder_folder))
    expected = encoder.similarity(good, [picture])[:, 0]
    np.testing.assert_allclose([row["relation"] for row in rows], expected, atol=1e-3)
    assert main(command) == 2
    assert len(capsys.readouterr().out.splitlines()) == 37
    for name in BAD:
        next(folder.rglob(name)).unlink()
    assert main([*command, "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"encoder", "reference", "scores"}


def test_pictures_of_a_folder_are_not_held_in_memory_together(
    folder: Path, picture: Path, tiny_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[tuple[int, int]]] = []
    embed_images = embedding.embed_images

    def watched(encoder: embedding.RelationalEncoder, images: list[Image.Image], *more: bool) -> list[Any]:
        seen.append({image.size for image in images})
        return embed_images(encoder, images, *more)

    monkeypatch.setattr(embedding, "embed_images", watched)
    command = ["similarity", str(picture), str(folder), "--encoder", str(tiny_encoder_folder), "--device", "cpu"]
    assert main(command) == 2
    assert len(seen) == 2  # batches of 32
    assert all(sizes == {(32, 32)} for sizes in seen)  # what the tiny network looks at, not the files' sizes


@pytest.mark.parametrize("by", ["catalogue", "captioner"])
def test_captions_come_for_all_good_pictures_of_a_folder(
    by: str,
    folder: Path,
    tiny_encoder_folder: Path,
    tiny_adapter_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        Vlm, "generate", lambda self, inputs, *_, **__: ["many {subject} in a ring"] * len(inputs["input_ids"])
    )
    chosen = ["--encoder", str(tiny_encoder_folder), "--top-k", "1"]
    if by == "captioner":
        chosen = ["--captioner", str(tiny_adapter_folder), "--dtype", "float32"]
        for path in sorted(folder.rglob("*.png"))[4:-1]:  # the model looks at squares of 448 px: a few are enough
            if path.name not in BAD:
                path.unlink()
    assert main(["caption", str(folder), *chosen, "--device", "cpu", "--format", "json"]) == 2
    told = check_told(capsys.readouterr())
    rows = told["images"]
    assert isinstance(rows, list)
    good = sorted(str(path) for path in folder.rglob("*.*g") if path.name not in BAD)
    assert [row["path"] for row in rows] == good
    assert all(row["captions"] for row in rows)


def test_folder_of_bad_pictures_alone_is_one_line(
    tmp_path: Path, picture: Path, tiny_encoder_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("hello")
    (tmp_path / "bad" / "b.png").write_text("hello")
    assert main(["caption", str(tmp_path / "bad"), "--encoder", str(tiny_encoder_folder), "--device", "cpu"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.png: is not a picture" in line
    assert "(and 1 more that cannot be read)" in line
    (tmp_path / "none").mkdir()
    for command in (["similarity", str(picture)], ["caption"]):
        assert main([*command, str(tmp_path / "none")]) == 2
        assert "holds no pictures" in capsys.readouterr().err
    assert main(["similarity", str(tmp_path / "bad"), str(picture)]) == 2
    assert "is a folder, expected a file" in capsys.readouterr().err


def test_unresized_is_the_authors_way_of_looking(
    picture: Path, tmp_path: Path, tiny_qwen_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    Image.fromarray(rng.integers(0, 256, (70, 210, 3), dtype=np.uint8)).save(tmp_path / "wide.png")
    command = ["similarity", str(picture), str(tmp_path / "wide.png"), "--device", "cpu", "--format", "json"]
    scores = []
    for more in ([], ["--unresized"]):
        assert main([*command, "--encoder", str(tiny_qwen_folder), "--dtype", "float32", *more]) == 0
        scores.append(json.loads(capsys.readouterr().out)["scores"][0]["relation"])
    assert scores[0] != scores[1]
    encoder = load_encoder(str(tiny_qwen_folder), "cpu", "float32", True)
    assert scores[1] == pytest.approx(float(encoder.similarity([picture], [tmp_path / "wide.png"])[0, 0]), abs=1e-3)
    assert main([*command, "--unresized"]) == 2
    assert "--unresized is for encoders on Qwen2.5-VL" in capsys.readouterr().err
