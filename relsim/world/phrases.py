"""Takes a noun phrase apart: what it says of its head noun ("red", "two") and what else it mentions ("in a hat")."""

from __future__ import annotations

import re
from typing import NamedTuple

from analogen.relsim.english import singular
from analogen.relsim.world.names import normalized


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    # English, then German, French, Spanish, Italian, Portuguese, Dutch and Scandinavian
    "a an the my your his her its our their this that these those some any every each "
    "ein eine einen einem einer der die das den dem le la les un une des du el los las una uno unos unas il lo gli i "
    "um uma o os as een het en ett et mein meine mon ma mes mi mis meu minha mijn min mitt"
)
# In these languages too the short words before a noun mean nothing here, but in English they may end a name.
_ENGLISH_DETERMINERS = _words("a an the my your his her its our their this that these those some any every")
_NUMBERS = _words(
    "two three four five six seven eight nine ten eleven twelve twenty hundred thousand several many few lots dozen "
    "dozens couple pair both numerous multiple various "
    "zwei drei vier fünf sechs viele deux trois quatre cinq plusieurs dos tres cuatro cinco muchos muchas due tre "
    "quattro cinque molti dois duas três quatro muitos twee drie veel två tre fyra många два две три четыре много"
)
# "a pair of shoes", "a picture of a dog": what counts comes after "of".
_AMOUNTS = _words(
    "pair pairs group groups couple lot lots number herd flock pack swarm school bunch pile heap stack row rows crowd "
    "set kind type sort piece pieces slice slices bit dozen dozens hundreds thousands handful handfuls plenty crew "
    "team family bouquet army pride colony litter load drop drops"
)
_DEPICTIONS = _words(
    "picture pictures photo photograph image drawing illustration painting icon logo silhouette sketch portrait emoji "
    "statue sculpture figure cartoon clipart model toy version"
)
# "a glass of water": the vessel where the library draws it, else what it holds.
_VESSELS = _words(
    "glass glasses cup cups bowl bottle bottles plate box basket jar mug can bag bucket barrel pot tray dish carton "
    "crate sack cone tin pitcher jug"
)
# Words after which a phrase says more about its noun.
_MARKERS = _words(
    "in on with at from for by to without under over near inside behind beside between above below into onto across "
    "against along around through after before during like as that who which whose where when while and or but plus "
    "is are was has made dressed covered filled holding wearing riding eating playing carrying sitting standing "
    "drinking reading driving chasing looking lying hanging climbing jumping pulling pushing throwing kicking "
    "flying running swimming walking sleeping dancing singing "
    "mit ohne auf im und unter über avec sans dans sur con sin com sem met zonder op med с без на в и под"
)
# Names of kinds that begin with a colour: a golden retriever is not painted gold.
_KINDS = frozenset({
    "golden retriever", "golden eagle", "red panda", "grey wolf", "gray wolf", "grey whale", "gray whale",
    "black widow", "white shark", "red cabbage", "white wine", "red wine", "green tea", "black tea", "brown rice",
    "white rice", "orange juice", "black hole", "silver birch",
})  # fmt: skip
_JOINING = frozenset({"and", "und", "et", "y", "e", "en"})


class Color(NamedTuple):
    """A colour by its English name. value: "#rrggbb"."""

    name: str
    value: str


COLORS = {
    "red": "#d92b2b", "orange": "#f08a24", "yellow": "#f6c915", "green": "#3f9b3f", "blue": "#2f6fd6",
    "purple": "#7a3fb0", "pink": "#f27fb2", "brown": "#7a4a26", "black": "#262626", "white": "#f7f7f4",
    "grey": "#8b8f94", "gold": "#d9a520", "silver": "#b8bec6", "turquoise": "#2bb5ae", "beige": "#e2cfa9",
    "violet": "#8a4fd0", "navy": "#1f2f66", "teal": "#1e8285", "magenta": "#d12a8f", "crimson": "#b3152f",
    "maroon": "#742033", "olive": "#7d8030", "lime green": "#8fce2e", "cyan": "#25bdd8", "indigo": "#4338a5",
    "lilac": "#c3a1e0", "salmon": "#f58f7c", "coral": "#f7705c", "copper": "#b56a3a", "bronze": "#a5752f",
    "cream": "#f6ecd0", "sky blue": "#7cc0ee", "scarlet": "#e0251b", "lavender": "#b9a6e8", "mint": "#9fe0c0",
}  # fmt: skip
_COLOR_WORDS = {
    **{name: name for name in COLORS},
    "gray": "grey", "golden": "gold", "navy blue": "navy", "dark blue": "navy", "violett": "violet", "rosy": "pink",
    # German (with its endings, see _color_of), French, Spanish, Italian, Portuguese, Dutch, Russian, Swedish
    "rot": "red", "blau": "blue", "grün": "green", "gelb": "yellow", "schwarz": "black", "weiß": "white",
    "weiss": "white", "braun": "brown", "grau": "grey", "lila": "purple", "rosa": "pink",
    "rouge": "red", "bleu": "blue", "bleue": "blue", "vert": "green", "verte": "green", "jaune": "yellow",
    "noir": "black", "noire": "black", "blanc": "white", "blanche": "white", "gris": "grey", "grise": "grey",
    "rojo": "red", "roja": "red", "azul": "blue", "verde": "green", "amarillo": "yellow", "amarilla": "yellow",
    "negro": "black", "negra": "black", "blanco": "white", "blanca": "white", "naranja": "orange",
    "rosso": "red", "rossa": "red", "blu": "blue", "azzurro": "sky blue", "azzurra": "sky blue", "giallo": "yellow",
    "gialla": "yellow", "nero": "black", "nera": "black", "bianco": "white", "bianca": "white", "grigio": "grey",
    "vermelho": "red", "vermelha": "red", "amarelo": "yellow", "amarela": "yellow", "preto": "black", "preta": "black",
    "branco": "white", "branca": "white", "roxo": "purple", "rood": "red", "rode": "red", "blauw": "blue",
    "blauwe": "blue", "groen": "green", "groene": "green", "geel": "yellow", "gele": "yellow", "zwart": "black",
    "zwarte": "black", "witte": "white", "красный": "red", "красная": "red", "красное": "red", "синий": "blue",
    "синяя": "blue", "синее": "blue", "зелёный": "green", "зеленый": "green", "зелёная": "green", "зеленая": "green",
    "жёлтый": "yellow", "желтый": "yellow", "жёлтая": "yellow", "желтая": "yellow", "чёрный": "black",
    "черный": "black", "чёрная": "black", "черная": "black", "белый": "white", "белая": "white", "белое": "white",
    "röd": "red", "rött": "red", "röda": "red", "blå": "blue", "grön": "green", "grönt": "green", "gul": "yellow",
    "gult": "yellow", "svart": "black", "vit": "white", "vitt": "white", "rød": "red", "rødt": "red", "grøn": "green",
}  # fmt: skip
# Written without spaces: at the start of the noun.
_CJK_COLORS = {
    "赤い": "red", "青い": "blue", "白い": "white", "黒い": "black", "黄色い": "yellow", "緑の": "green",
    "緑色の": "green",
    "ピンクの": "pink", "红色的": "red", "红色": "red", "红": "red", "蓝色的": "blue", "蓝色": "blue", "蓝": "blue",
    "绿色的": "green", "绿色": "green", "绿": "green", "黄色的": "yellow", "黄色": "yellow",
    "白色的": "white", "白色": "white",
    "白": "white", "黑色的": "black", "黑色": "black", "黑": "black", "粉色的": "pink", "紫色的": "purple",
}  # fmt: skip
_SHADES = {"light": 0.35, "pale": 0.45, "pastel": 0.45, "bright": 0.0, "dark": -0.35, "deep": -0.3, "hell": 0.35}


class Phrase(NamedTuple):
    """A phrase taken apart.

    head      Words of the noun phrase without determiners and what follows the noun.
    before    What stood before the head and is no part of it, such as "a photo of".
    after     What follows it: "in a hat".
    vessel    "glass" in "a glass of water", whose head is "water"; else "".
    """

    head: tuple[str, ...]
    before: str = ""
    after: str = ""
    vessel: tuple[str, ...] = ()


class Modifiers(NamedTuple):
    """What stands before a head noun: a colour, a number, the words that are neither, and further colours."""

    color: Color | None
    number: str
    others: str
    more_colors: str = ""

    @property
    def left_out(self) -> tuple[str, ...]:
        """The words that no picture shows."""
        return tuple(part for part in (self.others, self.more_colors) if part)


def parse(text: str, participles: bool = True) -> Phrase:
    """Take a phrase apart by its small words. The head is never empty unless the text holds no words.

    participles: "wearing" and the like end the noun phrase, which is wrong for "old sleeping cat".
    """
    words = [word for word in re.sub(r"[,;:!?\"()\[\]]+|\.(?=\s|$)", " ", normalized(text)).split() if word]
    words = _without_determiners(words)
    before: list[str] = []
    markers = _MARKERS if participles else {word for word in _MARKERS if not word.endswith("ing")}
    while len(words) > 2 and "of" in words[1:3] and words[words.index("of") - 1] in _AMOUNTS | _DEPICTIONS:
        end = words.index("of") + 1
        if end >= len(words):
            break
        before += words[:end]
        words = _without_determiners(words[end:])
    stop = next((n for n in range(1, len(words)) if words[n] in markers and not _joins_colors(words, n)), len(words))
    words, after = words[:stop], words[stop:]
    vessel: tuple[str, ...] = ()
    if "of" in words[1:-1]:
        place = words.index("of")
        if words[place - 1] in _VESSELS:
            vessel = tuple(words[:place])
            words = _without_determiners(words[place + 1 :])
        else:
            words, after = words[:place], words[place:] + after
    return Phrase(tuple(words), " ".join(before), " ".join(after), vessel)


def _without_determiners(words: list[str]) -> list[str]:
    while len(words) > 1 and words[0] in _DETERMINERS:
        words = words[1:]
    return words


def _joins_colors(words: list[str], place: int) -> bool:
    return (
        words[place] in _JOINING
        and place + 1 < len(words)
        and color_of(words[place - 1]) is not None
        and color_of(words[place + 1]) is not None
    )


def color_of(word: str) -> Color | None:
    """The colour that a word names in any of the known languages; None for other words."""
    name = _COLOR_WORDS.get(word)
    if name is None:
        stem = re.sub(r"(?:er|es|en|em|e)$", "", word)  # German endings: rotes, schwarze
        name = (
            _COLOR_WORDS.get(stem)
            if stem in ("rot", "blau", "grün", "gelb", "schwarz", "weiss", "braun", "grau")
            else None
        )
    return None if name is None else Color(name, COLORS[name])


def split_cjk_color(text: str) -> tuple[Color | None, str]:
    """A colour at the start of a text that is written without spaces, and what follows it."""
    for word in sorted(_CJK_COLORS, key=len, reverse=True):
        if text.startswith(word) and len(text) > len(word):
            name = _CJK_COLORS[word]
            return Color(name, COLORS[name]), text[len(word) :].lstrip("的")
    return None, text


def modifiers(words: tuple[str, ...], noun: str = "") -> Modifiers:
    """Sort the words before a noun. The first colour counts; "light" and "dark" shade it.

    noun: with it the last word may be no colour but part of a name, as in "golden retriever".
    """
    color: Color | None = None
    number, shade, shade_word = "", 0.0, ""
    others: list[str] = []
    more: list[str] = []
    place = 0
    while place < len(words):
        two, word = " ".join(words[place : place + 2]), words[place]
        if place + 1 == len(words) and f"{word} {singular(noun)}" in _KINDS:
            others.append(word)
            break
        found = color_of(two) if place + 1 < len(words) else None
        step = 2 if found else 1
        found = found or color_of(word)
        if found and color is None:
            color = found
        elif found:
            more.append(" ".join(words[place : place + step]))
        elif word in _SHADES and place + 1 < len(words) and color_of(words[place + 1]):
            shade, shade_word = _SHADES[word], word
        elif word in _NUMBERS or word.isdigit():
            number = f"{number} {word}".strip()
        elif word not in _ENGLISH_DETERMINERS | _JOINING:
            others.append(word)
        place += step
    if color is not None and shade:
        color = Color(f"{shade_word} {color.name}", _shaded(color.value, shade))
    return Modifiers(color, number, " ".join(others), " ".join(more))


def _shaded(value: str, amount: float) -> str:
    """Mixed with white (amount above 0) or black."""
    toward = 255 if amount > 0 else 0
    parts = [round(int(value[i : i + 2], 16) * (1 - abs(amount)) + toward * abs(amount)) for i in (1, 3, 5)]
    return "#{:02x}{:02x}{:02x}".format(*parts)
