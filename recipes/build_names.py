"""Build the names of the art library's nouns in many languages and as emoji, from the annotations of Unicode's CLDR.

    npm install cldr-annotations-full @iconify-json/noto @iconify-json/fluent-emoji-flat
    python recipes/build_names.py --packages node_modules --output relsim/world/art

Reads catalogue.txt, the lists of clip art and silhouettes, and common_nouns.csv (the most used nouns, translated by
hand) in the output folder; writes names.xz, NOTICE-names and LICENSE-unicode.txt to it. The same input gives the same
bytes. It takes about ten seconds.

CLDR gives every emoji a label and keywords in each language. A label ("bicicletta") is a name. A keyword ("犬", with
the poodle as well as with the dog) is a name where its emoji are about those that an English name of the noun stands
with; other keywords ("Tier", "rot") are none. A word with several meanings means what most languages say, those with
more users counting more.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from build_art import Entry, read_catalogue
from build_clip_art import LISTS, read_list

from analogen.relsim.world.names import HAND, KEYWORD, LABEL, normalized, plain_emoji

# A language's weight where one word means different things in several; languages that are not listed are left out.
LANGUAGES = {
    **dict.fromkeys(["de", "es", "fr", "it", "ja", "ko", "pt", "ru", "zh"], 3.0),
    **dict.fromkeys(
        ["ar", "cs", "da", "el", "es-MX", "es-419", "fa", "fi", "fr-CA", "he", "hi", "hu", "id", "nl", "no", "pl",
         "pt-PT", "ro", "sv", "th", "tr", "uk", "vi", "yue", "zh-Hant"], 2.0),
    **dict.fromkeys(
        ["af", "bg", "bn", "ca", "et", "eu", "fil", "gl", "hr", "is", "ka", "lt", "lv", "mr", "ms", "sk", "sl", "sr",
         "sw", "ta", "te", "ur"], 1.0),
}  # fmt: skip
LEAST_OVERLAP = 0.3  # of a keyword's emoji with those of an English name of the noun
PACKAGES = ("@iconify-json/noto", "@iconify-json/fluent-emoji-flat")  # say which character an icon draws


class Annotations:
    """Terms of one language: for each its nouns (first names of the catalogue), and which of them it labels."""

    def __init__(self, path: Path, nouns: dict[str, str]) -> None:
        self.nouns: dict[str, set[str]] = defaultdict(set)
        self.labelled: dict[str, set[str]] = defaultdict(set)
        self.labels: dict[str, str] = {}  # of every emoji, drawn or not
        data = json.loads(path.read_text(encoding="utf-8"))["annotations"]["annotations"]
        for character, terms in data.items():
            character = plain_emoji(character)
            label = terms.get("tts", [""])[0]
            self.labels[character] = label
            if character not in nouns:
                continue
            for term in (label, *terms.get("default", ())):
                if term:
                    self.nouns[normalized(term)].add(nouns[character])
            if label:
                self.labelled[normalized(label)].add(nouns[character])


def emoji_of(entries: list[Entry], packages: Path) -> dict[str, str]:
    """The noun of each emoji that the library draws."""
    characters: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for code, icon in json.loads((packages / package / "chars.json").read_text(encoding="utf-8")).items():
            characters[icon].append(plain_emoji("".join(chr(int(part, 16)) for part in code.split("-"))))
    found: dict[str, str] = {}
    for entry in entries:
        for icon in entry.ids:
            for character in sorted(characters[icon]):
                found.setdefault(character, entry.name)
    return found


def read_common(path: Path) -> Iterable[tuple[str, str, str]]:
    """language, noun, name: the rows of the table that was written by hand."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    for row in rows[1:]:
        for noun, names in zip(rows[0][1:], row[1:], strict=True):
            for name in names.split("/"):
                yield row[0], noun, normalized(name)


def choose(entries: list[Entry], packages: Path, common: Path | None) -> dict[str, tuple[str, str, int]]:
    """For each name its noun, the language that it is best known in, and its tier (see names.py)."""
    nouns = emoji_of(entries, packages)
    folder = packages / "cldr-annotations-full" / "annotations"
    english = Annotations(folder / "en" / "annotations.json", nouns)
    handles = {entry.name: [normalized(name) for name in (entry.name, *entry.synonyms)] for entry in entries}
    for noun, names in handles.items():
        for name in names:
            english.nouns[name].add(noun)
    order = {entry.name: number for number, entry in enumerate(entries)}
    first = {name: entry.name for entry in entries for name in (entry.name, *entry.synonyms)}

    def overlap(group: set[str], noun: str) -> float:
        return max(len(group & english.nouns[h]) / len(group | english.nouns[h]) for h in handles[noun])

    # votes[name][noun] = [(weight, language, tier), ...]
    votes: dict[str, dict[str, list[tuple[float, str, int]]]] = defaultdict(lambda: defaultdict(list))
    for language, weight in LANGUAGES.items():
        terms = Annotations(folder / language / "annotations.json", nouns)
        for name, group in terms.nouns.items():
            labelled = terms.labelled.get(name, set())
            best = max(group, key=lambda noun: (noun in labelled, overlap(group, noun), -order[noun]))
            agreement = overlap(group, best)
            if best in labelled:
                votes[name][best].append((2 * weight, language, LABEL))
            elif agreement >= LEAST_OVERLAP:
                votes[name][best].append((agreement * weight, language, KEYWORD))
    for language, noun, name in read_common(common) if common is not None else ():
        votes[name][first[noun]].append((20 * LANGUAGES[language], language, HAND))
    chosen: dict[str, tuple[str, str, int]] = {}
    for name, meant in votes.items():
        noun = max(meant, key=lambda n: (sum(w for w, _, _ in meant[n]), -order[n]))
        _, language, _ = max(meant[noun], key=lambda vote: vote[0])
        chosen[name] = (noun, language, max(tier for _, _, tier in meant[noun]))
    return chosen


def read_entries(output: Path) -> list[Entry]:
    """The catalogue, and after it the clip art and silhouettes; of the latter an emoji of the same name has names."""
    lines = (line for file in LISTS.values() for line in read_list(output / file))
    return read_catalogue(output / "catalogue.txt") + [
        Entry(line.name, line.category, False, (line.name.replace(" ", "-"),), line.name, line.synonyms, ())
        for line in lines
    ]


def build(packages: Path, output: Path) -> None:
    """Write names.xz and what it has to state about its source."""
    entries = read_entries(output)
    chosen = choose(entries, packages, output / "common_nouns.csv")
    lines: dict[tuple[str, int, str], list[str]] = defaultdict(list)
    for name, (noun, language, tier) in chosen.items():
        lines[language, tier, noun].append(name)
    folder = packages / "cldr-annotations-full"
    drawn = emoji_of(entries, packages)
    labels = Annotations(folder / "annotations" / "en" / "annotations.json", drawn).labels
    text = [f"emoji\t0\t{noun}\t{character}" for character, noun in sorted(drawn.items())]
    # Symbols that are punctuation or letters are no emoji; a keycap or a letter names nothing.
    text += [
        f"label\t0\t{t}\t{c}" for c, t in sorted(labels.items()) if c and c not in drawn and t and ord(c[0]) >= 0x203C
    ]
    text += [
        f"{code}\t{tier}\t{noun}\t{';'.join(sorted(named))}" for (code, tier, noun), named in sorted(lines.items())
    ]
    packed = lzma.compress("\n".join(text).encode(), preset=9 | lzma.PRESET_EXTREME)
    (output / "names.xz").write_bytes(packed)
    version = json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"]
    (output / "LICENSE-unicode.txt").write_bytes((folder / "LICENSE").read_bytes())
    (output / "NOTICE-names").write_text(
        "names.xz holds labels and keywords of emoji from Unicode CLDR, by the npm package cldr-annotations-full "
        f"{version}; Unicode-3.0, see LICENSE-unicode.txt. recipes/build_names.py chose and arranged them.\n",
        encoding="utf-8",
    )
    print(f"{len(chosen)} names in {len(LANGUAGES)} languages, {len(drawn)} emoji; {len(packed) / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the names of the art library in many languages.")
    parser.add_argument("--packages", type=Path, required=True, help="node_modules with the three packages")
    parser.add_argument("--output", type=Path, required=True, help="folder of the library, holds catalogue.txt")
    arguments = parser.parse_args()
    build(arguments.packages, arguments.output)


if __name__ == "__main__":
    main()
