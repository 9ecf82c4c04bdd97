"""Measure how subjects are understood: nouns in many languages, misspelt nouns and phrases.

    python recipes/measure_names.py

Reads the tables of benchmarks/words: nouns_by_language.csv (nouns that were not translated by hand for the library),
and phrases.csv. The misspelt nouns are made here: one edit in each of 200 nouns, drawn with a fixed seed, where the
result is no other name and no common word ("meal" for medal).
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, field
from pathlib import Path

from analogen.relsim.text import load_text_tower
from analogen.relsim.world import names
from analogen.relsim.world.art import ArtLibrary, Embed
from analogen.relsim.world.subject_names import COMMON_RANK, SubjectFinder, SubjectMatch, subject_finder
from analogen.relsim.world.vocabulary import vocabulary

WORDS = Path(__file__).parent.parent / "benchmarks" / "words"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NEIGHBOURS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def misspell(word: str, rng: random.Random) -> str:
    """One slip of a finger: two letters swapped, one lost, doubled, beside the right key, or too many."""
    place = rng.randrange(len(word))
    kind = rng.choice(["swap", "lose", "double", "beside", "insert"])
    if kind == "swap" and place + 1 < len(word):
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind == "lose" and len(word) > 3:
        return word[:place] + word[place + 1 :]
    if kind == "beside":
        row = next((row for row in NEIGHBOURS if word[place] in row), LETTERS)
        column = row.index(word[place])
        beside = [letter for letter in row[max(0, column - 1) : column + 2] if letter != word[place]]
        return word[:place] + rng.choice(beside) + word[place + 1 :]
    if kind == "insert":
        return word[:place] + rng.choice(LETTERS) + word[place:]
    return word[:place] + word[place] + word[place:]


def misspelt(library: ArtLibrary, number: int = 200, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs of a misspelt noun and the noun."""
    rng = random.Random(seed)
    icons = sorted({*library.nouns(split="train"), *library.nouns(split="held_out")})  # so that more art asks the same
    nouns = [name for name in icons if name.isalpha() and name.isascii() and len(name) >= 3]
    nouns = [name for name in nouns if vocabulary().get(name, 30_000) < 20_000]  # those that people ask for
    pairs: list[tuple[str, str]] = []
    while len(pairs) < number:
        noun = rng.choice(nouns)
        slip = misspell(noun, rng)
        is_word = vocabulary().get(slip, COMMON_RANK) < COMMON_RANK
        if slip != noun and not is_word and library.by_name(slip) is None and library.by_relative(slip) is None:
            pairs.append((slip, noun))
    return pairs


def same(library: ArtLibrary, found: str | None, noun: str) -> bool:
    return found is not None and library.group(found) == library.group(noun)


@dataclass
class Tally:
    """How many were asked, understood rightly, and told where they are not the name itself."""

    asked: int = 0
    right: int = 0
    told: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, text: str, found: SubjectMatch, right: bool, told: bool) -> None:
        self.asked += 1
        self.right += right
        self.told += told
        if not (right and told):
            self.wrong.append(f"{text}: {found.name} ({found.note('--subject', text)})")

    def line(self, what: str) -> str:
        return f"{what}: {self.right} of {self.asked} right, {self.told} told" + "".join(f"\n  {w}" for w in self.wrong)


def nouns_by_language(finder: SubjectFinder, embed: Embed | None, path: Path) -> Tally:
    tally = Tally()
    rows = list(csv.reader(path.open(encoding="utf-8", newline="")))
    for row in rows[1:]:
        for noun, words in zip(rows[0][1:], row[1:], strict=True):
            for word in words.split("/"):
                found = finder.find(word, embed)
                told = found.how == "name" or found.note("--subject", word) is not None
                tally.add(f"{row[0]} {word}", found, same(finder.library, found.name, noun), told)
    return tally


def misspelt_nouns(finder: SubjectFinder, embed: Embed | None) -> Tally:
    tally = Tally()
    for slip, noun in misspelt(finder.library):
        found = finder.find(slip, embed)
        tally.add(slip, found, same(finder.library, found.name, noun), found.note("--subject", slip) is not None)
    return tally


def phrases(finder: SubjectFinder, embed: Embed | None) -> Tally:
    tally = Tally()
    for row in csv.DictReader((WORDS / "phrases.csv").open(encoding="utf-8", newline="")):
        found = finder.find(row["phrase"], embed)
        painted = found.color.name if found.color else (found.name or "")
        note = found.note("--subject", row["phrase"]) or ""
        if found.how == "name" and found.name and row["phrase"].endswith(found.name):
            tally.add(row["phrase"], found, True, True)  # there is a drawing of the whole phrase: nothing is left out
            continue
        right = same(finder.library, found.name, row["noun"]) and row["color"] in painted
        tally.add(row["phrase"], found, right, all(word in note for word in row["told"].split(";")))
    return tally


def main() -> None:
    finder, embed = subject_finder(), load_text_tower().embed
    common = Path(names.__file__).parent / "art" / "common_nouns.csv"
    print(nouns_by_language(finder, embed, common).line("most used nouns, translated by hand"))
    print(nouns_by_language(finder, embed, WORDS / "nouns_by_language.csv").line("other nouns, by CLDR alone"))
    print(misspelt_nouns(finder, embed).line("misspelt nouns"))
    print(phrases(finder, embed).line("phrases"))


if __name__ == "__main__":
    main()
