"""Reading pictures: what stands where in them, which things are alike, and the rule that they follow.

Read `read.py` first. `decode` finds the elements in the dense head's cells, `measure` compares the things' pixels,
`arranging` and `rules` fit the grammar's parts to them, `sentence` says it in English, and `scene_reading` holds it all
and goes to JSON and back.
"""

from __future__ import annotations

from analogen.relsim.mini.reading.read import read_scene, read_scenes, reading_from_cells
from analogen.relsim.mini.reading.rules import Rule, fit_rule
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
