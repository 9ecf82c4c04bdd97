"""Describes a reading in one plain sentence with counts, and as an anonymous caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from analogen.relsim.mini.reading.rule_fitting import Rule
from analogen.relsim.world.grammar import words
from analogen.relsim.world.grammar.settings import SETTINGS
from analogen.relsim.world.measure import DECORATION
from analogen.relsim.world.scene import Element, Scene

NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
PLACES = {
    "single": "", "facing_pair": "face to face", "back_to_back": "back to back", "row": "in a row",
    "column": "in a column", "falling": "in a line that falls from left to right",
    "rising": "in a line that rises from left to right", "arch": "in an arch", "bowl": "in a hanging arc",
    "ring": "in a ring", "double_ring": "in two rings, one inside the other", "spiral": "in a spiral",
    "lattice": "in a grid", "bricks": "in staggered rows", "pyramid": "in a pyramid",
    "funnel": "in a pyramid on its tip", "wedge": "in a V", "plus": "in an upright cross", "saltire": "in an X",
    "wave": "in a wave", "zigzag": "in a zigzag", "square": "along the sides of a square",
    "triangle": "along the sides of a triangle", "rosette": "in a rosette, one amid the others",
    "nest": "one inside the other", "scatter": "scattered", "heap": "in a heap",
    "mirrored": "in two mirrored groups", "k_fold": "in groups that turn about a centre",
    "two_groups": "in two groups", "counted": "in groups that grow by one",
}  # fmt: skip
CAST = {
    "one_odd": "one of them different", "alternating": "two kinds taking turns",
    "halves": "half of them of another kind",
    "led_by_other": "the first of another kind", "other_at_ends": "the two at the ends of another kind",
    "other_in_middle": "the middle one of another kind", "leader": "the first much larger than the rest",
    "one_large": "one of them much larger than the rest", "one_small": "one of them much smaller than the rest",
    "alternating_size": "large and small in turn", "one_turned": "one of them upside down",
    "alternating_turn": "every second one upside down", "one_shadow": "one of them only a dark silhouette",
    "one_grey": "one of them without colour", "one_sketched": "one of them only a line drawing",
    "missing": "one place left empty",
}  # fmt: skip
PROPS = {
    "rect": "tile", "ellipse": "disc", "ring": "hoop", "frame": "picture frame", "thought": "thought bubble",
    "bars": "set of bars", "water": "water", "cone": "cone of light", "trunk": "tree trunk", "foliage": "treetop",
    "lens": "magnifying glass", "beam": "beam", "ice": "block of ice", "ban": "prohibition sign", "wrap": "wrapping",
    "card": "playing card",
}  # fmt: skip
DIFFERENT = "two different things"
SURE = 0.5  # confidence from which on a prop is mentioned
UNEVEN = 1.35  # largest size over the smallest from which on things are called of many sizes


def number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def counted(count: int, noun: str = "thing") -> str:
    return f"{number(count)} {noun if count == 1 else noun + 's'}"


def sentence_of(scene: Scene, rule: Rule, groups: Sequence[int] = (), confidences: Sequence[float] = ()) -> str:
    """One sentence: "nine things in a ring, each smaller than the last, one of them different".

    groups: which elements are alike, -1 for props; by their kind where it is not given. confidences: of the elements,
    all 1 by default; props below SURE are not mentioned.
    """
    things = scene.things
    sure = confidences or [1.0] * len(scene.elements)
    props = _other_props([e for e, c in zip(scene.elements, sure, strict=True) if c >= SURE], rule)
    if not things:
        return f"{props[0]} and no thing" if props else "no thing"
    sizes = _sizes(scene, groups)
    if len(things) == 2 and len(sizes) == 2 and not rule.arrangement:
        clauses = [f"{DIFFERENT} {_place(rule, things)}"]
    else:
        clauses = [f"{counted(len(things))} {_place(rule, things)}".rstrip(), *_clauses(things, rule, sizes)]
    if rule.setting != "none":
        clauses[-1] += f" {words.SET[rule.setting][0]}" if len(clauses) == 1 else f", {words.SET[rule.setting][0]}"
    if props:
        clauses[-1] += f", with {' and '.join(props[:2])}"
    return ", ".join(clauses)


def _place(rule: Rule, things: Sequence[Element]) -> str:
    if rule.rows and len(set(rule.rows)) == 1:
        return f"in a grid of {counted(len(rule.rows), 'row')} and {counted(rule.rows[0], 'column')}"
    if rule.arrangement:
        return PLACES[rule.arrangement]
    if len(things) == 2:
        first, second = things
        across, down = abs(first.x - second.x), abs(first.y - second.y)
        size = max(first.size, second.size)
        if max(across, down) < 0.3 * size:
            return "one on the other"
        return "side by side" if across >= down else "one above the other"
    return "" if len(things) == 1 else "scattered"


def _clauses(things: Sequence[Element], rule: Rule, groups: Sequence[int]) -> list[str]:
    made = []
    if rule.progression != "none":
        made.append(words.PROGRESSING[rule.progression][1])
    if rule.casting in CAST:
        made.append(CAST[rule.casting])
    elif len(groups) > 1:
        shared = f"{', '.join(number(n) for n in groups[:-1])} and {number(groups[-1])}"
        made.append(f"of {counted(len(groups), 'kind')} ({shared})")
    if not made and len(things) > 1 and rule.arrangement not in ("nest", "heap", "facing_pair", "back_to_back"):
        sizes = [e.size for e in things]
        made.append("all alike" if max(sizes) < UNEVEN * min(sizes) else "of one kind in several sizes")
    return made


def _sizes(scene: Scene, groups: Sequence[int]) -> list[int]:
    """How many things are of each kind, the most first."""
    if groups:
        counts = Counter(g for g, e in zip(groups, scene.elements, strict=True) if e.is_thing)
    else:
        counts = Counter(["subject", "other"].index(e.kind) for e in scene.things)
    return sorted(counts.values(), reverse=True)


def _other_props(elements: Sequence[Element], rule: Rule) -> list[str]:
    """The props that the setting does not name: "two arrows"."""
    named = {*DECORATION, *SETTINGS[rule.setting].props}
    nested = ("frame", "panel", "ellipse") if rule.arrangement == "nest" else ()
    counts = Counter(e.kind for e in elements if not e.is_thing and e.kind not in (*named, *nested))
    return [
        "water" if kind == "water" else counted(n, PROPS.get(kind, kind)).replace("glasss", "glasses")
        for kind, n in counts.most_common()
    ]


def caption_of(scene: Scene, rule: Rule, sentence: str) -> str:
    """An anonymous caption: "{subject} in a ring, each smaller than the last, one of them replaced by {other}"; the
    sentence about {subject} where there is no rule that the grammar has words for; "" where there is no thing."""
    things = scene.things
    if not things:
        return ""
    if rule.arrangement and rule.casting:
        second = [phrases[min(1, len(phrases) - 1)] for phrases in (
            words.ARRANGED[rule.arrangement], words.PROGRESSING[rule.progression], words.CASTING[rule.casting]
        )]  # fmt: skip
        parts = [*second, words.SET[rule.setting][0]]
        return words.joined(parts, words.WAYS.get(rule.arrangement, ""))
    if sentence.startswith(DIFFERENT):
        return sentence.replace(DIFFERENT, "{subject} and {other}", 1)
    head = counted(len(things))
    return sentence.replace(head, f"{number(len(things))} {{subject}}", 1).replace(
        "of another kind", "replaced by {other}"
    )
