"""Make the references of the benchmark of analogies in benchmarks/analogies: 300 pictures with logic and structure.

    python recipes/make_analogies_benchmark.py [--output benchmarks/analogies] [--sheets DIR]

drawn          relations of the catalogue, drawn by the world: subjects that no training draws, hard placements
photographed   the same relations by the world's photographer: Fluent Emoji 3D on grounds made by rules
composed       logics of the grammar that no training draws, without a name; half of them photographed
laid out       layouts of recipes/sight_layouts.py, whose code is not the world's; half of them photographed

Writes references/, references.jsonl, manifest.csv (for `analogen batch`) and the licences; --sheets writes contact
sheets. Everything is drawn from a fixed seed. It takes about two minutes.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sight_changes
import sight_settings
from numpy.random import Generator
from PIL import Image
from sight_layouts import LAYOUTS
from sight_material import Art, art_of, trimmed
from sight_sets import finished, other_for, write_sheets
from sight_stage import WORK, Stage, clear_of, drawn_ground

from analogen.evaluation.reference_facts import facts_of_reading
from analogen.relsim.mini.reading import reading_of
from analogen.relsim.vlm.prompts import fill
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.dataset import Selection, draw_sample, held_out_selection
from analogen.relsim.world.grammar import Composition, held_out_compositions
from analogen.relsim.world.grounds import Grounds
from analogen.relsim.world.photographs import photograph
from analogen.relsim.world.relations import RELATIONS, Relation
from analogen.relsim.world.render import SceneArt, render
from analogen.relsim.world.scene import Element, Scene, to_json

__all__ = ["sight_changes", "sight_settings"]  # each registers its layouts
SEED, SIDE = 2026, 320
COUNTS = {"drawn": 110, "photographed": 80, "composed": 60, "laid out": 50}
QUALITY = 88  # of the WebP files
LEAST_PX = 26  # of the middle one of a reference's things: smaller ones are nothing to judge by
TRIES = 40
PLAIN = 3  # of so many logics without a name one has a setting, such as a heart around it
# Things of Fluent Emoji 3D that stand in the layouts, with the traits that these ask for (see sight_material.Art).
THINGS = {
    "elephant": "left head back", "lion": "head round", "teapot": "left head", "frog": "head round", "rose": "head",
    "fire engine": "left back flat", "tangerine": "head round", "duck": "left head back", "chestnut": "head round",
    "owl": "head", "turtle": "right back flat", "snail": "left back", "cactus": "head", "cat": "left back",
    "rocket": "right slant", "bicycle": "left", "penguin": "head", "mushroom": "head", "crab": "round",
    "house": "head", "strawberry": "head round", "robot": "head", "pig": "left back", "cow": "left back",
    "vase": "head", "trophy": "head", "alarm clock": "head", "cupcake": "head",
}  # fmt: skip
LICENCES = ("LICENSE-fluent.txt", "LICENSE-noto.txt")


@dataclass(frozen=True)
class Made:
    """A reference. relation: "" for a logic without a name; scene: as it was drawn, of a layout the places alone."""

    image: Image.Image
    manner: str
    relation: str
    logic: str
    shown: str
    shown_other: str
    scene: Scene
    photographed: bool
    composition: str = ""


def stream(*words: object) -> Generator:
    """A stream of its own for each picture, so that a new one changes no other."""
    return np.random.default_rng([SEED, zlib.crc32(" ".join(map(str, words)).encode())])


def pictured() -> Selection:
    """Held-out subjects that have a picture in 3D."""
    library, plain = ArtLibrary.shipped(), held_out_selection()
    with_picture = set(library.nouns(style="3d"))
    nouns = tuple(noun for noun in plain.subjects if noun in with_picture)
    return Selection(nouns, nouns, plain.styles)


def shot(scene: Scene, rng: Generator) -> Image.Image:
    """The scene photographed, its things played by Fluent Emoji 3D."""
    library = ArtLibrary.shipped()
    cast = SceneArt(library, library.icon(scene.subject, "3d"), library.icon(scene.other, "3d"))
    return Image.fromarray(photograph(scene, cast, Grounds().draw(SIDE, rng), rng, SIDE))


def middle_px(scene: Scene) -> float:
    """The side in pixels of the middle one of a scene's things, by size."""
    return float(np.median([thing.size for thing in scene.things])) * scene.frame.scale * SIDE / 2


def of_relation(relation: Relation, manner: str, number: int, photographed: bool) -> Made:
    selection = pictured() if photographed else held_out_selection(held_out_style=number % 2 == 1)
    for attempt in range(TRIES):
        rng = stream(manner, relation.id, number, attempt)
        sample = draw_sample(relation, selection, rng)
        if middle_px(sample.scene) >= LEAST_PX:
            break
    image = shot(sample.scene, rng) if photographed else Image.fromarray(render(sample.scene, SIDE))
    named = relation.id if relation.id in RELATIONS else ""
    other = sample.other if relation.needs_other else ""
    composition = "" if named else relation.id
    return Made(image, manner, named, relation.caption, sample.subject, other, sample.scene, photographed, composition)


def relations(manner: str) -> Iterator[Made]:
    order = sorted(RELATIONS)
    for number in range(COUNTS[manner]):
        yield of_relation(RELATIONS[order[number % len(order)]], manner, number, manner == "photographed")


def compositions() -> Iterator[Made]:
    """Held-out logics, each arrangement about as often."""
    known, manner = list(held_out_compositions()), "composed"
    rng = stream(manner)
    groups: dict[bool, dict[str, list[Composition]]] = {True: {}, False: {}}
    for composition in (known[int(i)] for i in rng.permutation(len(known))):
        own = groups[composition.setting == "none"]
        own.setdefault(composition.arrangement, []).append(composition)
    plain, set_ = (in_turn(groups[is_plain]) for is_plain in (True, False))
    chosen = [next(set_ if number % PLAIN == 0 else plain) for number in range(COUNTS[manner])]
    for number, composition in enumerate(chosen):
        yield of_relation(composition.relation(), manner, number, number % 2 == 1)


def in_turn(groups: dict[str, list[Composition]]) -> Iterator[Composition]:
    """One of each group by name, then the next of each, until none is left."""
    rounds = itertools.zip_longest(*(groups[name] for name in sorted(groups)))
    return (composition for own in rounds for composition in own if composition is not None)


def layouts() -> Iterator[Made]:
    library, manner = ArtLibrary.shipped(), "laid out"
    things = [
        art_of(name, trimmed(Image.fromarray(library.icon(name, "3d").pixels(400))), traits)
        for name, traits in THINGS.items()
    ]
    order = sorted(LAYOUTS)
    for number in range(COUNTS[manner]):
        relation = order[number % len(order)]
        plan, rng, photographed = LAYOUTS[relation], stream(manner, relation, number), number % 2 == 1
        suited = [thing for thing in things if plan.suits(thing)]
        subject = suited[int(rng.integers(len(suited)))]
        other = other_for(plan, subject, things, rng)
        both = (subject, other)
        stage = Stage(
            made_ground(both, rng) if photographed else drawn_ground(both, rng), subject, other, rng, photographed
        )
        plan.draw(stage)
        elements = tuple(
            Element("subject" if box.kind == "thing" else "other", 2 * box.x - 1, 2 * box.y - 1, 2 * box.size)
            for box in stage.boxes
        )
        scene = Scene(elements, subject=subject.name, other=other.name, style="3d")
        shows_other = other.name if RELATIONS[relation].needs_other else ""
        image = finished(stage.image, photographed, rng)
        yield Made(image, manner, relation, RELATIONS[relation].caption, subject.name, shows_other, scene, photographed)


def made_ground(things: tuple[Art, Art], rng: Generator) -> Image.Image:
    """Of several grounds made by rules, one that the things stand out from."""
    grounds = [Grounds().draw(WORK, rng) for _ in range(5)]
    return Image.fromarray(grounds[clear_of([ground.mean((0, 1)) for ground in grounds], things)])


def asked(made: Made, rng: Generator) -> tuple[str, str]:
    """The subject of the result, and the other thing where the logic has one: not what the reference shows."""
    library, nouns = ArtLibrary.shipped(), held_out_selection().subjects
    used = {library.group(name) for name in (made.shown, made.shown_other or made.shown)}
    free = [noun for noun in nouns if library.group(noun) not in used]
    subject, other = (str(noun) for noun in rng.choice(free, 2, replace=False))
    while library.group(subject) == library.group(other):
        subject, other = (str(noun) for noun in rng.choice(free, 2, replace=False))
    return subject, other if "{other}" in made.logic else ""


def row_of(made: Made, id: str) -> dict[str, Any]:
    subject, other = asked(made, stream("asked", id))
    by_places = made.manner == "laid out"  # nothing but the places is known: no turns, no props
    facts = facts_of_reading(reading_of(made.scene), "" if by_places else made.relation)
    if by_places:
        facts = {name: value for name, value in facts.items() if name in ("things", "arrangement")}
    return {
        "id": id, "file": f"references/{id}.webp", "manner": made.manner, "photographed": made.photographed,
        "relation": made.relation, "composition": made.composition, "logic": made.logic, "shows": made.shown,
        "shows_other": made.shown_other, "subject": subject, "other": other,
        "prompt": fill(made.logic, subject, other or None), "structure": facts,
        "scene": json.loads(to_json(made.scene)),
    }  # fmt: skip


def write_benchmark(output: Path, sheets: Path | None) -> None:
    folder = output / "references"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp"):
        old.unlink()
    rows, images = [], []
    for sources in (relations("drawn"), relations("photographed"), compositions(), layouts()):
        for number, made in enumerate(sources, start=1):
            id = f"{made.manner.replace(' ', '-')}-{number:03}"
            row = row_of(made, id)
            made.image.save(output / row["file"], quality=QUALITY, method=6)
            rows.append(row)
            images.append(made.image)
    lines = (json.dumps(row, separators=(",", ":")) for row in rows)
    (output / "references.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (output / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "reference", "subject", "other"])
        table.writerows([row["id"], row["file"], row["subject"], row["other"]] for row in rows)
    art = Path(__file__).parents[1] / "relsim/world/art"
    for name in LICENCES:
        shutil.copyfile(art / name, output / name)
    total = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{len(rows)} references, {sum(bool(row['structure']) for row in rows)} with structure; {total / 1e6:.1f} MB")
    if sheets is not None:
        write_sheets(images, [row["id"] for row in rows], sheets / "references")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/analogies"))
    parser.add_argument("--sheets", type=Path, help="Folder for contact sheets.")
    options = parser.parse_args()
    write_benchmark(options.output, options.sheets)


if __name__ == "__main__":
    main()
