"""The catalogue of relations: `RELATIONS[id]`, one module per group of a family."""

from __future__ import annotations

from analogen.relsim.world.relations import (  # each registers its relations
    bonds,
    crowds,
    cuts,
    enclosed,
    lattices,
    looks,
    pairs,
    rings,
    sequences,
    settings,
    stages,
)
from analogen.relsim.world.relations.base import REGISTRY, Draft, Relation

RELATIONS: dict[str, Relation] = REGISTRY

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
    "rings",
    "sequences",
    "settings",
    "stages",
]
