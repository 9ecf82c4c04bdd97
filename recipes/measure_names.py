"""Measure how subjects are understood: nouns in many languages, misspelt nouns and phrases.

    python recipes/measure_names.py

Reads the tables of benchmarks/words: nouns_by_language.csv (nouns that were not translated by hand for the library),
and phrases.csv. The misspelt nouns are made here: one edit in each of 200 nouns, drawn with a fixed seed, where the
result is no other name.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

from analogen.relsim.text import load_text_tower
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.subject_names import subject_finder
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
    nouns = [name for name in library.nouns() if name.isalpha() and name.isascii() and len(name) >= 3]
    nouns = [name for name in nouns if vocabulary().get(name, 30_000) < 20_000]  # those that people ask for
    pairs: list[tuple[str, str]] = []
    while len(pairs) < number:
        noun = rng.choice(nouns)
        slip = misspell(noun, rng)
        if slip != noun and library.by_name(slip) is None and library.by_relative(slip) is None:
            pairs.append((slip, noun))
    return pairs


def same(library: ArtLibrary, found: str | None, noun: str) -> bool:
    return found is not None and library.group(found) == library.group(noun)


def main() -> None:
    library, finder, embed = ArtLibrary.shipped(), subject_finder(), load_text_tower().embed

    rows = list(csv.reader((WORDS / "nouns_by_language.csv").open(encoding="utf-8", newline="")))
    right, asked, wrong = 0, 0, []
    for row in rows[1:]:
        for noun, word in zip(rows[0][1:], row[1:], strict=True):
            found = finder.find(word, embed)
            asked += 1
            right += same(library, found.name, noun)
            if not same(library, found.name, noun):
                wrong.append(f"{row[0]} {word}: {found.name}")
    print(f"nouns in {len(rows) - 1} languages: {right} of {asked} right; wrong: {'; '.join(wrong)}")

    right, told, wrong = 0, 0, []
    pairs = misspelt(library)
    for slip, noun in pairs:
        found = finder.find(slip, embed)
        right += same(library, found.name, noun)
        told += found.note("--subject", slip) is not None
        if not same(library, found.name, noun):
            wrong.append(f"{slip} ({noun}): {found.name}")
    print(f"misspelt nouns: {right} of {len(pairs)} right, {told} told; wrong: {'; '.join(wrong)}")

    right, told, wrong = 0, 0, []
    table = list(csv.DictReader((WORDS / "phrases.csv").open(encoding="utf-8", newline="")))
    for row in table:
        found = finder.find(row["phrase"], embed)
        painted = (found.color.name if found.color else "") or (found.name or "").split()[0]
        good = same(library, found.name, row["noun"]) and row["color"] in painted
        right += good
        note = found.note("--subject", row["phrase"]) or ""
        told += all(word in note for word in row["told"].split(";") if word) and bool(note)
        if not good:
            wrong.append(f"{row['phrase']}: {found.name}, {found.color and found.color.name}")
    print(f"phrases: {right} of {len(table)} right, {told} told; wrong: {'; '.join(wrong)}")


if __name__ == "__main__":
    main()
