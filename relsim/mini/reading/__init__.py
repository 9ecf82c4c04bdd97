"""Reads pictures as scenes: what stands where, which things are alike, and the rule that they follow.

Start with `read.py`. `decode` finds the elements in the dense head's cells, `differences` compares the pixels of the
things, `arranging` and `rule_fitting` fit the parts of the grammar, `sentence` says it in English, and `scene_reading`
holds the result and its JSON format.
"""

from __future__ import annotations

from analogen.relsim.mini.reading.read import read_scene, read_scenes, reading_from_cells
from analogen.relsim.mini.reading.rule_fitting import Rule, fit_rule
from analogen.relsim.mini.reading.scene_reading import (
    SceneReading,
    described,
    reading_from_json,
    reading_of,
    reading_to_json,
)

__all__ = [
    "Rule",
    "SceneReading",
    "described",
    "fit_rule",
    "read_scene",
    "read_scenes",
    "reading_from_cells",
    "reading_from_json",
    "reading_of",
    "reading_to_json",
]
