"""Compositions: an arrangement, a progression along it, a casting and a setting, as one relational logic.

composition = parse("ring/shrinking/one_odd/behind_bars")
sample = draw_sample(composition.relation(), training_selection(), rng)
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from numpy.random import Generator

from analogen.relsim.world.grammar import castings, progressions, words
from analogen.relsim.world.grammar.arrangements import ARRANGEMENTS
from analogen.relsim.world.grammar.castings import CASTINGS
from analogen.relsim.world.grammar.judging import broken_parts
from analogen.relsim.world.grammar.progressions import PROGRESSIONS
from analogen.relsim.world.grammar.rules import all_parts, allowed
from analogen.relsim.world.grammar.settings import SETTINGS, Stage
from analogen.relsim.world.measure import Broken
from analogen.relsim.world.relations.base import Draft, Relation
from analogen.relsim.world.scene import Element, Scene

PARTS = ("arrangement", "progression", "casting", "setting")
ATOMS: dict[str, tuple[str, ...]] = {
    "arrangement": tuple(ARRANGEMENTS),
    "progression": tuple(PROGRESSIONS),
    "casting": tuple(CASTINGS),
    "setting": tuple(SETTINGS),
}
NEUTRAL = {"progression": "none", "casting": "alike", "setting": "none"}
# Held out whole. The catalogue has neither, so nothing else teaches them; both have near kin that is trained (zigzag
# and arch; fading and losing colour), so that a reader of the parts can be expected to tell them apart.
HELD_OUT_ATOMS = {"arrangement": "wave", "progression": "darkening"}
SPLITS = ("train", "held_out", "held_out_atoms")
SMALLEST = 0.12  # size below which a thing cannot be made out
_TRIES = 12


@dataclass(frozen=True)
class Composition:
    """One logic of the grammar. Use `compose` or `parse` to have its parts checked."""

    arrangement: str
    progression: str = "none"
    casting: str = "alike"
    setting: str = "none"

    @property
    def id(self) -> str:
        return f"{self.arrangement}/{self.progression}/{self.casting}/{self.setting}"

    def __str__(self) -> str:
        return self.id

    @property
    def parts(self) -> tuple[str, str, str, str]:
        return self.arrangement, self.progression, self.casting, self.setting

    @property
    def held_out_atom(self) -> bool:
        """Whether one of its parts is held out whole."""
        return any(getattr(self, part) == atom for part, atom in HELD_OUT_ATOMS.items())

    @property
    def held_out(self) -> bool:
        """Never trained on: a part of it is held out, or its id's hash falls into the held-out tenth."""
        return self.held_out_atom or _hash(self.id) % 10 == 0

    @property
    def split(self) -> str:
        return "held_out_atoms" if self.held_out_atom else "held_out" if self.held_out else "train"

    @property
    def mirror_ok(self) -> bool:
        place = ARRANGEMENTS[self.arrangement]
        if not place.mirror_ok:
            return False
        led = self.casting in ("led_by_other", "leader")
        return not (place.directed and (self.progression != "none" or led))

    @cached_property
    def captions(self) -> tuple[str, ...]:
        """Anonymous wordings, the plainest first."""
        return words.captions(*self.parts)

    def relation(self) -> Relation:
        """The composition as a relation of the world: everything that takes those takes this."""
        return _relation(self)

    def draw(self, draft: Draft) -> None:
        """Fill the draft with one picture of this logic, everything in it large enough to be seen."""
        most = PROGRESSIONS[self.progression].most
        for _ in range(_TRIES):
            stage, facts = self._stage(draft, most)
            if min(e.size for e in stage.things) >= SMALLEST:
                break
            most = max(len(stage.things) - 1, 3)
        draft.elements += [*stage.behind, *_visible(stage.things), *stage.front]
        draft.facts.update(facts)

    def _stage(self, draft: Draft, most: int) -> tuple[Stage, dict[str, object]]:
        place, cast = ARRANGEMENTS[self.arrangement], CASTINGS[self.casting]
        turns = self.progression == "turning" or self.casting in castings.TURNS or self.progression in progressions.CUTS
        least = max(cast.least, place.stages if self.progression != "none" else 1)
        plan = place.draw(
            draft,
            least,
            most,
            facing=not turns,
            growing=self.progression == "growing",
            in_turn=self.casting in castings.IN_TURN,
        )
        taken = {0} if allowed(self.arrangement, "none", "leader", "none") else set()
        plan = replace(plan, taken=frozenset(taken | {plan.layout.hub}))
        things = plan.things
        if self.progression != "none":
            grown = self.progression == "growing" and place.grown is not None
            progression = PROGRESSIONS["none" if grown else self.progression]
            # With the clock, turning would look like facing the middle.
            prepare = progression.in_round if place.facings and progression.in_round else progression.prepare
            change = prepare(draft)
            things = [change(e, float(t)) for e, t in zip(things, plan.layout.progress, strict=True)]
        filled = cast.cast(draft, plan, things)
        stage = SETTINGS[self.setting].dress(draft, [e for e in filled if e is not None])
        return stage, {"count": len(stage.things), **plan.facts}

    def check(self, scene: Scene) -> None:
        """Raise Broken with the reason if the scene does not keep the logic."""
        for part, reason in self.broken_parts(scene).items():
            raise Broken(f"{part}: {reason}")

    def broken_parts(self, scene: Scene) -> dict[str, str]:
        """The parts that do not hold in the scene, each with the reason; empty if the logic is kept.

        len(PARTS) less their number, over len(PARTS), is a partial credit.
        """
        return broken_parts(self.parts, scene)


def compose(arrangement: str, progression: str = "none", casting: str = "alike", setting: str = "none") -> Composition:
    """The composition of these parts. Raises ValueError for unknown parts and for parts that do not go together."""
    made = Composition(arrangement, progression, casting, setting)
    for part, atom in zip(PARTS, made.parts, strict=True):
        if atom not in ATOMS[part]:
            near = difflib.get_close_matches(atom, ATOMS[part], 3) or ATOMS[part][:6]
            raise ValueError(f"unknown {part} {atom!r}, perhaps {', '.join(near)}")
    if not allowed(*made.parts):
        raise ValueError(f"{made.id!r} is no composition: these parts do not go together")
    return made


def parse(id: str) -> Composition:
    """The composition of an id such as "ring/shrinking/one_odd/behind_bars". Raises ValueError for anything else."""
    parts = id.split("/")
    if len(parts) != len(PARTS):
        raise ValueError(f"{id!r} is no composition: expected {'/'.join(PARTS)}, such as ring/growing/alike/none")
    return compose(*parts)


@lru_cache(maxsize=1)
def compositions() -> tuple[Composition, ...]:
    """All of them, in a fixed order."""
    return tuple(Composition(*parts) for parts in all_parts())


@lru_cache(maxsize=len(SPLITS))
def of_split(split: str) -> tuple[Composition, ...]:
    """The compositions of "train", "held_out" (a tenth of those without held-out atoms) or "held_out_atoms"."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    return tuple(c for c in compositions() if c.split == split)


def trained_compositions() -> tuple[Composition, ...]:
    return of_split("train")


def held_out_compositions() -> tuple[Composition, ...]:
    """The tenth whose parts are all trained, in other compositions."""
    return of_split("held_out")


def held_out_atoms() -> tuple[str, ...]:
    """The parts that no trained composition has."""
    return tuple(HELD_OUT_ATOMS.values())


# How many of progression, casting and setting a drawn composition has, and how often.
_RICHNESS = (0.2, 0.4, 0.3, 0.1)


def draw_composition(rng: Generator, split: str = "train") -> Composition:
    """A random composition of a split in which every atom of a part comes about as often as the next.

    First the number of parts beside the arrangement is drawn, so that plain ones are common, then which, then atoms.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    while True:
        made = Composition(_one_of(rng, ATOMS["arrangement"]))
        rich = int(rng.choice(4, p=_RICHNESS))
        for part in rng.choice(list(NEUTRAL), size=rich, replace=False):
            fitting = [a for a in ATOMS[part] if a != NEUTRAL[part] and allowed(*replace(made, **{str(part): a}).parts)]
            if fitting:
                made = replace(made, **{str(part): _one_of(rng, fitting)})
        if made.split == split:
            return made


def neighbours(composition: Composition) -> tuple[Composition, ...]:
    """The compositions that differ from this one in exactly one part."""
    others = (
        replace(composition, **{part: atom})
        for part in PARTS
        for atom in ATOMS[part]
        if atom != getattr(composition, part)
    )
    return tuple(c for c in others if allowed(*c.parts))


def _visible(things: list[Element]) -> list[Element]:
    """The things with their sizes drawn together, largest kept, until the smallest can be made out."""
    smallest, largest = min(e.size for e in things), max(e.size for e in things)
    if smallest >= SMALLEST or largest <= SMALLEST:
        return things
    power = math.log(SMALLEST / largest) / math.log(smallest / largest)
    return [replace(e, size=largest * (e.size / largest) ** power) for e in things]


def _one_of(rng: Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@lru_cache(maxsize=4096)
def _relation(composition: Composition) -> Relation:
    return Relation(
        composition.id,
        "arrangement of many",
        composition.captions,
        composition.draw,
        composition.check,
        composition.held_out,
        composition.mirror_ok,
    )
