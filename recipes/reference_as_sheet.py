"""Draw docs/images/reference_as.webp and the pictures of the roles: what a model sees of a reference.

python recipes/reference_as_sheet.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from analogen.generator import Generator
from analogen.pipelines.diffusion.flattened import flattened
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Element, Scene
from analogen.types import Request

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "examples" / "ring_of_owls.png"
SIDE_PX, GAP_PX = 320, 12


def main() -> None:
    with Image.open(REFERENCE) as file:
        reference = file.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    generator = Generator()
    request = Request(
        references=(REFERENCE,), subject="bicycle", seed=1, candidates=4, width=SIDE_PX, height=SIDE_PX, device="cpu"
    )  # fmt: skip
    drawing = generator.run(request).candidates[0].image
    alone = Scene((Element("subject", 0, 0, 1.5),), subject="bicycle")
    bicycle = Image.fromarray(render(alone, SIDE_PX, SIDE_PX))
    pictures = [reference, flattened(reference), drawing]
    sheet = Image.new("RGB", (3 * SIDE_PX + 2 * GAP_PX, SIDE_PX), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number * (SIDE_PX + GAP_PX), 0))
    images = ROOT / "docs" / "images"
    sheet.save(images / "reference_as.webp", quality=85)
    style = reference.resize((6, 6), Image.Resampling.BOX).resize((96, 96), Image.Resampling.NEAREST)
    for name, picture in (("reference", reference), ("style", style), ("subject", bicycle)):
        picture.resize((96, 96), Image.Resampling.LANCZOS).save(images / f"role_{name}.webp", quality=85)


if __name__ == "__main__":
    main()
