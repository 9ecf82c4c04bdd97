"""What the shipped encoder makes of pictures that are hard to see, and of those that there is nothing to see in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from analogen import Generator, Request
from analogen.conditioning import LOW_CONFIDENCE, Conditioning, encode_relations
from analogen.relsim.world.robustness import SPOILINGS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("ring_of_owls", "mirrored_swan")
PAGE = "The quick brown fox jumps over a lazy dog, and then it sleeps in the sun for an hour or two, until it rains."


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator()


def understood(generator: Generator, image: Image.Image, folder: Path) -> Conditioning:
    path = folder / "reference.png"
    image.save(path)
    prepared = generator.prepare(Request(references=(path,), subject="bicycle", seed=1))
    return encode_relations([(prepared.references, None)], generator.encoder, read=True)[0]


def example(name: str) -> Image.Image:
    with Image.open(EXAMPLES / f"{name}.png") as image:
        return image.convert("RGB")


def written() -> Image.Image:
    page = Image.new("RGB", (420, 300), "white")
    draw = ImageDraw.Draw(page)
    for row in range(8):
        draw.text((20, 20 + 26 * row), PAGE[5 * row : 5 * row + 32], "black", ImageFont.load_default(17))
    return page


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image.new("RGB", (200, 200), "white"), "it is blank"),
        (Image.new("RGB", (200, 100), (12, 40, 90)), "it is blank"),
        (Image.new("RGBA", (200, 200), (255, 0, 0, 0)), "it is blank"),
        (Image.new("RGB", (8, 8), "red"), "it is blank"),
        (example("ring_of_owls").resize((8, 8)), "no thing was found in it"),
        (written(), "it shows text alone"),
    ],
    ids=["white", "navy", "transparent", "8 px of red", "8 px of a ring", "text"],
)
def test_where_there_is_nothing_to_see_one_line_says_so(
    generator: Generator, image: Image.Image, reason: str, tmp_path: Path
) -> None:
    found = understood(generator, image, tmp_path)
    assert found.found.confidence < LOW_CONFIDENCE
    assert found.reading is None
    (note,) = found.notes
    assert note.startswith(f"nothing to read: {reason}")
    assert "--relation" in note
    assert "\n" not in note


def test_noise_is_not_read_with_confidence(generator: Generator, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    assert understood(generator, Image.fromarray(pixels), tmp_path).found.confidence < LOW_CONFIDENCE


@pytest.mark.parametrize("name", NAMES)
def test_spoilt_references_are_read_as_they_were(generator: Generator, name: str, tmp_path: Path) -> None:
    """Grey, fax, tilted, dim, noisy, watermarked, at 48 px and cropped; a fax of the pale swan shows half of it."""
    whole = example(name)
    wanted = understood(generator, whole, tmp_path).found.caption
    found = {
        spoiling: understood(generator, Image.fromarray(spoil(np.asarray(whole)).pixels), tmp_path).found.caption
        for spoiling, spoil in SPOILINGS.items()
        if (name, spoiling) != ("mirrored_swan", "fax")
    }
    assert {spoiling: caption for spoiling, caption in found.items() if caption != wanted} == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["thumbnail of 48 px", "grey file", "transparent ground"])
def test_small_grey_and_cut_out_files_are_read_as_they_were(
    generator: Generator, name: str, mode: str, tmp_path: Path
) -> None:
    whole = example(name)
    image = whole
    if mode == "thumbnail of 48 px":
        image = whole.resize((48, 48), Image.Resampling.LANCZOS)
    elif mode == "grey file":
        image = whole.convert("L")
    else:
        ground = np.abs(np.asarray(whole).astype(int) - whole.getpixel((2, 2))).max(-1) < 12
        image = whole.copy()
        image.putalpha(Image.fromarray(np.where(ground, 0, 255).astype(np.uint8)))
    found = understood(generator, image, tmp_path).found
    assert found.caption == understood(generator, whole, tmp_path).found.caption
    assert found.confidence > LOW_CONFIDENCE
