"""The sets that mini's sight is tested on: logics of the catalogue made of material and by code that no training uses.

python recipes/sight_sets.py --output DIR [--openmoji FILE] [--twemoji FILE] [--stamps DIR] [--wallpapers DIR]

photographs       photographed cut-outs on photographed grounds
openmoji, twemoji the same logics with icons of two families on plain, shaded and patterned grounds
unsayable         photographs of the same material without any logic: things scattered, one alone, grounds

A folder for each, with pictures of 320 px and pictures.csv; sheet-*.webp beside it shows them all. The cut-outs and
grounds are the Debian packages tuxpaint-stamps-default and plasma-workspace-wallpapers, the icons the icons.json of
the npm packages @iconify-json/openmoji and @iconify-json/twemoji; nothing of it is part of this repository.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sight_changes
import sight_settings
from PIL import Image, ImageDraw
from sight_layouts import LAYOUTS, Layout
from sight_material import (
    STAMPS_PACKAGE,
    WALLPAPERS_PACKAGE,
    Art,
    package_folder,
    read_icons,
    read_stamps,
    read_wallpapers,
)
from sight_stage import SIDE, Box, Stage, developed, drawn_ground, jpeg_of, photographed_ground

from analogen.relsim.world.relations import RELATIONS

__all__ = ["sight_changes", "sight_settings"]  # each registers its layouts
EACH, UNSAYABLE = 12, 120
CSV = "pictures.csv"


@dataclass(frozen=True)
class Shown:
    """A picture of a set. relation: "" where there is no logic."""

    image: Image.Image
    relation: str
    subject: str
    other: str
    boxes: list[Box]


def stream(seed: int, *words: object) -> np.random.Generator:
    """A stream of its own for each picture, so that a new logic changes no other's pictures."""
    return np.random.default_rng([seed, zlib.crc32(" ".join(map(str, words)).encode())])


def subjects_for(plan: Layout, things: Sequence[Art], rng: np.random.Generator) -> list[Art]:
    """EACH subjects that suit, all different as long as there are enough."""
    suited = [thing for thing in things if plan.suits(thing)]
    order: list[Art] = []
    while len(order) < EACH:
        order += [suited[int(i)] for i in rng.permutation(len(suited))]
    return order[:EACH]


def other_for(plan: Layout, subject: Art, things: Sequence[Art], rng: np.random.Generator) -> Art:
    """A second thing of clearly another colour, as long as there is one."""
    able = [t for t in things if t.name != subject.name and (not plan.other or plan.other in t.traits)]
    apart = [t for t in able if np.linalg.norm(t.colour - subject.colour) >= 60]
    chosen = apart or able
    return chosen[int(rng.integers(len(chosen)))]


def set_of(medium: str, things: Sequence[Art], wallpapers: Sequence[Image.Image], seed: int) -> Iterator[Shown]:
    """EACH pictures of every logic. Without wallpapers they are drawn, else photographed."""
    for relation, plan in LAYOUTS.items():
        chosen = subjects_for(plan, things, stream(seed, medium, relation))
        for number, subject in enumerate(chosen):
            rng = stream(seed, medium, relation, number)
            other = other_for(plan, subject, things, rng)
            both = (subject, other)
            ground = photographed_ground(wallpapers, both, rng) if wallpapers else drawn_ground(both, rng)
            stage = Stage(ground, subject, other, rng, bool(wallpapers))
            plan.draw(stage)
            yield Shown(finished(stage.image, bool(wallpapers), rng), relation, subject.name, other.name, stage.boxes)


def finished(image: Image.Image, photographed: bool, rng: np.random.Generator) -> Image.Image:
    if not photographed:
        return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Image.open(io.BytesIO(jpeg_of(developed(image, rng), rng))).convert("RGB")


def unsayable(things: Sequence[Art], wallpapers: Sequence[Image.Image], seed: int) -> Iterator[Shown]:
    """Grounds alone, one thing anywhere, and things of different kinds scattered at random sizes."""
    for number in range(UNSAYABLE):
        rng = stream(seed, "unsayable", number)
        stage = Stage(photographed_ground(wallpapers, things[:1], rng), things[0], things[1], rng, True)
        count = 0 if number % 5 == 0 else 1 if number % 5 == 1 else int(rng.integers(3, 9))
        order = [things[int(i)] for i in rng.permutation(len(things))][:count]
        placed: list[tuple[float, float, float]] = []
        for thing in order:
            for _ in range(60):
                size = float(rng.uniform(0.25, 0.5 if "coarse" in thing.traits else 0.9))
                x, y = (float(v) for v in rng.uniform(-1 + size / 2, 1 - size / 2, 2))
                if all(np.hypot(x - a, y - b) > 0.46 * (size + c) for a, b, c in placed):
                    stage.cast["thing"] = thing
                    stage.thing(x, y, size, turn=float(rng.uniform(-35, 35)), flip=stage.coin())
                    placed.append((x, y, size))
                    break
        yield Shown(finished(stage.image, True, rng), "", "", "", stage.boxes)


def write_set(shown: Iterator[Shown], folder: Path) -> None:
    """Write the pictures of a set, the table and the sheets; pictures that were there before are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp"):
        old.unlink()
    rows, images, counts = [], [], dict[str, int]()
    for picture in shown:
        name = picture.relation or "none"
        counts[name] = counts.get(name, 0) + 1
        file = f"{name}-{counts[name]:02}.webp"
        picture.image.save(folder / file, quality=92, method=4)
        boxes = [[b.kind, *(round(v, 4) for v in list(asdict(b).values())[1:])] for b in picture.boxes]
        rows.append({
            "file": file, "relation": picture.relation,
            "caption": RELATIONS[picture.relation].caption if picture.relation else "",
            "subject": picture.subject, "other": picture.other,
            "count": sum(b.kind == "thing" for b in picture.boxes), "boxes": json.dumps(boxes),
        })  # fmt: skip
        images.append(picture.image)
    with (folder / CSV).open("w", newline="", encoding="utf-8") as file_:
        table = csv.DictWriter(file_, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    write_sheets(images, [row["file"] for row in rows], folder)


def write_sheets(images: Sequence[Image.Image], names: Sequence[object], folder: Path) -> None:
    """All pictures of a set beside its folder, a row for each logic, some ten logics a sheet."""
    cell, per = 132, EACH * 10
    for start in range(0, len(images), per):
        own = images[start : start + per]
        sheet = Image.new("RGB", (EACH * cell, (len(own) + EACH - 1) // EACH * (cell + 12)), "white")
        for i, image in enumerate(own):
            left, top = i % EACH * cell, i // EACH * (cell + 12)
            sheet.paste(image.resize((cell - 4, cell - 4), Image.Resampling.LANCZOS), (left, top + 12))
            if i % EACH == 0:
                ImageDraw.Draw(sheet).text((left + 2, top), str(names[start + i]), "black")
        sheet.save(folder.parent / f"sheet-{folder.name}-{start // per + 1}.webp", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--stamps", type=Path, help="Folder of Tux Paint's stamps; default: the package's.")
    parser.add_argument("--wallpapers", type=Path, help="Folder of Plasma's wallpapers; default: the package's.")
    parser.add_argument("--openmoji", type=Path, help="icons.json of @iconify-json/openmoji.")
    parser.add_argument("--twemoji", type=Path, help="icons.json of @iconify-json/twemoji.")
    parser.add_argument("--only", nargs="*", help="Sets to make; default: all whose material is given.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wanted = options.only or ["photographs", "unsayable", "openmoji", "twemoji"]
    if {"photographs", "unsayable"} & set(wanted):
        stamps = read_stamps(options.stamps or package_folder(STAMPS_PACKAGE, "/tuxpaint/stamps"))
        wallpapers = read_wallpapers(options.wallpapers or package_folder(WALLPAPERS_PACKAGE, "/wallpapers"))
        if "photographs" in wanted:
            write_set(set_of("photographs", stamps, wallpapers, options.seed), options.output / "photographs")
        if "unsayable" in wanted:
            write_set(unsayable(stamps, wallpapers, options.seed), options.output / "unsayable")
    for family, (name, file) in enumerate((("openmoji", options.openmoji), ("twemoji", options.twemoji))):
        if file is not None and name in wanted:
            write_set(set_of(name, read_icons(file, family), (), options.seed), options.output / name)


if __name__ == "__main__":
    main()
