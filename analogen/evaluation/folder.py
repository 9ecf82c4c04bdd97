"""Scores a folder of results of any generator on the benchmark of analogies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analogen.evaluation.analogy import Judges
from analogen.evaluation.benchmark import BenchmarkReference
from analogen.evaluation.reference_facts import facts_of_reading, kept
from analogen.relsim.evaluation.metrics import bootstrap_mean, rounded
from analogen.relsim.images import read_image
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.reading import read_scenes
from analogen.relsim.picture_folders import scan_pictures
from analogen.relsim.world.art import ArtLibrary
from analogen.scoring import SAME_NOUN, Vectors, score

PASS = 16  # references that are looked at together
LIKELY = 0.5  # probability from which a relation counts as there, and up to which copying is none
CHOICES = 100  # nouns that a picture's subject is chosen from: the one asked for, the reference's, and others
MEASURES = ("relation", "named", "structure", "subject", "copying", "kept")
JUDGED = ("relation_judge", "subject_judge")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ResultFolder:
    """What lies in a folder of results.

    pictures    The result of each reference by id.
    missing     Ids of references without a result.
    unreadable  Path and reason of pictures that cannot be read.
    extra       Files that belong to no reference. further: more results of a reference, of which the first is measured.
    """

    pictures: Mapping[str, Path]
    missing: tuple[str, ...]
    unreadable: tuple[dict[str, str], ...]
    extra: tuple[Path, ...]
    further: tuple[Path, ...]


@dataclass(frozen=True)
class ScoredResult:
    """The figures of one result, each in [0, 1]; None where there is nothing to measure it by.

    relation   Probability that it has the logic of the reference.
    named      Whether the nearest caption of the catalogue is that of the reference's relation.
    structure  Share of the reference's facts that it keeps.
    subject    Whether of CHOICES nouns the subject is the nearest to it.
    copying    How much of its looks comes from the reference.
    kept       Whether the relation is likely, the subject is there, and copying is not likely.
    """

    id: str
    manner: str
    relation: float
    named: bool | None
    structure: float | None
    subject: bool
    copying: float
    facts: dict[str, bool] = field(default_factory=dict)
    relation_judge: bool | None = None
    subject_judge: bool | None = None

    @property
    def kept(self) -> bool:
        return self.relation >= LIKELY and self.subject and self.copying < LIKELY

    def row(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        figures = {name: getattr(self, name) for name in (*MEASURES, *JUDGED)}
        rounded_ = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items() if v is not None}
        return {"id": self.id, "manner": self.manner, **rounded_, "facts": self.facts}


def find_results(folder: Path, references: Sequence[BenchmarkReference]) -> ResultFolder:
    """Match the pictures of a folder with the references: ID.png, or the first of ID-0.png, ID-1.png, ...

    Raises FileNotFoundError or ValueError with one line if there is no such folder.
    """
    found = scan_pictures(folder)
    known = {reference.id for reference in references}
    own: dict[str, list[tuple[int, Path]]] = {}
    extra = []
    for path in found.paths:
        numbered = re.fullmatch(r"(.+)-(\d+)", path.stem)
        if path.stem in known:
            own.setdefault(path.stem, []).append((-1, path))
        elif numbered and numbered[1] in known:
            own.setdefault(numbered[1], []).append((int(numbered[2]), path))
        else:
            extra.append(path)
    unreadable = list(found.left_out)
    pictures, further = {}, []
    for id, paths in own.items():
        first, *rest = [path for _, path in sorted(paths)]
        further += rest
        try:
            read_image(first)
            pictures[id] = first
        except (ValueError, FileNotFoundError) as error:
            unreadable.append({"path": str(first), "reason": str(error)})
    missing = tuple(reference.id for reference in references if reference.id not in own)
    return ResultFolder(pictures, missing, tuple(unreadable), tuple(extra), tuple(further))


def score_results(
    references: Sequence[BenchmarkReference],
    results: ResultFolder,
    encoder: MiniEncoder,
    subjects: Mapping[str, str] | None = None,
    judges: Judges | None = None,
    progress: Progress | None = None,
) -> list[ScoredResult]:
    """The figures of every result that is there, in the order of the references.

    subjects: what a result was to show, by id, where it is not what the benchmark asks for. encoder: one that reads
    scenes. A fact counts only where it is read in the reference itself, so that what the reader cannot see is nobody's
    fault. Raises ValueError or FileNotFoundError for references that cannot be read.
    """
    there = [reference for reference in references if reference.id in results.pictures]
    scored = []
    for start in range(0, len(there), PASS):
        part = there[start : start + PASS]
        scored += _score_part(part, results.pictures, encoder, subjects or {}, judges or {})
        if progress is not None:
            progress("pictures", len(scored), len(there))
    return scored


def _score_part(
    references: Sequence[BenchmarkReference], pictures: Mapping[str, Path], encoder: MiniEncoder,
    subjects: Mapping[str, str], judges: Judges,
) -> list[ScoredResult]:  # fmt: skip
    shown = [read_image(reference.path).image for reference in references]
    made = [read_image(pictures[reference.id]).image for reference in references]
    wanted, found = encoder.encode_references(shown), encoder.encode_all(made)
    sure = [encoder.confidence(one, float(known)) for one, known in zip(wanted.relation, wanted.known, strict=True)]
    taken = [encoder.taken_for(one, confidence) for one, confidence in zip(wanted.relation, sure, strict=True)]
    asked = [subjects.get(reference.id, reference.subject) for reference in references]
    meanings = encoder.embed_text(asked)
    readings = zip(read_scenes(shown, encoder), read_scenes(made, encoder), strict=True)
    verdicts = {what: judge.predict([_small(image) for image in made]) for what, judge in judges.items()}
    scored = []
    for i, (reference, (seen, result)) in enumerate(zip(references, readings, strict=True)):
        figures = score(
            taken[i], found.relation[i : i + 1], meanings[i], found.subject[i : i + 1],
            wanted.attributes[i : i + 1], found.attributes[i : i + 1], calibration=encoder.calibration,
        )[0]  # fmt: skip
        there = kept(reference.facts, facts_of_reading(seen, reference.relation))
        facts = {name: reference.facts[name] for name, visible in there.items() if visible}
        held = kept(facts, facts_of_reading(result, reference.relation))
        nearest = encoder.nearest_captions(found.relation[i], 1)[0].relation
        scored.append(
            ScoredResult(
                reference.id, reference.manner, figures.relation,
                nearest == reference.relation if reference.relation else None,
                float(np.mean(list(held.values()))) if held else None,
                bool(found.subject[i] @ meanings[i] > (other_choices(reference, meanings[i]) @ found.subject[i]).max()),
                figures.copy, held,
                _verdict(judges, verdicts, "relation", i, reference.relation),
                _verdict(judges, verdicts, "subject", i, asked[i]),
            )
        )  # fmt: skip
    return scored


def other_choices(reference: BenchmarkReference, subject: Vectors) -> Vectors:
    """Meanings (CHOICES - 1, 384) of nouns that the result of a reference is not to show, the reference's own first.

    The others are drawn by the reference's id. subject: (384,), what is asked for; nouns that mean nearly the same as
    that, or as the logic's other thing, are none of them.
    """
    library = ArtLibrary.shipped()
    nouns = library.nouns(stock=True)
    meanings = np.stack([library.meaning(noun) for noun in nouns])
    allowed = meanings @ subject < SAME_NOUN
    if reference.other in library.nouns():
        allowed &= meanings @ library.meaning(reference.other) < SAME_NOUN
    order = np.random.default_rng(list(reference.id.encode())).permutation(np.flatnonzero(allowed))
    own = nouns.index(reference.shows) if reference.shows in nouns else -1
    first = [own] if own >= 0 and allowed[own] else []
    return np.asarray(meanings[[*first, *(row for row in order if row != own)][: CHOICES - 1]])


def _verdict(judges: Judges, verdicts: Mapping[str, list[str]], what: str, number: int, truth: str) -> bool | None:
    """Whether the judge names the truth; None where there is no such judge, or it does not know the truth's name."""
    return verdicts[what][number] == truth if what in judges and truth in judges[what].classes else None


def _small(image: Image.Image) -> Image.Image:
    """As judges are given pictures: they average what is large."""
    return image.resize((256, 256), Image.Resampling.LANCZOS)


def summarised(scored: Sequence[ScoredResult], asked: int, seed: int = 0) -> list[dict[str, Any]]:
    """A row of means with 95 % bootstrap intervals for all results, and for each manner of the references.

    asked: how many references there are; `kept_of_all` of the first row counts those without a result as not kept.
    """
    rows = []
    for manner in ("all", *sorted({one.manner for one in scored})):
        own = [one for one in scored if manner in ("all", one.manner)]
        row: dict[str, Any] = {"manner": manner, "pictures": len(own)}
        for name in (*MEASURES, *JUDGED):
            values = [float(getattr(one, name)) for one in own if getattr(one, name) is not None]
            if values:
                row[name] = {**rounded(bootstrap_mean(values, seed)), "pictures": len(values)}
        if manner == "all":
            row["kept_of_all"] = round(sum(one.kept for one in own) / asked, 4)
        rows.append(row)
    return rows


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as text: means in percent, with intervals."""
    names = [name for name in (*MEASURES, *JUDGED) if any(name in row for row in rows)]
    cells = [["", "pictures", *(name.replace("_", " ") for name in names)]]
    for row in rows:
        cells.append([str(row["manner"]), str(row["pictures"]), *(_cell(row.get(name)) for name in names)])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _cell(mean: Mapping[str, float | None] | None) -> str:
    if mean is None or mean["mean"] is None:
        return "-"
    low, high = mean["low"], mean["high"]
    interval = "" if low is None or high is None else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * mean['mean']:.1f}{interval}"
