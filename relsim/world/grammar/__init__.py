"""The grammar of logics: arrangement x progression x casting x setting, thousands of relations from a few parts."""

from __future__ import annotations

from analogen.relsim.world.grammar.composition import (
    ATOMS,
    HELD_OUT_ATOMS,
    NEUTRAL,
    PARTS,
    Composition,
    compose,
    compositions,
    draw_composition,
    held_out_atoms,
    held_out_compositions,
    neighbours,
    of_split,
    parse,
    trained_compositions,
)

__all__ = [
    "ATOMS",
    "HELD_OUT_ATOMS",
    "NEUTRAL",
    "PARTS",
    "Composition",
    "compose",
    "compositions",
    "draw_composition",
    "held_out_atoms",
    "held_out_compositions",
    "neighbours",
    "of_split",
    "parse",
    "trained_compositions",
]
