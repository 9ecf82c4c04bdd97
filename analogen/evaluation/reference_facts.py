"""What a scene has that can be checked in another one: counts, arrangement, progression, directions."""

from __future__ import annotations

from collections.abc import Mapping

from analogen.relsim.mini.reading import SceneReading
from analogen.relsim.world.structure import Value, agree, facts_of

Facts = dict[str, Value]
COUNT = "things"
SHARE = 0.15  # of many things, by which their count may be off
LOOSE = ("scatter",)  # arrangements that say nothing beside a relation of the catalogue, which has its own measures


def facts_of_reading(reading: SceneReading, relation: str = "") -> Facts:
    """The facts of a reading, or of a known scene by `reading_of`, by name; what is usual or unclear is left out.

    things, where there are several; arrangement, progression and casting as the grammar names them; and what
    `relsim.world.structure` measures in scenes of that relation, numbered, such as "direction 0". relation: an id of
    the catalogue, "" for none.
    """
    rule, found = reading.rule, Facts()
    if reading.count > 1:
        found[COUNT] = reading.count
    if rule.arrangement and not (relation and rule.arrangement in LOOSE):
        found["arrangement"] = rule.arrangement
    if rule.progression != "none":
        found["progression"] = rule.progression
    if rule.casting not in ("", "alike") and reading.count > 2:
        found["casting"] = rule.casting
    for number, fact in enumerate(facts_of(relation, reading.scene)):
        counted_twice = fact.kind == "count" and fact.value == reading.count
        if fact.value is not None and not counted_twice:
            found[f"{fact.kind} {number}"] = fact.value
    return found


def agrees(name: str, wanted: Value, found: Value) -> bool:
    """Whether a fact is kept: counts within 1 or SHARE, angles within 50 degrees, all else exactly."""
    if name == COUNT and isinstance(wanted, int) and isinstance(found, int):
        return abs(wanted - found) <= max(1, SHARE * wanted)
    return agree(wanted, found)


def kept(wanted: Mapping[str, Value], found: Mapping[str, Value]) -> dict[str, bool]:
    """For each fact that is wanted, whether it is found."""
    return {name: agrees(name, value, found.get(name)) for name, value in wanted.items()}
