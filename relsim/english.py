"""Articles and plurals of English nouns, by simple rules and lists of exceptions."""

from __future__ import annotations

import re

_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "foot": "feet", "tooth": "teeth",
    "goose": "geese", "mouse": "mice", "louse": "lice", "ox": "oxen", "die": "dice", "cactus": "cacti",
    "leaf": "leaves", "loaf": "loaves", "knife": "knives", "wife": "wives", "life": "lives", "half": "halves",
    "wolf": "wolves", "shelf": "shelves", "elf": "elves", "calf": "calves", "thief": "thieves", "scarf": "scarves",
    "potato": "potatoes", "tomato": "tomatoes", "hero": "heroes", "echo": "echoes", "volcano": "volcanoes",
    "mosquito": "mosquitoes", "mango": "mangoes", "torpedo": "torpedoes", "quiz": "quizzes", "bus": "buses",
}  # fmt: skip
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}
_SAME = frozenset({"sheep", "fish", "deer", "moose", "bison", "salmon", "trout", "squid", "aircraft", "spacecraft",
                   "hovercraft", "series", "species", "swine"})  # fmt: skip
_PAIRS = frozenset({
    "scissors", "glasses", "sunglasses", "trousers", "jeans", "pants", "shorts", "tights", "binoculars", "goggles",
    "pliers", "tongs", "tweezers", "headphones", "earphones", "clothes", "stairs", "cattle", "police", "pyjamas",
    "pajamas", "leggings", "overalls",
})  # fmt: skip
_UNCOUNTABLE = frozenset({
    "water", "milk", "oil", "wine", "beer", "juice", "honey", "rice", "flour", "sugar", "salt", "bread", "butter",
    "cheese", "meat", "beef", "pork", "pasta", "spaghetti", "popcorn", "jam", "ketchup", "chocolate", "sand", "snow",
    "ice", "rain", "fog", "mist", "smoke", "steam", "fire", "lava", "mud", "dust", "grass", "wood", "wool", "cotton",
    "silk", "paper", "plastic", "metal", "gold", "silver", "iron", "steel", "copper", "money", "furniture", "luggage",
    "jewellery", "jewelry", "music", "light", "lightning", "thunder", "air", "hair", "blood", "time", "love", "joy",
    "happiness", "sadness", "art", "traffic", "equipment", "software", "hardware", "laundry", "garbage", "trash",
    "electricity", "energy", "weather", "sunshine", "moss", "seaweed", "broccoli", "garlic", "corn", "celery",
})  # fmt: skip
# Singular nouns that end in -s; those in -ss, -us and -is are recognised by their endings.
_ONE_IN_S = frozenset({"lens", "gas", "canvas", "atlas", "christmas", "chaos", "cosmos", "rhinoceros", "pancreas",
                       "bias", "alias", "news", "mathematics", "physics", "pampas", "texas", "kansas"})  # fmt: skip
_MANY_IN_US_IS = frozenset({"menus", "emus", "gurus", "tutus", "gnus", "skis", "taxis", "kiwis", "bikinis", "safaris"})
_PREPOSITIONS = frozenset({"of", "in", "on", "with", "at", "from", "for", "by", "to", "without", "under", "over",
                           "near", "inside", "behind", "beside", "between", "that", "who", "which", "and",
                           "wearing"})  # fmt: skip
_VOWEL_SOUND = re.compile(r"(?:[aeiou8]|hour|honest|honou?r|heir|11\b|18\b)", re.I)
_CONSONANT_SOUND = re.compile(
    r"(?:uni(?!n|m[^b])|u[bfkqrst][aeiou]|use|usu|ut[eo]|eu|ew[ei]|one\b|one-|once|ouija|uran|ukr)", re.I
)
_LETTERS_WITH_A_VOWEL = "AEFHILMNORSX"
_STARTS_WITH_DETERMINER = re.compile(
    r"(a|an|the|my|your|his|her|its|our|their|this|that|these|those|some|two|three|four|five|six|seven|eight|nine|ten|"
    r"several|many|\d+)\s+(?=\S)", re.I
)  # fmt: skip


def article(words: str) -> str:
    """ "a" or "an", by the first sound of the words."""
    first = re.split(r"[\s-]", words.strip(), maxsplit=1)[0] or words
    if len(first) > 1 and first.isupper() and first.isalpha() and (len(first) < 4 or not re.search("[AEIOU]", first)):
        return "an" if first[0] in _LETTERS_WITH_A_VOWEL else "a"  # spelled letter by letter
    if len(first) == 1 and first.isalpha():
        return "an" if first.upper() in _LETTERS_WITH_A_VOWEL else "a"
    return "an" if _VOWEL_SOUND.match(words) and not _CONSONANT_SOUND.match(words) else "a"


def split_determiner(words: str) -> tuple[str, str]:
    """ "the old moon" -> ("the", "old moon"); ("", words) where there is none."""
    found = _STARTS_WITH_DETERMINER.match(words)
    return (found[1], words[found.end() :]) if found else ("", words)


def is_name(noun: str) -> bool:
    """Whether the noun is written like a name of a person or place, which has no article and no plural."""
    head = _head(noun)[1]  # so that "European castle" and "T-shirt" are not names
    return head[:1].isupper() and not (head.isupper() and len(head) <= 4) and not re.match(r"\w-", head)


def is_plural(noun: str) -> bool:
    """Whether a noun phrase, without a determiner, names several things."""
    last = _head(noun)[1].lower()
    if last in _PAIRS or last in _SINGULAR or last in _MANY_IN_US_IS or re.search(r"\w(?:men|people|children)$", last):
        return last not in {"specimen", "semen", "regimen", "omen", "stamen", "abdomen"}
    if last in _SAME or last in _UNCOUNTABLE or last in _ONE_IN_S or last in _IRREGULAR:
        return False
    return len(last) > 3 and last.endswith("s") and not last.endswith(("ss", "us", "is"))


def is_countable(noun: str) -> bool:
    return _head(noun)[1].lower() not in _UNCOUNTABLE


def plural(noun: str) -> str:
    """The plural of a noun phrase: "cup of tea" -> "cups of tea". Uncountable and plural nouns stay as they are."""
    if is_plural(noun) or not is_countable(noun):
        return noun
    before, head, after = _head(noun)
    return before + _plural_word(head) + after


def singular(word: str) -> str:
    """The singular of a plural word, by the same rules reversed; the word itself if no rule applies."""
    lower = word.lower()
    if lower in _SINGULAR:
        return _SINGULAR[lower]
    for ending, instead in (
        ("men", "man"),
        ("children", "child"),
        ("people", "person"),
        ("ies", "y"),
        ("es", ""),
        ("s", ""),
    ):
        stem = word[: len(word) - len(ending)] + instead
        if lower.endswith(ending) and len(stem) > 1 and _plural_word(stem).lower() == lower:
            return stem
    return word


def with_article(noun: str) -> str:
    """The noun phrase with an indefinite article: "an owl"; names, plurals and uncountable nouns get none."""
    if split_determiner(noun)[0] or is_name(noun) or is_plural(noun) or not is_countable(noun):
        return noun
    return f"{article(noun)} {noun}"


def mentions(text: str, noun: str) -> bool:
    """Whether the text contains every content word of the noun phrase, as a singular or plural."""
    said = {form for word in _words(text) for form in (word, singular(word))}
    _, bare = split_determiner(noun)
    wanted = [word for word in _words(bare) if word not in _PREPOSITIONS and word not in ("a", "an", "the")]
    wanted = wanted or _words(noun)
    return bool(wanted) and all(word in said or singular(word) in said for word in wanted)


def _words(text: str) -> list[str]:
    return [word.lower().removesuffix("'s").removesuffix("’s") for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text)]


def _head(noun: str) -> tuple[str, str, str]:
    """(before, head, after): the head noun is the last word, or the one before the first preposition."""
    parts = re.split(r"(\s+)", noun.strip())
    words = parts[::2]
    end = next(
        (i for i, word in enumerate(words) if i and (word.lower() in _PREPOSITIONS or _starts_clause(words[i:]))),
        len(words),
    )
    at = 2 * (end - 1)
    return "".join(parts[:at]), parts[at], "".join(parts[at + 1 :])


def _starts_clause(words: list[str]) -> bool:
    """Whether the words are a participle with its object, such as "riding a horse", unlike "wedding ring"."""
    return words[0].endswith("ing") and len(words) > 1 and words[1].lower() in ("a", "an", "the", "its", "their")


def _plural_word(word: str) -> str:
    lower = word.lower()
    if lower in _SAME or lower in _PAIRS:
        return word
    if lower in _IRREGULAR:
        return word[0] + _IRREGULAR[lower][1:]
    if lower.endswith("man") and not lower.endswith(("human", "german", "roman", "shaman", "talisman", "ottoman")):
        return word[:-2] + "en"
    if lower.endswith(("child", "person", "foot", "tooth", "mouse", "goose", "wolf", "leaf", "knife", "shelf")):
        tail = next(tail for tail in ("child", "person", "foot", "tooth", "mouse", "goose", "wolf", "leaf", "knife",
                                      "shelf") if lower.endswith(tail))  # fmt: skip
        return word[: -len(tail)] + _IRREGULAR[tail]
    if re.search(r"[^aeiou]y$|quy$", lower):
        return word[:-1] + "ies"
    if lower.endswith(("s", "x", "z", "ch", "sh")) and not lower.endswith(("stomach", "monarch", "eunuch", "loch")):
        return word + "es"
    return word + "s"
