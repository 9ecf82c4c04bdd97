"""Make the contact sheets of what mini does with pictures by others.

python recipes/make_logic_sheets.py [--output docs/images] [--only photographs unknown edits]

photographs  Photographs, what was read in them, and three analogies each.
unknown      Arrangements that follow no rule, their readings, and pictures that keep the arrangement.
edits        A reference, its reading edited by hand, and what is made of both.

Photographs are composed by the world's code from the 3D art of the library on procedural grounds, whose licence
allows to show them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from analogen import Generator, Request, read_scene, reading_to_json
from analogen.contact_sheet import Cell, contact_sheets
from analogen.relsim.mini.reading.overlay import overlay
from analogen.relsim.mini.reading.scene_reading import described
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.dataset import draw_sample, held_out_selection
from analogen.relsim.world.grounds import Grounds
from analogen.relsim.world.photographs import photograph
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import SceneArt, render
from analogen.relsim.world.scene import Background, Element, Scene

TREE = Path(__file__).resolve().parents[1]
PICTURE_PX = 448
PHOTOGRAPHED = (  # relation, the two things
    ("ring", "owl", "key"),
    ("growth_stages", "cactus", "leaf"),
    ("odd_one_out", "duck", "teapot"),
    ("water_reflection", "swan", "leaf"),
    ("tower", "books", "key"),
    ("pedestal", "trophy", "key"),
)
SUBJECTS = (("bicycle", "noto"), ("tulip", "fluent-flat"), ("rocket", "3d"))


def made(generator: Generator, subject: str, style: str | None, seed: int = 7, **asked: object) -> Image.Image:
    request = Request(
        subject=subject, style=style, seed=seed, candidates=8, width=PICTURE_PX, height=PICTURE_PX,
        **asked,  # type: ignore[arg-type]
    )  # fmt: skip
    return generator.run(request).candidates[0].image


def photographs(generator: Generator, folder: Path) -> list[Cell]:
    cells: list[Cell] = []
    library = ArtLibrary.shipped()
    for number, (relation, subject, other) in enumerate(PHOTOGRAPHED):
        rng = np.random.default_rng([30, number])
        sample = draw_sample(RELATIONS[relation], held_out_selection(), rng, hard=False)
        art = SceneArt(library, library.icon(subject, "3d"), library.icon(other, "3d"))
        side = PICTURE_PX
        image = Image.fromarray(photograph(sample.scene, art, Grounds().draw(side, rng), rng, side))
        path = folder / f"{relation}.png"
        image.save(path)
        results = [
            Cell(made(generator, name, style, references=(path,)), f"{name}, {style}") for name, style in SUBJECTS
        ]
        reading = read_scene(path)
        cells += [Cell(image, f"photograph: {subject}"), Cell(overlay(image, reading), "what is read in it"), *results]
    return cells


def unknown(generator: Generator, folder: Path) -> list[Cell]:
    cells: list[Cell] = []
    for number, scene in enumerate(arrangements()):
        image = Image.fromarray(render(scene, PICTURE_PX))
        path = folder / f"unknown-{number}.png"
        image.save(path)
        reading = read_scene(path)
        results = [
            Cell(made(generator, name, style, references=(path,)), f"{name}, {style}") for name, style in SUBJECTS
        ]
        cells += [Cell(image, "reference"), Cell(overlay(image, reading), "what is read in it"), *results]
    return cells


def arrangements() -> list[Scene]:
    """Scenes of no logic that mini knows: letters, a smile, a cross of large and small things, a bow."""

    def scene(points: Sequence[tuple[float, float, float, str]], subject: str, other: str) -> Scene:
        things = tuple(Element(kind, x, y, size) for x, y, size, kind in points)
        return Scene(things, background=Background("plain", "#f3ead9"), subject=subject, other=other)

    letter = [(-0.6, y, 0.3, "subject") for y in (-0.7, -0.35, 0, 0.35, 0.7)]
    letter += [(x, 0.7, 0.3, "subject") for x in (-0.2, 0.2, 0.6)]
    angles = np.radians(np.linspace(20, 160, 7))
    smile = [(0.75 * float(np.cos(a)), 0.75 * float(np.sin(a)) - 0.05, 0.28, "subject") for a in angles]
    smile += [(-0.35, -0.45, 0.42, "other"), (0.35, -0.45, 0.42, "other")]
    cross = [(0.0, 0.0, 0.6, "other")]
    cross += [(x, y, 0.3, "subject") for x, y in ((-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7), (0.7, 0.7))]
    cross += [(x, y, 0.2, "subject") for x, y in ((-0.38, -0.38), (0.38, -0.38), (-0.38, 0.38), (0.38, 0.38))]
    stairs = [(-0.75 + 0.3 * i, 0.7 - 0.3 * i, 0.26, "subject") for i in range(5)]
    stairs += [(0.75, -0.75, 0.3, "other")]
    return [
        scene(letter, "star", "key"), scene(smile, "clover", "sun"), scene(cross, "leaf", "sunflower"),
        scene(stairs, "snail", "castle"),
    ]  # fmt: skip


def edits(generator: Generator, folder: Path) -> list[Cell]:
    cells: list[Cell] = []
    examples = TREE / "examples"

    def smaller_by_turns(things: list[Element]) -> list[Element]:
        return [replace(e, size=e.size * (0.6 if i % 2 else 1.15)) for i, e in enumerate(things)]

    def one_odd(things: list[Element]) -> list[Element]:
        return [replace(e, kind="other") if i == len(things) // 2 else e for i, e in enumerate(things)]

    change: Callable[[list[Element]], list[Element]]
    for name, subject, change, told in (
        ("ring_of_owls", "bicycle", smaller_by_turns, "every second one smaller"),
        ("odd_duck", "tulip", one_odd, "the one in the middle marked as odd"),
    ):
        path = examples / f"{name}.png"
        reading = read_scene(path)
        things = change(list(reading.scene.things))
        scene = replace(reading.scene, elements=tuple(things))
        count = len(things)
        groups = tuple(0 if e.kind == "subject" else 1 for e in things)
        edited = described(replace(reading, scene=scene, confidences=(1.0,) * count, groups=groups))
        file = folder / f"{name}.json"
        file.write_text(reading_to_json(edited), encoding="utf-8")
        with Image.open(path) as image:
            cells += [
                Cell(image.convert("RGB"), "reference"), Cell(overlay(image, reading), "what is read in it"),
                Cell(made(generator, subject, None, references=(path,)), subject),
                Cell(overlay(image, edited), told),
                Cell(made(generator, subject, None, scene=file, structure_scale=1.0), f"{subject}, edited"),
            ]  # fmt: skip
    return cells


SHEETS: dict[str, Callable[[Generator, Path], list[Cell]]] = {
    "photographs": photographs, "unknown": unknown, "edits": edits,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TREE / "docs" / "images")
    parser.add_argument("--only", nargs="*", choices=list(SHEETS), default=list(SHEETS))
    options = parser.parse_args()
    generator = Generator(device="cpu")
    with tempfile.TemporaryDirectory() as name:
        for sheet in options.only:
            (page,) = contact_sheets(SHEETS[sheet](generator, Path(name)), columns=5)
            path = options.output / f"sheet_{sheet}.webp"
            page.save(path, "WEBP", quality=84, method=6)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
