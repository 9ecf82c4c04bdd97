"""Evaluates relations given as words, and relations that are added, blended and subtracted, by the checkers."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from analogen.composition import compose_scenes
from analogen.conditioning import Conditioning, encode_relations
from analogen.contact_sheet import Cell, contact_sheets
from analogen.evaluation.analogy import REFERENCE_PX, ROWS_PER_PASS, SHEET_ROWS, Task, candidate_plan, draw_tasks
from analogen.evaluation.labelled_tables import read_labelled
from analogen.generator import PREVIEW_PX, Generator, draw_scene
from analogen.pipelines.relation_arithmetic import combine_relations
from analogen.relsim.world.dataset import held_out_selection, trained_relations
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import SceneArt
from analogen.relsim.world.scene import Scene
from analogen.scoring import Vectors


@dataclass(frozen=True)
class Mixture:
    """What one picture is made from.

    first, second  Ids of the relations; second is "" if there is one only.
    shown          The inputs, for the contact sheet.
    """

    task: Task
    first: str
    second: str
    conditioning: Conditioning
    shown: tuple[Image.Image, ...]


def read_paraphrases(table: Path) -> list[tuple[str, str]]:
    """Read (relation, text) pairs from a table. Raises UserError."""
    return [(row["relation"], row["text"]) for row in read_labelled(table, ("text",))]


def run_text_relations(
    table: Path, rows: int = 200, seed: int = 0, device: str = "auto", output: Path = Path("out/words")
) -> Iterator[dict[str, object]]:
    """One sample each of: words alone, a picture and words, two pictures, a picture minus the words of its relation.

    table: paraphrases that were not used in training. Writes a contact sheet of each.
    """
    paraphrases = read_paraphrases(table)
    generator = Generator(device=device)
    output.mkdir(parents=True, exist_ok=True)
    # In steps of a prime, so that a few rows also cover many relations.
    paraphrases = [paraphrases[(37 * i) % len(paraphrases)] for i in range(min(rows, len(paraphrases)))]
    first = draw_tasks(trained_relations(), held_out_selection(), rows, seed)
    second = draw_tasks(trained_relations()[::-1], held_out_selection(), rows, seed + 1)
    inputs: dict[str, Callable[[], list[Mixture]]] = {
        "words": lambda: _from_words(paraphrases, generator, seed),
        "picture and words": lambda: _added(first, second, generator),
        "two pictures": lambda: _blended(first, second, generator),
        "picture less its words": lambda: _subtracted(first, generator),
    }
    for name, make in inputs.items():
        mixtures = make()
        scenes = _compose(mixtures, generator, seed)
        hold = [(_holds(m.first, s), _holds(m.second, s)) for m, s in zip(mixtures, scenes, strict=True)]
        kept = np.array(hold, bool)
        line: dict[str, object] = {"way": name, "rows": len(kept), "first": _share(kept[:, 0])}
        if name == "words":
            right = [m.conditioning.found.caption == RELATIONS[m.first].caption for m in mixtures]
            line |= {"read_right": _share(np.array(right))}
        if mixtures[0].second:
            line |= {"second": _share(kept[:, 1]), "either": _share(kept.any(1)), "both": _share(kept.all(1))}
        yield line
        _write_sheet(mixtures, scenes, generator, output / f"{name.replace(' ', '-')}.png")


def _from_words(paraphrases: Sequence[tuple[str, str]], generator: Generator, seed: int) -> list[Mixture]:
    rng, nouns = np.random.default_rng([seed, 44]), held_out_selection().subjects
    found = encode_relations([((), text) for _, text in paraphrases], generator.encoder)
    mixtures = []
    for (relation, text), conditioning in zip(paraphrases, found, strict=True):
        subject, other = (str(noun) for noun in rng.choice(nouns, 2, replace=False))
        card = text_card(text)
        task = Task(relation, card, "", subject, other, str(rng.choice(held_out_selection().styles)))
        mixtures.append(Mixture(task, relation, "", conditioning, (card,)))
    return mixtures


def _added(first: Sequence[Task], second: Sequence[Task], generator: Generator) -> list[Mixture]:
    words = [RELATIONS[b.relation].caption for b in second]
    queries = [((a.reference,), text) for a, text in zip(first, words, strict=True)]
    return [
        Mixture(a, a.relation, b.relation, found, (a.reference, text_card(text)))
        for a, b, text, found in zip(first, second, words, encode_relations(queries, generator.encoder), strict=True)
    ]


def _blended(first: Sequence[Task], second: Sequence[Task], generator: Generator) -> list[Mixture]:
    queries = [((a.reference, b.reference), None) for a, b in zip(first, second, strict=True)]
    return [
        Mixture(a, a.relation, b.relation, found, (a.reference, b.reference))
        for a, b, found in zip(first, second, encode_relations(queries, generator.encoder), strict=True)
    ]


def _subtracted(first: Sequence[Task], generator: Generator) -> list[Mixture]:
    words = [RELATIONS[a.relation].caption for a in first]
    pictured = encode_relations([((a.reference,), None) for a in first], generator.encoder)
    mixtures = []
    for a, text, found, embedded in zip(first, words, pictured, generator.encoder.embed_text(words), strict=True):
        rest: Vectors = combine_relations(np.stack([found.relation, embedded]), [1.0, -1.0])
        left = replace(found, relation=rest, reading=None)
        mixtures.append(Mixture(a, a.relation, "", left, (a.reference, text_card(f"less: {text}"))))
    return mixtures


def _compose(mixtures: Sequence[Mixture], generator: Generator, seed: int) -> list[Scene]:
    rows = [candidate_plan(m.task, m.conditioning, seed + i, generator) for i, m in enumerate(mixtures)]
    scenes: list[Scene] = []
    for start in range(0, len(rows), 2 * ROWS_PER_PASS):
        scenes += compose_scenes(rows[start : start + 2 * ROWS_PER_PASS], generator.composer)
    return scenes


def _holds(relation: str, scene: Scene) -> bool:
    return bool(relation) and RELATIONS[relation].holds(scene)


def _share(values: ArrayLike) -> float:
    return round(float(np.mean(np.asarray(values))), 4)


def text_card(text: str) -> Image.Image:
    """A picture of the text, for contact sheets."""
    card = Image.new("RGB", (REFERENCE_PX, REFERENCE_PX), "#f1f4f7")
    lines = "\n".join(textwrap.wrap(text, 20))
    ImageDraw.Draw(card).multiline_text(
        (REFERENCE_PX / 2, REFERENCE_PX / 2), lines, "#24303c", ImageFont.load_default(17), anchor="mm", align="center"
    )
    return card


def _write_sheet(mixtures: Sequence[Mixture], scenes: Sequence[Scene], generator: Generator, path: Path) -> None:
    cells = []
    for mixture, scene in list(zip(mixtures, scenes, strict=True))[: SHEET_ROWS // 2]:
        cells += [Cell(image, "", marked=True) for image in mixture.shown]
        held = [name for name in (mixture.first, mixture.second) if _holds(name, scene)]
        picture = draw_scene(scene, SceneArt(generator.library), PREVIEW_PX, PREVIEW_PX)
        cells.append(Cell(picture, f"{mixture.task.subject}\n{', '.join(held) or 'neither'}"))
    for sheet in contact_sheets(cells)[:1]:
        sheet.save(path)
