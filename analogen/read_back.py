"""Reads generated pictures back as scenes, and says where they differ from the layout that was wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from analogen.relsim.encoder import load_reader
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.reading import SceneReading, reading_of
from analogen.relsim.mini.reading.read import read_scenes
from analogen.relsim.mini.reading.sentence import PLACES
from analogen.relsim.world.scene import Scene

# Certainty from which on a reading of a reference says what is wanted.
SURE = 0.5
# Its share in the order of candidates, beside the total of their scores. Not measured on published models.
WEIGHT = 0.3
_LINES = frozenset({"row", "column", "falling", "rising"})


@dataclass(frozen=True)
class ReadBack:
    """What the scene reader finds in a generated picture.

    things, arrangement                How many things, and how they stand; "" where no rule holds.
    wanted_things, wanted_arrangement  Of the layout, or of a reference that was read surely; None and "" without.
    certainty                          Of the reading, [0, 1].
    """

    things: int
    arrangement: str
    wanted_things: int | None = None
    wanted_arrangement: str = ""
    certainty: float = 0.0

    @property
    def missing(self) -> int:
        return max(0, (self.wanted_things or 0) - self.things) if self.wanted_things is not None else 0

    @property
    def extra(self) -> int:
        return max(0, self.things - self.wanted_things) if self.wanted_things is not None else 0

    @property
    def keeps_arrangement(self) -> bool:
        same = self.arrangement == self.wanted_arrangement
        return same or not self.wanted_arrangement or {self.arrangement, self.wanted_arrangement} <= _LINES

    @property
    def agreement(self) -> float:
        """[0, 1]: 1 where as many things stand as wanted, in the wanted way; 1 as well where nothing is wanted."""
        if self.wanted_things is None:
            return 1.0
        most = max(self.things, self.wanted_things, 1)
        counted = 1 - abs(self.things - self.wanted_things) / most
        return counted * (1.0 if self.keeps_arrangement else 0.5)

    @property
    def words(self) -> str:
        """ "7 of 9, no ring"; "9 of 9" where nothing differs; the count alone where nothing is wanted."""
        if self.wanted_things is None:
            return f"{self.things} read"
        parts = [f"{self.things} of {self.wanted_things}" if not self.extra else f"{self.things} instead of "
                 f"{self.wanted_things}"]  # fmt: skip
        if not self.keeps_arrangement:
            parts.append(f"not {PLACES[self.wanted_arrangement]}".replace("not in a ", "no "))
        return ", ".join(parts)

    def recorded(self) -> dict[str, Any]:
        """For records and JSON."""
        return {**asdict(self), "missing": self.missing, "extra": self.extra, "words": self.words}


class SceneChecker:
    """Reads pictures with mini's scene reader, on the CPU."""

    def __init__(self, encoder: MiniEncoder | None = None) -> None:
        self.encoder = encoder or load_reader("mini", "cpu")

    def wanted(
        self, scene: Scene | None, references: Sequence[Image.Image], reading: SceneReading | None = None
    ) -> SceneReading | None:
        """What a picture should show: its layout, else the scene or the single reference that it is made from, if that
        is read surely; None where nothing says it."""
        if scene is not None and scene.things:
            return reading_of(scene)
        if reading is not None:
            return reading
        if len(references) != 1:
            return None
        (found,) = read_scenes(list(references), self.encoder)
        return found if found.certainty >= SURE and found.count else None

    def read(self, pictures: Sequence[Image.Image], wanted: Sequence[SceneReading | None]) -> list[ReadBack]:
        """One for each picture."""
        found = read_scenes(list(pictures), self.encoder)
        return [compared(one, should) for one, should in zip(found, wanted, strict=True)]


def scene_read_back(scene: Scene, wanted: SceneReading | None) -> ReadBack | None:
    """Where a composed scene differs from the reading of its reference; None where that was not read surely."""
    if wanted is None or not wanted.count or wanted.certainty < SURE:
        return None
    return compared(reading_of(scene), wanted)


def compared(found: SceneReading, wanted: SceneReading | None) -> ReadBack:
    arrangement = found.rule.arrangement
    if wanted is None:
        return ReadBack(found.count, arrangement, certainty=found.certainty)
    # One thing alone stands in no arrangement that could be kept.
    should = wanted.rule.arrangement if wanted.count > 1 else ""
    return ReadBack(found.count, arrangement, wanted.count, should, found.certainty)
