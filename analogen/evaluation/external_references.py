"""Evaluates analogies on references drawn by other people: reading accuracy and relation success."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from analogen.evaluation.analogy import (
    JudgedCandidate,
    Judges,
    Task,
    best,
    judge_candidates,
    load_judges,
    rates,
    write_sheets,
)
from analogen.evaluation.labelled_tables import read_labelled
from analogen.generator import Generator
from analogen.relsim.images import read_image
from analogen.relsim.world.dataset import held_out_selection


@dataclass(frozen=True)
class LabelledImage:
    """A picture with its true relation. manner: how it was made, such as charcoal; "" if unknown."""

    image: Image.Image
    relation: str
    manner: str


def read_labelled_images(table: Path) -> list[LabelledImage]:
    """Read a table of path, relation and optionally manner; paths are relative to the table. Raises UserError."""
    return [
        LabelledImage(read_image(table.parent / row["path"]).image, row["relation"], row["manner"])
        for row in read_labelled(table, ("path",), optional=("manner",))
    ]


def run_external_references(
    table: Path,
    candidates: int = 4,
    seed: int = 0,
    device: str = "auto",
    judges: Path | None = None,
    output: Path = Path("out/external_references"),
) -> Iterator[dict[str, object]]:
    """Read each picture and redraw it with a held-out subject; results over all pictures and for each manner.

    Writes contact sheets. The last result lists the pictures that were read as another relation.
    """
    images = read_labelled_images(table)
    loaded: Judges = load_judges(judges)
    generator = Generator(device=device)
    output.mkdir(parents=True, exist_ok=True)
    rng, nouns = np.random.default_rng([seed, 43]), held_out_selection().subjects
    tasks = []
    for row in images:
        subject, other = (str(noun) for noun in rng.choice(nouns, 2, replace=False))
        style = str(rng.choice(held_out_selection().styles))
        tasks.append(Task(row.relation, row.image, row.manner, subject, other, style))
    embedded = generator.encoder.encode_references([row.image for row in images])
    read = [generator.encoder.nearest_captions(r, 1)[0].relation for r in embedded.relation]
    sure = [generator.encoder.confidence(r, float(k)) for r, k in zip(embedded.relation, embedded.known, strict=True)]
    tried = judge_candidates(tasks, generator, candidates, seed, 1.0, loaded)
    yield {"manner": "all", **_line(range(len(images)), images, read, sure, tried)}
    for manner in sorted({row.manner for row in images} - {""}):
        own = [i for i, row in enumerate(images) if row.manner == manner]
        yield {"manner": manner, **_line(own, images, read, sure, tried)}
    write_sheets(tasks, [best(tries) for tries in tried], output, "foreign")
    wrong = {f"{n.relation} ({n.manner})": r for n, r in zip(images, read, strict=True) if r != n.relation}
    yield {"misread": wrong}


def _line(
    own: Sequence[int], images: Sequence[LabelledImage], read: Sequence[str], sure: Sequence[float],
    tried: Sequence[Sequence[JudgedCandidate]],
) -> dict[str, object]:  # fmt: skip
    picked = {"one_sample": [tried[i][0] for i in own], "best_of_n": [best(tried[i]) for i in own]}
    keys = ("relation_checker", "relation_judge")
    found = {name: {k: v for k, v in rates(chosen).items() if k in keys} for name, chosen in picked.items()}
    return {
        "pictures": len(own),
        "read_right": round(float(np.mean([read[i] == images[i].relation for i in own])), 4),
        "confidence": round(float(np.mean([sure[i] for i in own])), 4),
        **found,
        "by_checker": round(float(np.mean([any(a.checker for a in tried[i]) for i in own])), 4),
    }
