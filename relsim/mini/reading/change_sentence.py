"""Says in one plain sentence what changed between two scenes: "one of them becomes another thing"."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from analogen.relsim.mini.reading.sentence import PLACES, PROPS, counted, number
from analogen.relsim.world.changes import Change, Move, ThingChange, course_of
from analogen.relsim.world.scene import Clip

UNCOUNTED = ("water",)
# Phrases for one thing and for several: of what becomes more, and of what becomes less.
LEVELS = {
    "size": (("becomes larger", "become larger"), ("becomes smaller", "become smaller")),
    "opacity": (("becomes more solid", "become more solid"), ("fades", "fade")),
    "saturation": (("gains colour", "gain colour"), ("loses its colour", "lose their colour")),
    "brightness": (("becomes brighter", "become brighter"), ("becomes darker", "become darker")),
    "silhouette": (
        ("becomes a dark silhouette", "become dark silhouettes"),
        ("shows what it is again", "show what they are again"),
    ),
    "sketch": (("becomes a line drawing", "become line drawings"), ("is painted", "are painted")),
    "pixel": (("dissolves into coarse pixels", "dissolve into coarse pixels"), ("becomes clear", "become clear")),
}
CUTS = {
    "none": ("is made whole", "are made whole"),
    "bite": ("is bitten", "are bitten"),
    "half": ("is cut in half", "are cut in half"),
    "wedge": ("loses a piece like a slice", "lose a piece like a slice"),
    "fragment": ("breaks into a fragment", "break into fragments"),
    "window": ("is seen through a window", "are seen through windows"),
    "lens": ("is seen through a lens", "are seen through lenses"),
}
WHO = {"all": "each thing", "one": "one of them", "every second": "every second one"}
NOTHING = "nothing changes"


def change_sentence(change: Change) -> str:
    """What happens, the most telling first: "they stand in a ring now, and every second one becomes another thing"."""
    clauses = [*_numbers(change), *_places(change), *_looks(change.things), *_props(change)]
    if not clauses:
        return NOTHING
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _numbers(change: Change) -> list[str]:
    if change.copies is not None:
        return [f"one thing becomes {number(len(change.copies))}"]
    made = []
    gone = change.kept.count(False)
    if gone:
        made.append(f"{number(gone)} of them {'is' if gone == 1 else 'are'} taken away")
    if change.more:
        made.append(f"{number(change.more)} more {'is' if change.more == 1 else 'are'} added")
    return made


def _places(change: Change) -> list[str]:
    if change.arrangement:
        return [f"they stand {PLACES[change.arrangement] or 'alone'} now"]
    if change.places is not None:
        return ["they stand in other places now"]
    return [] if change.moved is None else [_moved(change.moved)]


def _moved(move: Move) -> str:
    scale = math.sqrt(abs(move.matrix[0, 0] * move.matrix[1, 1] - move.matrix[0, 1] * move.matrix[1, 0]))
    turn = math.degrees(math.atan2(move.matrix[1, 0], move.matrix[0, 0]))
    said = []
    if abs(math.log(max(scale, 1e-6))) > 0.1:
        said.append(f"becomes {'larger' if scale > 1 else 'smaller'}")
    if abs(turn) > 10:
        said.append(f"is turned by about {_degrees(turn)}")
    across, down = (float(step) for step in move.shift)
    if not said or math.hypot(across, down) > 0.25:
        way = ("right" if across > 0 else "left") if abs(across) > abs(down) else ("bottom" if down > 0 else "top")
        said.append(f"moves towards the {way}")
    return f"the whole {' and '.join(said)}"


def _looks(things: Sequence[ThingChange]) -> list[str]:
    course = course_of(things)
    if course == "none":
        return []
    if course == "step":
        phrases = _steps(things)
        return [f"step by step they {_listed(phrases)}"] if phrases else []
    changed = next(one for one in things if not one.is_none)
    who = "the thing" if len(things) == 1 else WHO[course]
    return [f"{who} {_listed(_phrases(changed, 0))}"]


def _steps(things: Sequence[ThingChange]) -> list[str]:
    """What becomes of the thing that changes in most ways."""
    last = max(things, key=lambda one: sum(a != b for a, b in zip(one, ThingChange(), strict=True)))
    phrases = _phrases(last, 1)
    if any(one.size > 0 for one in things) and any(one.size < 0 for one in things):
        phrases = ["come in other sizes", *(p for p in phrases if p not in ("become larger", "become smaller"))]
    return phrases


def _phrases(one: ThingChange, form: int) -> list[str]:
    """What becomes of one thing (form 0) or of several (form 1)."""
    verb = ("is", "are")[form]
    said = []
    if one.kind:
        said.append(("becomes another thing", "become other things")[form])
    if one.turn:
        upside_down = abs(abs(one.turn) - 180) < 20
        said.append(f"{verb} turned {'upside down' if upside_down else f'by about {_degrees(one.turn)}'}")
    if one.flipped:
        said.append(f"{verb} mirrored")
    for name, phrases in LEVELS.items():
        value = getattr(one, name)
        nothing = 1.0 if name in ("opacity", "saturation", "brightness") else 0.0
        if value != nothing:
            said.append(phrases[0 if value > nothing else 1][form])
    if one.hue:
        said.append(("takes another colour", "take another colour")[form])
    if isinstance(one.clip, Clip):
        said.append(CUTS[one.clip.kind][form])
    return said


def _degrees(turn: float) -> str:
    return f"{round(abs(turn) / 5) * 5} degrees{' anticlockwise' if turn < 0 else ''}"


def _props(change: Change) -> list[str]:
    made = []
    counts = Counter((prop.kind, before) for prop, before in change.added)
    for (kind, before), count in counts.items():
        verb = "is" if count == 1 else "are"
        made.append(f"{_named(kind, count)} {verb} put {'before' if before else 'behind'} them")
    made += [f"the {PROPS.get(kind, kind)} is taken away" for kind in change.removed]
    return made


def _named(kind: str, count: int) -> str:
    noun = PROPS.get(kind, kind)
    if kind in UNCOUNTED:
        return noun
    if count == 1:
        return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    return counted(count, noun).replace("glasss", "glasses")


def _listed(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
