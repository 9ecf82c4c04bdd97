"""What changed between two scenes, and the same change made to a third: A is to A' as B is to what?

Things are matched, and their changes told apart by how they go along the things: all alike, one alone, every second
one, or step by step. So a change that was seen in a row of four can be made to a ring of seven.
"""

from __future__ import annotations

from analogen.relsim.world.changes.applying import apply_change, course_of, spread
from analogen.relsim.world.changes.change import NO_CHANGE, Change, Move, ThingChange
from analogen.relsim.world.changes.finding import change_between

__all__ = ["NO_CHANGE", "Change", "Move", "ThingChange", "apply_change", "change_between", "course_of", "spread"]
