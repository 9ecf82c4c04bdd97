"""References in margins, bars and phone screens are read as the pictures within, and a note says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from analogen import Generator, Request
from analogen.cli import main
from analogen.relsim.images import read_reference
from analogen.relsim.world.robustness import FRAMINGS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("mirrored_swan", "growing_cactus", "tower_of_books", "pedestal_teapot")


def framed(name: str, framing: str, folder: Path) -> Path:
    with Image.open(EXAMPLES / f"{name}.png") as image:
        import numpy as np

        pixels = FRAMINGS[framing](np.asarray(image.convert("RGB"))).pixels
    path = folder / f"{name}-{framing}.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.png")), ids=lambda path: path.stem)
def test_examples_have_no_border(path: Path) -> None:
    assert read_reference(path).notes == ()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_framed_references_are_read_as_without_the_frame(framing: str, tmp_path: Path) -> None:
    generator = Generator()
    for name in NAMES:
        wanted = Request(references=(EXAMPLES / f"{name}.png",), subject="bicycle", seed=1)
        shown = Request(references=(framed(name, framing, tmp_path),), subject="bicycle", seed=1)
        found = [generator.understand(generator.prepare(request).references).found for request in (wanted, shown)]
        assert found[1].caption == found[0].caption, name


def test_generate_tells_that_a_border_was_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = framed("mirrored_swan", "margin_20_white", tmp_path)
    assert main(["generate", "--reference", str(path), "--subject", "bicycle", "--output", str(tmp_path / "out"),
                 "--candidates", "1", "--seed", "3", "--width", "128", "--height", "128"]) == 0  # fmt: skip
    assert "a uniform border was cut" in capsys.readouterr().err
