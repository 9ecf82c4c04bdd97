"""Relations of the catalogue that are compositions, by id.

caged, peeking and tower come near (behind_bars, behind_wall, column), yet their pictures leave more open: two captives,
barriers at a side, things mirrored in turn.
"""

from __future__ import annotations

NAMED: dict[str, str] = {
    "ring": "ring/none/alike/none",
    "spiral": "spiral/growing/alike/none",
    "grid": "lattice/none/alike/none",
    "odd_one_out": "lattice/none/one_odd/none",
    "checkerboard": "lattice/none/alternating/none",
    "pyramid": "pyramid/none/alike/none",
    "flock": "wedge/none/alike/none",
    "heap": "heap/none/alike/none",
    "nested": "nest/none/alike/none",
    "face_to_face": "facing_pair/none/alike/none",
    "in_a_bubble": "single/none/alike/in_bubble",
    "frozen": "single/none/alike/in_ice",
    "forbidden": "single/none/alike/banned",
}
