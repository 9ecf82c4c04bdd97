"""Evaluates A : A' :: B : ? on rows of the relational world with held-out changes.

A and A' are one composition, drawn from one seed without and with another progression, casting or setting; B stands in
another arrangement. The answer is right if it keeps B's composition with the same part, by its checker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image

from analogen.relsim.encoder import load_reader
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.reading import read_scenes
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.changes import apply_change, change_between
from analogen.relsim.world.grammar import ATOMS, NEUTRAL, Composition
from analogen.relsim.world.grammar.rules import allowed
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Scene
from analogen.scene_change import changed_scene

PARTS = ("progression", "casting", "setting", "arrangement")
PICTURE_PX = 448
TRIES = 60  # seeds until a composition has a wanted number of things
WAYS = ("exact scenes", "readings of pictures")


@dataclass(frozen=True)
class Row:
    """One analogy. part: which part of the composition changes; wanted: the composition of a right answer."""

    part: str
    before: Scene
    after: Scene
    own: Scene
    arrangements: tuple[str, str, str]
    wanted: Composition

    def is_right(self, answer: Scene) -> bool:
        return self.wanted.relation().why_broken(answer) is None


def draw_rows(count: int, seed: int = 0) -> list[Row]:
    """Rows whose right answer is a composition that is held out."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    while len(rows) < count:
        row = _drawn_row(str(rng.choice(PARTS)), rng)
        if row is not None:
            rows.append(row)
    return rows


def _drawn_row(part: str, rng: Generator) -> Row | None:
    standing = [atom for atom in ATOMS["arrangement"] if atom != "single"]
    first, own = (Composition(str(rng.choice(standing))) for _ in range(2))
    atom = str(rng.choice([atom for atom in ATOMS[part] if atom != NEUTRAL.get(part)]))
    second, wanted = (replace(each, **{part: atom}) for each in (first, own))
    if first == own or "single" in (second.arrangement, wanted.arrangement) or second == first or wanted == own:
        return None
    if not (allowed(*second.parts) and allowed(*wanted.parts)) or not wanted.held_out:
        return None
    for _ in range(TRIES):
        seed = int(rng.integers(2**31))
        before, after = (_drawn(each, np.random.default_rng(seed)) for each in (first, second))
        if len(before.things) == len(after.things):
            arrangements = first.arrangement, second.arrangement, own.arrangement
            return Row(part, before, after, _drawn(own, rng), arrangements, wanted)
    return None


def _drawn(composition: Composition, rng: Generator) -> Scene:
    draft = Draft(rng)
    composition.draw(draft)
    return Scene(tuple(draft.elements))


@dataclass(frozen=True)
class Answers:
    """Three answers to a row, and whether the number of things was read rightly in all of its pictures.

    changed: the change that was found, made to B; copied: A' with B's subject; unchanged: B as it is.
    """

    changed: Scene
    copied: Scene
    unchanged: Scene
    counted: bool = True


def run_changes(rows: int = 200, seed: int = 0, encoder: str = "mini", device: str = "cpu") -> Iterator[dict[str, Any]]:
    """One result for each part that changes and one for all, first on exact scenes, then on readings of pictures.

    right: shares of rows that are right by checker, for each of `Answers`. On readings also counted, the share of rows
    whose things are counted rightly in all three pictures, and right_if_counted, the share of these that are right.
    """
    reader = load_reader(encoder, device)
    drawn = draw_rows(rows, seed)
    for way in WAYS:
        rng = np.random.default_rng(seed)
        answers = [_exact(row, rng) if way == WAYS[0] else _read(row, reader, rng) for row in drawn]
        for part in (*PARTS, "all"):
            own = [pair for pair in zip(drawn, answers, strict=True) if part in (pair[0].part, "all")]
            if own:
                yield {"on": way, "part": part, "rows": len(own), **_shares(own, way == WAYS[1])}


def _shares(answered: Sequence[tuple[Row, Answers]], read: bool) -> dict[str, Any]:
    right = {
        name: [row.is_right(getattr(answers, name)) for row, answers in answered]
        for name in ("changed", "copied", "unchanged")
    }
    found: dict[str, Any] = {"right": {name: round(float(np.mean(each)), 3) for name, each in right.items()}}
    if read:
        counted = [answers.counted for _, answers in answered]
        well = [one for one, sure in zip(right["changed"], counted, strict=True) if sure]
        found["counted"] = round(float(np.mean(counted)), 3)
        found["right_if_counted"] = round(float(np.mean(well)), 3) if well else None
    return found


def _exact(row: Row, rng: Generator) -> Answers:
    before, after, own = row.arrangements
    change = change_between(row.before, row.after, before, after)
    return Answers(apply_change(change, row.own, own, rng), row.after, row.own)


def _read(row: Row, reader: MiniEncoder, rng: Generator) -> Answers:
    """The answers by what is read in the three pictures; A and A' show other things than B."""
    library = ArtLibrary.shipped()
    stock = library.nouns(stock=True)
    names = [stock[int(n)] for n in rng.choice(len(stock), size=4, replace=False)]
    scenes = (row.before, row.after, row.own)
    pairs = zip(scenes, (names[:2], names[:2], names[2:]), strict=True)
    pictures = [
        Image.fromarray(render(replace(scene, subject=subject, other=other), PICTURE_PX))
        for scene, (subject, other) in pairs
    ]
    read = before, after, own = read_scenes(pictures, reader)
    counted = all(found.count == len(scene.things) for found, scene in zip(read, scenes, strict=True))
    if not all(found.count for found in read):
        return Answers(own.scene, after.scene, own.scene, counted)
    return Answers(changed_scene(before, after, own, rng)[1], after.scene, own.scene, counted)
