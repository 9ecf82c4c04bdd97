"""The catalogue of relations: `RELATIONS[id]`, one module per group of a family."""

from __future__ import annotations

from analogen.relsim.world.relations import (  # each registers its relations
    appearance,
    bonds,
    crowds,
    cuts,
    enclosed,
    lattices,
    pairs,
    panels,
    rings,
    sequences,
    settings,
    stages,
)
from analogen.relsim.world.relations.base import REGISTRY, Draft, Relation

# Seeds select relations by number, so their order is fixed here, independent of the order of imports.
_ORDER = (pairs, bonds, rings, lattices, crowds, cuts, enclosed, appearance, stages, sequences, panels, settings)
RELATIONS: dict[str, Relation] = {
    id: found for module in _ORDER for id, found in REGISTRY.items() if found.draw.__module__ == module.__name__
}

__all__ = [
    "RELATIONS",
    "Draft",
    "Relation",
    "bonds",
    "crowds",
    "cuts",
    "enclosed",
    "lattices",
    "looks",
    "pairs",
    "panels",
    "rings",
    "sequences",
    "settings",
    "stages",
]
