"""Famous places, makes, characters and people that the library does not draw, with the noun that stands in for each."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from analogen.relsim.world.names import normalized


class Famous(NamedTuple):
    """kind: "place", "make", "character" or "person". noun: of the library, the nearest to it."""

    kind: str
    noun: str


@lru_cache(maxsize=1)
def famous() -> dict[str, Famous]:
    """All of art/famous.txt by normalized name."""
    found: dict[str, Famous] = {}
    kind = ""
    for line in (Path(__file__).parent / "art" / "famous.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            kind = line.strip("[]")
            continue
        names, noun = line.rsplit(" = ", 1)
        found.update({normalized(name): Famous(kind, noun) for name in names.split("|")})
    return found
