"""`SceneReading`, the result of reading a picture, and its JSON format.

The JSON is the scene's own (see `relsim.world.scene.to_json`) with two more keys in each element, `confidence` and
`group`, and one more at the top, `reading`. So a reading whose elements were edited by hand is still one, and a scene
without these keys is a reading that is sure of everything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from analogen.relsim.mini.reading.rule_fitting import NO_RULE, Rule, fit_rule
from analogen.relsim.mini.reading.sentence import caption_of, sentence_of
from analogen.relsim.world.grammar import ATOMS
from analogen.relsim.world.scene import THINGS, Scene, from_json

MAX_JSON = 4_000_000  # characters
PROP_GROUP = -1
_KEYS = ("rule", "sentence", "caption", "certainty", "size", "crop", "notes")


@dataclass(frozen=True)
class SceneReading:
    """What a picture shows.

    scene         Its things and props. The largest kind of things is the scene's "subject", all others are "other".
    confidences   One for each element, in [0, 1].
    groups        One for each element: things of one number are the same thing, 0 is the subject; -1 for props.
    rule          What the things have in common.
    sentence      The same in plain English, with counts; or why nothing was read.
    caption       An anonymous caption with {subject} and {other}; "" where nothing was read.
    certainty     That the sentence is right, in [0, 1].
    size          (width, height) in pixels of the part of the picture that was read, which the scene's units refer to.
    crop          (left, top, right, bottom) of that part in the picture, in pixels.
    notes         What was changed on the way, for the user.

    Raises ValueError if the numbers of elements, confidences and groups differ, or a value is out of range.
    """

    scene: Scene
    confidences: tuple[float, ...]
    groups: tuple[int, ...]
    rule: Rule = NO_RULE
    sentence: str = ""
    caption: str = ""
    certainty: float = 0.0
    size: tuple[int, int] = (512, 512)
    crop: tuple[int, int, int, int] = (0, 0, 512, 512)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.scene.elements)
        if len(self.confidences) != count or len(self.groups) != count:
            raise ValueError(
                f"{count} elements, {len(self.confidences)} confidences and {len(self.groups)} groups: expected as many"
            )
        if not all(0 <= value <= 1 for value in (*self.confidences, self.certainty)):
            raise ValueError("confidences and the certainty of a reading lie in [0, 1]")
        if not all(1 <= side <= 100_000 for side in self.size):
            raise ValueError(f"size of a reading is {self.size}: expected sides of 1 to 100000 pixels")

    @property
    def count(self) -> int:
        """Things."""
        return len(self.scene.things)


def unread(reason: str, size: tuple[int, int], crop: tuple[int, int, int, int], notes: tuple[str, ...]) -> SceneReading:
    """The reading of a picture that there is nothing to read in."""
    return SceneReading(
        Scene(()), (), (), Rule(casting=""), f"nothing to read: {reason}", "", 0.0, size, crop, notes
    )  # fmt: skip


def reading_of(scene: Scene, size: tuple[int, int] = (512, 512)) -> SceneReading:
    """The reading of a known scene, sure of everything: its rule, sentence and caption."""
    groups = tuple(THINGS.index(e.kind) if e.is_thing else PROP_GROUP for e in scene.elements)
    return described(SceneReading(scene, (1.0,) * len(groups), groups, size=size, crop=(0, 0, *size)))


def described(reading: SceneReading, told: Mapping[str, float] | None = None) -> SceneReading:
    """The reading with rule, sentence, caption and certainty of the elements that it has now: after an edit.

    told: how likely each arrangement is by the parts head.
    """
    scene, confidences = reading.scene, reading.confidences
    rule = fit_rule(scene, confidences, told)
    sentence = sentence_of(scene, rule, reading.groups, confidences)
    certainty = rule.certainty if rule.arrangement else UNRULED_CERTAINTY * _mean_confidence(reading)
    return replace(
        reading, rule=rule, sentence=sentence, caption=caption_of(scene, rule, sentence), certainty=round(certainty, 4)
    )


UNRULED_CERTAINTY = 0.5  # of a sentence that names no rule: that there is one may have been missed


def _mean_confidence(reading: SceneReading) -> float:
    pairs = zip(reading.confidences, reading.scene.elements, strict=True)
    sure = [confidence for confidence, e in pairs if e.is_thing]
    return sum(sure) / len(sure) if sure else 0.0


def reading_to_json(reading: SceneReading) -> str:
    """One line of JSON; `reading_from_json` gives an equal reading back."""
    data = asdict(reading.scene)
    for element, confidence, group in zip(data["elements"], reading.confidences, reading.groups, strict=True):
        element |= {"confidence": confidence, "group": group}
    data["reading"] = {
        key: asdict(reading.rule) | {"composition": reading.rule.composition}
        if key == "rule"
        else getattr(reading, key)
        for key in _KEYS
    }
    return json.dumps(data, separators=(",", ":"))


def reading_from_json(text: str) -> SceneReading:
    """Read `reading_to_json`'s line, or a scene's.

    What is left out of `reading` is found anew from the elements. Raises ValueError in one line for anything else,
    unknown keys included.
    """
    if len(text) > MAX_JSON:
        raise ValueError(f"not a reading: {len(text)} characters, at most {MAX_JSON} are read")
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or not isinstance(data.get("elements"), list):
            raise TypeError("expected a JSON object with elements")
        told = data.pop("reading", {})
        confidences = [_number(e.pop("confidence", 1.0), "confidence") for e in data["elements"]]
        groups = [e.pop("group", None) for e in data["elements"]]
        scene = from_json(json.dumps(data))
        return _with_told(scene, confidences, groups, told)
    except ValueError as error:
        raise ValueError(_one_line(error)) from error
    except (TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:300] or type(error).__name__
    return text if text.startswith("not a ") else f"not a reading: {text}"


def _with_told(scene: Scene, confidences: list[float], groups: list[Any], told: Any) -> SceneReading:
    if not isinstance(told, dict):
        raise TypeError(f"reading is {told!r:.40}, expected an object")
    unknown = sorted(set(told) - set(_KEYS))
    if unknown:
        raise TypeError(f"unknown key {unknown[0]!r:.40} of reading; known: {', '.join(_KEYS)}")
    numbers = []
    for number, e in zip(groups, scene.elements, strict=True):
        number = (THINGS.index(e.kind) if e.is_thing else PROP_GROUP) if number is None else number
        if isinstance(number, bool) or not isinstance(number, int) or not PROP_GROUP <= number < 1000:
            raise TypeError(f"group is {number!r:.40}, expected a whole number from -1")
        numbers.append(number)
    size = _whole(told.get("size", (512, 512)), 2, "size")
    crop = _whole(told.get("crop", (0, 0, *size)), 4, "crop")
    notes = told.get("notes", ())
    if not isinstance(notes, list | tuple) or not all(isinstance(note, str) for note in notes):
        raise TypeError(f"notes is {notes!r:.40}, expected a list of texts")
    bare = SceneReading(
        scene, tuple(confidences), tuple(numbers), size=(size[0], size[1]), crop=(crop[0], crop[1], crop[2], crop[3]),
        notes=tuple(notes),
    )  # fmt: skip
    if not {"rule", "sentence", "caption", "certainty"} <= set(told):
        return described(bare)
    for key in ("sentence", "caption"):
        if not isinstance(told[key], str):
            raise TypeError(f"{key} is {told[key]!r:.40}, expected a text")
    return replace(
        bare, rule=_rule(told["rule"]), sentence=told["sentence"], caption=told["caption"],
        certainty=_number(told["certainty"], "certainty"),
    )  # fmt: skip


def _rule(data: Any) -> Rule:
    if not isinstance(data, dict):
        raise TypeError(f"rule is {data!r:.40}, expected an object")
    data = {k: v for k, v in data.items() if k != "composition"}
    unknown = sorted(set(data) - {f.name for f in fields(Rule)})
    if unknown:
        raise TypeError(f"unknown key {unknown[0]!r:.40} of rule")
    for part, atoms in ATOMS.items():
        value = data.get(part, getattr(NO_RULE, part))
        if value not in atoms and not (value == "" and part in ("arrangement", "casting")):
            raise TypeError(f"{part} is {value!r:.40}, expected one of the grammar's")
    rows = data.get("rows", ())
    data["rows"] = tuple(_whole(rows, len(rows) if isinstance(rows, list | tuple) else 0, "rows"))
    if not isinstance(data.get("exact", False), bool):
        raise TypeError(f"exact is {data['exact']!r:.40}, expected true or false")
    certainty = _number(data.get("certainty", 0.0), "certainty")
    return Rule(**{**data, "certainty": certainty})


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise TypeError(f"{name} is {value!r:.40}, expected a number in [0, 1]")
    return float(value)


def _whole(values: Any, count: int, name: str) -> list[int]:
    good = isinstance(values, list | tuple) and len(values) == count
    if not good or not all(isinstance(v, int) and not isinstance(v, bool) and abs(v) <= 100_000 for v in values):
        raise TypeError(f"{name} is {values!r:.40}, expected {count or 'some'} whole numbers")
    return list(values)
