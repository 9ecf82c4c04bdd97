"""Reads a relation said in words: its placeholders, plain nouns in their place, and the direction that it names.

words = read_words("{object} getting smaller and smaller")
words.text       # "{subject} getting smaller and smaller"
words.direction  # Direction(change="size", sign=-1)
words.embedded   # what may be embedded instead: the change as the catalogue says it, which has one direction only
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from analogen.relsim.english import singular

PATHS = {
    "right": "left", "left": "right", "down": "up", "up": "down", "outwards": "inwards", "inwards": "outwards",
    "clockwise": "counterclockwise", "counterclockwise": "clockwise",
}  # fmt: skip


@dataclass(frozen=True)
class Direction:
    """The direction that words name.

    change  What changes from thing to thing: a key of CHANGES, or None.
    sign    1 where it grows, appears, gains colour..., -1 where it shrinks, fades, loses...; 0 without a change.
    path    Along which way it does, or the things themselves lie: a key of PATHS; None for the order of reading.
    """

    change: str | None
    sign: int
    path: str | None = None

    @property
    def opposite(self) -> Direction:
        """The other sign; of a direction without a change the other path."""
        if self.change is not None:
            return replace(self, sign=-self.sign)
        return replace(self, path=PATHS[str(self.path)])

    @property
    def along(self) -> Direction:
        """The same direction with the path that it is measured on: "growing to the left" shrinks to the right."""
        if self.change is not None and self.path in ("left", "up", "inwards", "counterclockwise"):
            return Direction(self.change, -self.sign, PATHS[self.path])
        return self


@dataclass(frozen=True)
class RelationWords:
    """A relation in words. text: with {subject} and {other}; embedded: the same with its change in
    the words of the catalogue, whose direction may be the other one; notes: for the user."""

    text: str
    embedded: str
    direction: Direction | None
    notes: tuple[str, ...] = ()


_BIG = r"(?:large|big|huge|giant|full[- ]grown|full size|tall|enormous|great)"
_SMALL = r"(?:tiny|small|little|minute|short|nothing)"
_FULL = r"(?:solid|opaque|clear(?:ly visible)?|fully visible|full(?:y there)?)"
_FAINT = r"(?:faint|transparent|invisible|barely visible|almost nothing|nothing)"
_VIVID = r"(?:(?:full |bright |vivid )?colou?rs?|colou?rful)"
_GREY = r"(?:gr[ae]y|black and white|colou?rless)"
_LIGHT, _DARK = r"(?:bright|light|day)", r"(?:dark|black|almost black|night)"
_DRAWN = r"(?:an? |the )?(?:bare )?(?:sketch|outline|line drawing|drawing)"
_DONE = r"(?:an? |the )?(?:finished|full|painted|real|coloured|colored)(?: \w+)?"
_WHOLE, _REST = r"(?:an? )?(?:whole|complete|intact)", r"(?:an? )?(?:gnawed )?(?:remnant|rest|crumbs?|core|nothing)"
_FINE, _COARSE = r"(?:full |fine |sharp )?(?:detail|sharp|fine)", r"(?:an? few )?(?:coarse )?(?:pixels|blocks|coarse)"


def _more(word: str) -> str:
    """A comparative that says a change: "ever smaller", "smaller and smaller", "each smaller than the last"."""
    steps = (
        "(?:ever|getting|gets?|becom\\w+|growing|grows?|turning|progressively|increasingly|steadily|always|gradually|"
        "each(?: one)?)"
    )
    than = "(?: than the (?:last|one before|previous))?"
    after = "(?:with (?:each|every) \\w+|step by step|one by one|and on)"
    return rf"(?:{steps} )+(?:a (?:little|bit) )?{word}(?: and {word})?{than}|{word} and {word}|{word} {after}"


def _either(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


def _from(first: str, last: str) -> str:
    return rf"(?:from )?(?:the )?{first} (?:\w+ )?(?:down |up |in)?to (?:the )?{last}"


# change -> (words for sign 1, words for sign -1). Comparatives come before verbs: "growing smaller" shrinks.
CHANGES: dict[str, tuple[re.Pattern[str], re.Pattern[str]]] = {
    "size": (
        _either(
            _more(r"(?:larger|bigger|taller|greater)"), _from(_SMALL, _BIG),
            r"(?:the )?smallest (?:first|to (?:the )?(?:largest|biggest))",
            r"(?:increasing|rising) (?:in )?sizes?", r"size increas\w+", r"increas\w+ in size",
            r"less and less (?:small|tiny)",
            r"(?:smallest|tiniest)(?: one)? (?:on|at) the (?:left|top)",
            r"(?:largest|biggest)(?: one)? (?:on|at) the (?:right|bottom)",
            r"(?:in )?increasing order", r"(?:inflat|magnify)ing|inflates|magnifies", r"scal(?:es|ed|ing) up",
            r"a growing (?=\{)",
            # Not "a growing spiral", and not what grows on a tree.
            r"(?:(?<!a )(?:grow(?:s|ing|th)?)(?! (?:on|in|out|spiral)\b)|swell(?:s|ing)?|"
            r"enlarg(?:es|ing)|expand(?:s|ing)?)"
            r"(?: up| bigger| larger)?",
        ),
        _either(
            _more(r"(?:smaller|tinier|littler|shorter)"), _from(_BIG, _SMALL),
            r"(?:the )?(?:largest|biggest) (?:first|to (?:the )?smallest)",
            r"(?:decreasing|falling|shrinking) (?:in )?sizes?", r"size decreas\w+", r"decreas\w+ in size",
            r"less and less (?:large|big)",
            r"(?:largest|biggest)(?: one)? (?:on|at) the (?:left|top)",
            r"(?:smallest|tiniest)(?: one)? (?:on|at) the (?:right|bottom)",
            r"(?:in )?decreasing order", r"(?:deflat|minimi[sz])(?:es|ing)", r"scal(?:es|ed|ing) down",
            r"reced(?:es|ing)(?: into the distance)?",
            r"(?:shrink(?:s|ing)?|shrunk|diminish(?:es|ing)?|dwindl(?:es|ing)|reduc(?:es|ing))"
            r"(?: away| down| in size)?",
        ),
    ),
    "opacity": (
        _either(
            r"fad(?:es?|ing) in", _from(_FAINT, _FULL), r"less and less transparent",
            r"more and more (?:visible|solid|opaque)",
            
            r"(?:appearing|appears? (?=gradually|slowly|step by step|one)|materiali[sz](?:es|ing)|com(?:es|ing) into "
            r"(?:view|sight|being))"
            r"(?: gradually| slowly)?",
            r"emerg(?:es|ing) (?:gradually|slowly|one after|one by|step by|from nothing)",
            _more(r"(?:clearer|(?:more (?:and more )?)(?:visible|solid|opaque))"),
        ),
        _either(
            _from(_FULL, _FAINT), r"more and more (?:transparent|invisible|faint)",
            r"less and less (?:visible|solid|opaque)",
            
            r"(?:gradually |slowly )?(?:fad(?:es?|ing)|vanish(?:es|ing)?|disappear(?:s|ing)?)"
            r"(?: out| away| to nothing)?",
            _more(r"(?:fainter|less (?:visible|solid|opaque)|more (?:transparent|invisible|see-through))"),
            r"(?:dissolv(?:es|ing)|melt(?:s|ing) away|evaporat(?:es|ing))(?! into (?:\w+ )?(?:pixels|blocks))"
            r"(?: into (?:thin air|the air|nothing|transparency))?",
        ),
    ),
    "saturation": (
        _either(
            r"(?:gain|fill)(?:s|ing)?(?: with)? colou?rs?",
            r"more and more colou?rful",
            _from(_GREY, _VIVID),
            _more("more colou?rful"), r"(?:becom|turn|gett|grow)(?:s|es|ing) colou?rful"),
        _either(
            r"los(?:es|ing)(?: \w+)? colou?rs?",
            r"less and less colou?rful",
            r"drain(?:s|ing)? (?:to|of) \w+",
            _from(_VIVID, _GREY),
                _more("gr[ae]yer"), r"(?:turn|becom|gett|grow|go)(?:s|es|ing) gr[ae]y", r"bleach(?:es|ing)(?: out)?"),
    ),
    "brightness": (
        _either(r"bright(?:ens|ening)(?: up)?", _more("(?:brighter|lighter)"), _from(_DARK, _LIGHT)),
        _either(
            r"dark(?:ens|ening)|dimm?(?:s|ing)|sinking into (?:the )?dark\w*",
            _more("(?:darker|dimmer)"),
            _from(_LIGHT, _DARK)),
    ),
    "taken": (
        _either(
            r"(?:being |getting )?(?:eaten(?: up| away)?|bitten away|consumed|devoured)(?: bite by bite)?",
            r"(?:bigger|more and more) bites?(?: taken)?",
                _from(_WHOLE, _REST), r"cut away(?: step by step)?",
                r"less and less (?:of (?:it|them) )?(?:is )?left"),
        _either(
            r"(?:being )?(?:restored|made whole(?: again)?|put back together|rebuilt|uneaten)",
            _from(_REST, _WHOLE),
                r"more and more (?:of (?:it|them) )?(?:is )?(?:back|there|left)"),
    ),
    "sketch": (
        _either(
            r"(?:becoming|turning into) (?:an? )?(?:sketch|outline|line drawing)",
            r"reduced to (?:an? )?outline",
            _from(_DONE, _DRAWN)),
        _either(
            r"coming to life(?: from (?:an? )?(?:sketch|outline|drawing))?",
            _from(_DRAWN, _DONE),
            r"(?:sketch|outline|drawing) (?:becom|turn)(?:ing|s|es)(?: into)? (?:an? |the )?(?:\{subject\}|real|"
            r"finished|painted)",
            r"less and less of a sketch"),
    ),
    "pixel": (
        _either(
            r"(?:dissolv(?:es|ing)|breaking up|turning|turns) into (?:coarse )?(?:pixels|blocks)",
            r"pixelat(?:es|ing)",
            _more("coarser"),
            _from(_FINE, _COARSE)),
        _either(
            r"(?:forming|coming together|sharpening|sharpens) (?:out of|from) (?:coarse )?(?:pixels|blocks)",
            r"de-?pixelat(?:es|ing)",
            _more("(?:finer|sharper)"),
                _from(_COARSE, _FINE)),
    ),
}  # fmt: skip
# How the catalogue says the change, in the one direction that it has; both directions are embedded as it.
_CATALOGUED = {
    "size": "growing from tiny to full-grown, stage by stage", "opacity": "gradually fading away over time",
    "taken": "consumed bite by bite", "pixel": "dissolving from detail into coarse pixels",
    "sketch": "coming to life from a drawing",
}  # fmt: skip
_PATH_WORDS = {
    "right": _either(r"(?:from )?(?:the )?left to (?:the )?right", r"rightwards?", r"(?:to|toward|towards) the right"),
    "left": _either(r"(?:from )?(?:the )?right to (?:the )?left", r"leftwards?", r"(?:to|toward|towards) the left"),
    "down": _either(
        r"(?:from )?(?:the )?top to (?:the )?bottom", r"downwards?", r"down(?:hill)",
        r"(?:going|leading|sloping|steps|stairs) down",
        r"descending", r"on the way down", r"falling (?:line|diagonal|row)",
    ),
    "up": _either(
        r"(?:from )?(?:the )?bottom to (?:the )?top", r"upwards?", r"up(?:hill)",
        r"(?:going|leading|sloping|steps|stairs) up",
        r"(?:a|de)?scending", r"on the way up", r"rising (?:line|diagonal|row)", r"climbing",
    ),
    "outwards": _either(r"outwards?", r"from the (?:middle|cent(?:re|er)) out(?:wards)?",
        r"away from the (?:middle|cent(?:re|er))"),
    "inwards": _either(r"inwards?", r"(?:to|toward|towards) the (?:middle|cent(?:re|er))"),
    "counterclockwise": _either(r"(?:counter|anti)[- ]?clockwise"),
    "clockwise": _either(r"(?<!counter)(?<!anti)(?<!counter-)(?<!anti-)(?<!counter )(?<!anti )clockwise"),
}  # fmt: skip
_SLOPE = re.compile(r"\b(?:diagonals?|lines?|slopes?|stairs?|steps|rows?|ramps?|hill\w*|on the way)\b", re.IGNORECASE)
_WINDING = re.compile(r"\b(?:spiral\w*|coil\w*|swirl\w*|wind(?:s|ing)|wound)\b", re.IGNORECASE)
_SEEN_ALONE = {"up": _SLOPE, "down": _SLOPE, "clockwise": _WINDING, "counterclockwise": _WINDING}
_NEGATED = re.compile(r"\b(?:not|never|no longer|without|instead of|rather than|neither|nor)\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"\{([^{}]{0,40})\}|\[(subject|other|object|thing)\]|<(subject|other|object|thing)>", re.IGNORECASE
)


def read_words(text: str, subject: str | None = None, other: str | None = None) -> RelationWords:
    """Read a relation in words.

    subject, other: the names of the things of the request; where the words name them, or no placeholder but another
    plain noun that mini draws, these stand for {subject} and {other}. A note says what was taken for what.
    """
    notes: list[str] = []
    text = _with_placeholders(" ".join(text.split()), notes)
    if "{subject}" not in text:
        text = _with_nouns(text, subject, other, notes)
    direction = direction_of(text)
    return RelationWords(text, _as_catalogued(text, direction), direction, tuple(notes))


def direction_of(text: str) -> Direction | None:
    """The direction that words name; None if they name none, or contradict themselves."""
    if _NEGATED.search(text):
        return None
    found = [(change, sign) for change in CHANGES if (sign := _sign(change, text))]
    paths = [path for path, words in _PATH_WORDS.items() if words.search(text)]
    if (
        "up" in paths
        and "down" in paths
        and not _PATH_WORDS["up"].search(re.sub(r"\bdescending\b", "", text, flags=re.I))
    ):
        paths.remove("up")
    path = paths[0] if len(paths) == 1 else None
    if len(found) == 1:
        change, sign = found[0]
        return Direction(change, sign, path)
    if path is None or found:
        return None
    # Without a change only a slope and a winding have a direction that can be seen.
    return Direction(None, 0, path) if path in _SEEN_ALONE and _SEEN_ALONE[path].search(text) else None


def _sign(change: str, text: str) -> int:
    """1 or -1 for the one direction of a change that the text names, 0 for none or both."""
    more, less = CHANGES[change]
    spans = {sign: [m.span() for m in words.finditer(text)] for sign, words in ((1, more), (-1, less))}
    # "growing smaller": the longer phrase holds the shorter one, which says nothing by itself.
    kept = {
        sign: [s for s in own if not any(o[0] <= s[0] and s[1] <= o[1] and o != s for o in spans[-sign])]
        for sign, own in spans.items()
    }
    return (1 if kept[1] else -1) if bool(kept[1]) != bool(kept[-1]) else 0


def _as_catalogued(text: str, direction: Direction | None) -> str:
    if direction is None or direction.change not in _CATALOGUED:
        return text
    canonical = _CATALOGUED[direction.change]
    words = CHANGES[direction.change][0 if direction.sign == 1 else 1]
    first = words.search(text)
    assert first is not None, "the direction came of these words"
    return " ".join(f"{text[: first.start()]}{canonical}{words.sub('', text[first.end() :])}".split())


def _with_placeholders(text: str, notes: list[str]) -> str:
    """The text with {subject} and {other} for all that is written like a placeholder."""
    known: dict[str, str] = {}
    names = [next(filter(None, m.groups()), "").strip().lower() for m in _PLACEHOLDER.finditer(text)]
    free = [name for name in ("subject", "other") if name not in names]

    def meant(found: re.Match[str]) -> str:
        name = next(filter(None, found.groups()), "").strip().lower()
        if name in ("subject", "other"):
            return f"{{{name}}}"
        if name not in known:
            known[name] = free.pop(0) if free else "subject"
            notes.append(f"{found[0]} in the words is read as {{{known[name]}}}")
        return f"{{{known[name]}}}"

    return _PLACEHOLDER.sub(meant, text)


def _with_nouns(text: str, subject: str | None, other: str | None, notes: list[str]) -> str:
    """The text with {subject} and {other} for the things that it names."""
    for name, placeholder in ((subject, "{subject}"), (other, "{other}")):
        if name and placeholder not in text:
            text = _replaced(text, placeholder, partial(_same_noun, name.lower()), notes)
    if "{subject}" not in text:
        drawn, structural = _nouns()
        text = _replaced(
            text, "{subject}", lambda word: singular(word) in drawn and not {word, singular(word)} & structural, notes
        )
    return text


def _same_noun(name: str, word: str) -> bool:
    return singular(word) == singular(name)


def _replaced(text: str, placeholder: str, is_thing: Callable[[str], bool], notes: list[str]) -> str:
    """The text with the placeholder for the first one or two words that name a thing."""
    words = [found.span() for found in re.finditer(r"(?<![\w{])[^\W\d_]+(?![\w}])", text)]
    for place, (start, end) in enumerate(words):
        for stop in (words[place + 1][1] if place + 1 < len(words) else end, end):
            word = text[start:stop]
            if is_thing(word.lower()):
                notes.append(f"{word!r} in the words is read as {placeholder}")
                return re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", placeholder, text)
    return text


def _nouns() -> tuple[frozenset[str], frozenset[str]]:
    """The things that mini draws, and the words that captions of relations use for the logic itself."""
    from analogen.relsim.world.art import ArtLibrary
    from analogen.relsim.world.grammar.words import ARRANGED
    from analogen.relsim.world.relations import RELATIONS

    captions = [*(c for r in RELATIONS.values() for c in r.captions), *(c for own in ARRANGED.values() for c in own)]
    said = {word for caption in captions for word in re.findall(r"[a-z]+", caption.lower())}
    return frozenset(ArtLibrary.shipped().nouns()), frozenset(said | {singular(word) for word in said})
