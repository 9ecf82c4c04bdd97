"""Writes text-to-image prompts from an anonymous caption and a subject, by the base VLM or by filling placeholders.

writer = PromptWriter(load_base_model(device="cuda"))
writer.write(["many {subject} arranged in a circle"], ["bicycle"])[0].text
fill("many {subject} arranged in a circle", "bicycle")  # "many bicycles arranged in a circle"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from analogen.relsim.data.batching import BatchSize, in_batches
from analogen.relsim.english import (
    article,
    is_countable,
    is_name,
    is_plural,
    mentions,
    plural,
    split_determiner,
    with_article,
)
from analogen.relsim.vlm.captioner import PLACEHOLDER
from analogen.relsim.vlm.model import UserMessage, Vlm
from analogen.relsim.vlm.query import GREEDY, Answer, Sampling, ask_with_retries, clean_user_text, generate, one_line

MAX_PROMPT_WORDS = 80  # CLIP reads 77 tokens
REQUEST = (
    "Write one prompt for a text-to-image model. The picture must show SUBJECT as its main thing and keep this idea: "
    "CAPTION. In the idea, words in braces stand for things: the main thing is SUBJECT, and OTHER. Say concretely what "
    "is seen, in one sentence of at most 40 words. Write no braces, no quotation marks and no explanation: answer with "
    "the prompt alone."
)
_CHOOSE = "for any second thing choose what fits"


class Prompt(NamedTuple):
    """written: whether the model wrote the prompt; else placeholders were filled, and `problem` says why."""

    text: str
    written: bool
    problem: str = ""


class PromptWriter:
    """Asks the base model, without any adapters of `vlm`."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm

    def write(
        self,
        captions: Sequence[str],
        subjects: Sequence[str],
        others: Sequence[str | None] | None = None,
        sampling: Sampling = GREEDY,
        tries: int = 3,
        batch_size: int = 16,
    ) -> list[Prompt]:
        """Writes a prompt for each caption and subject: one line that mentions the subject, and the other thing if one
        is named. Raises ValueError for empty or over-long words."""
        others = others or [None] * len(captions)
        if not len(captions) == len(subjects) == len(others):
            raise ValueError(f"{len(captions)} captions, {len(subjects)} subjects, {len(others)} others: must match")
        rows = [
            (
                clean_user_text(caption, "caption"),
                clean_user_text(subject, "subject"),
                None if other is None else clean_user_text(other, "other thing"),
            )
            for caption, subject, other in zip(captions, subjects, others, strict=True)
        ]

        def run(batch: list[tuple[str, str, str | None]]) -> list[Prompt]:
            answers = self._ask(batch, sampling, tries)
            return [
                Prompt(fill(*row), False, answer.problem) if answer.text is None else Prompt(answer.text, True)
                for row, answer in zip(batch, answers, strict=True)
            ]

        return [prompt for _, prompts in in_batches(rows, run, BatchSize(batch_size)) for prompt in prompts]

    def _ask(self, rows: list[tuple[str, str, str | None]], sampling: Sampling, tries: int) -> list[Answer]:
        messages = [UserMessage([], request(*row)) for row in rows]

        def ask(chosen: list[int], attempt: int) -> list[str]:
            some = [messages[row] for row in chosen]
            return generate(self.vlm, None, some, sampling, attempt, [message.text for message in some])

        return ask_with_retries(
            len(rows), ask, lambda row, answer: read_prompt(answer, rows[row][1], rows[row][2]), tries
        )


def instruct(caption: str, subject: str, other: str | None = None) -> str:
    """The instruction for an edit model beside the reference: keep its logic, replace what it shows."""
    return (
        f"Make a new picture with the same idea as this one: {fill(caption, subject, other)}. Replace the things that "
        f"it shows by {subject}; keep how they are arranged, and none of their looks."
    )


def request(caption: str, subject: str, other: str | None = None) -> str:
    """The question to the model."""
    words = {"SUBJECT": f'"{subject}"', "CAPTION": caption, "OTHER": f'the second is "{other}"' if other else _CHOOSE}
    return re.sub("SUBJECT|CAPTION|OTHER", lambda found: words[found[0]], REQUEST)


def read_prompt(answer: str, subject: str, other: str | None = None) -> str:
    """Parses the prompt in an answer. Raises ValueError with the reason if it cannot be used."""
    text = one_line(answer)
    if re.search(r"[{}]", text):
        raise ValueError("the answer still has placeholders")
    for noun in (subject, other):
        if noun and not mentions(text, noun):
            raise ValueError(f"the answer does not mention {noun!r}")
    if len(text.split()) > MAX_PROMPT_WORDS:
        raise ValueError(f"the answer has {len(text.split())} words, expected at most {MAX_PROMPT_WORDS}")
    return text


# Filling placeholders


_ONE = frozenset({"one", "each", "every", "another", "single"})
_ANY = frozenset({"the", "this", "its", "his", "her", "their", "same", "no", "any"})
_MANY = frozenset({
    "many", "several", "few", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "both",
    "various", "different", "identical", "multiple", "numerous", "countless", "all", "these", "those", "some", "other",
    "assorted",
})  # fmt: skip
_MANY_OF = frozenset({
    "dozens", "hundreds", "thousands", "lots", "plenty", "rows", "row", "columns", "column", "line", "lines", "flock",
    "heap", "pile", "stack", "stacks", "tower", "pyramid", "group", "collection", "series", "sequence", "crowd", "set",
    "number", "pair", "circle", "ring", "grid", "bunch", "swarm", "herd", "mosaic", "spiral", "bouquet", "chain",
    "cluster", "variety", "parade", "procession", "pattern", "made", "composed", "built", "formed", "consisting",
    "full", "array", "ranks", "cloud", "wall", "arrangement", "kinds", "types", "assortment",
})  # fmt: skip
_MANY_AFTER_VERB = frozenset({"among", "amongst", "bearing", "filled with", "amid", "multiple", "between"})
_ADJECTIVES = frozenset({
    "large", "small", "big", "little", "tiny", "huge", "giant", "gigantic", "enormous", "tall", "long", "short", "old",
    "new", "young", "red", "blue", "green", "yellow", "white", "black", "grey", "single", "broken", "similar",
    "smaller", "larger", "bigger", "miniature", "same", "equal", "identical", "different",
})  # fmt: skip
_BOUNDARY = frozenset({
    "of", "in", "on", "with", "at", "from", "for", "by", "to", "into", "as", "and", "or", "but", "that", "which", "is",
    "are", "under", "over", "between", "within", "inside", "behind", "beside", "like", "than", "through", "across",
})  # fmt: skip
# Phrases that only several things can have.
_MANY_AFTER = re.compile(
    r"\s+(?:and\s+\{[^}]*\}\s+)?(?:all\s+|together\s+|each\s+)?(?:are|were|have|stand|lie|form|make|arranged|lined|"
    r"scattered|stacked|gathered|piled|repeated|alternating|taking turns|aligned|clustered|grouped|assembled|crowded|"
    r"forming|standing together|in (?:neat |long |two |three |several |even )*(?:rows|columns|a (?:row|ring|circle|"
    r"line|spiral|grid|heap|pile))|in V formation|in formation|side by side|back to back|"
    r"facing (?:each other|one another)|face to face|"
    r"of (?:different|various|many|all) (?:sizes|kinds|colours|colors|shapes)|"
    r"one after (?:another|the other)|queuing|nested)\b",
    re.I,
)


def fill(caption: str, subject: str, other: str | None = None) -> str:
    """Replaces the placeholders of a caption by nouns, with articles and plurals by simple rules.

    {subject}, else the first placeholder, becomes the subject; the others become `other` if it is named, else what
    their own names say. A caption without placeholders comes after the subject.
    """
    caption, subject = " ".join(caption.split()), " ".join(subject.split())
    names = list(dict.fromkeys(found[1].lower() for found in PLACEHOLDER.finditer(caption)))
    if not names:
        return f"{with_article(subject)}: {caption}" if caption else with_article(subject)
    main = next((name for name in names if name == "subject"), None)
    main = main or next((name for name in names if "subject" in name), names[0])
    # "{subjects}" beside "{subject}" is the same thing, named as many.
    nouns = {name: subject for name in names if name == main or name == f"{main}s"}
    named = " ".join((other or "").split())
    for name in names:
        if name not in nouns:
            nouns[name], named = named or _noun_of(name), ""
    out, end = "", 0
    for found in PLACEHOLDER.finditer(caption):
        out += caption[end : found.start()]
        rest = caption[found.end() :]
        many = re.match(r"(?:s|\(s\))(?![^\W\d_])", rest)
        name = found[1].lower()
        wants_many = bool(many) or name.endswith("subjects") or bool(_MANY_AFTER.match(rest))
        out = _insert(out, nouns[name], wants_many)
        end = found.end() + (many.end() if many else 0)
    return out + caption[end:]


def _noun_of(name: str) -> str:
    """The noun in a placeholder's name: {animal 2} is an animal, {other} any thing."""
    words = " ".join(re.sub(r"[\d_]+", " ", name).split())
    words = re.sub(r"\bothers?\b", "", words).strip()
    return words if len(words) > 1 else "thing"


def _insert(before: str, noun: str, wants_many: bool) -> str:
    """Appends the noun to `before`, with the article or the plural that `before` needs."""
    determiner, bare = split_determiner(noun)
    several = is_plural(bare) or (bool(determiner) and (determiner.isdigit() or determiner.lower() in _MANY))
    found, distance = _determiner_before(before)
    if found in ("a", "an"):
        return before if not bare else _with_article_fixed(before, bare, distance, several)
    if found in _MANY:
        return before + plural(bare)
    if found in _ONE or found in _ANY:
        return before + bare
    # Nothing before it decides.
    if determiner:
        return before + noun
    if wants_many or found == "many of":
        return before + (bare if is_name(bare) else plural(bare))
    return before + ("something" if bare == "thing" else with_article(bare))


def _with_article_fixed(before: str, noun: str, distance: int, several: bool) -> str:
    """Corrects or removes the article "a" at the end of `before`, which adjectives may follow."""
    words = before.split()
    at = len(words) - 1 - distance
    head, last, between = (
        " ".join(part) + " " * bool(part) for part in (words[:at], words[at : at + 1], words[at + 1 :])
    )
    if several or (not distance and not is_countable(noun)):
        return f"{head}{between}{noun}"
    first = article(f"{between}{noun}")
    return f"{head}{first.capitalize() if last[0].isupper() else first} {between}{noun}"


def _determiner_before(before: str) -> tuple[str, int]:
    """The determiner of the noun that follows ("a", a number, "many of" or "") and the number of adjectives between."""
    if not before.endswith(" "):
        return "", 0
    words = [word.lower() for word in before.split()]
    if not words or re.search(r"[,.;:!?]$", words[-1]):
        return "", 0
    if _says_many(words):
        return "many of", 0
    if words[-1] in _MANY_AFTER_VERB or " ".join(words[-2:]) in _MANY_AFTER_VERB:
        return "many of", 0
    counting = _ONE | _ANY | _MANY | {"a", "an"}
    for distance in range(min(3, len(words))):
        word = words[-1 - distance]
        if word in counting:
            # "each holding {subject}": a verb, not an adjective.
            verb = distance and words[-1].endswith("ing") and word not in ("a", "an", "the")
            return ("", 0) if verb else (word, distance)
        if word in _BOUNDARY or re.search(r"[,.;:!?]$", word):
            if _says_many(words[: len(words) - distance]):
                return "many of", 0  # "rows of small {subject}"
            break
        # One word of any kind may lie between, further ones only if they are surely adjectives.
        if distance and not (word in _ADJECTIVES or word.endswith("ed") or "-" in word):
            break
    # An adjective without an article: "small {subject} in a large one".
    return ("many of", 0) if words[-1] in _ADJECTIVES else ("", 0)


def _says_many(words: list[str]) -> bool:
    """Whether the words end in a phrase such as "a heap of"."""
    return words[-1] == "of" and (bool(_MANY_OF.intersection(words[-2:-1])) or words[-3:-1] == ["made", "up"])
