"""The catalogue of relations: `RELATIONS[id]`, in the order of their files."""

from __future__ import annotations

import importlib

from analogen.relsim.world.relations.base import REGISTRY, Draft, Relation

for _name in ("rings",):
    importlib.import_module(f"{__name__}.{_name}")
RELATIONS: dict[str, Relation] = REGISTRY

__all__ = ["RELATIONS", "Draft", "Relation"]
