"""Blind A/B studies with people: an HTML page for participants, a secret key, and the tally of the answers."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analogen.relsim.evaluation.metrics import bootstrap_mean, rounded
from analogen.relsim.evaluation.tables import picture_at, read_table

TEMPLATE = Path(__file__).parent / "human_study.html"
COLUMNS = ("reference", "a", "b", "a_method", "b_method")
QUESTION = "Which of the two pictures follows the same idea as the reference?"
CHOICES = ("left", "right", "tie")
_MAX_RESULTS_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Study:
    """A page for participants, and the key, which says which method is on which side and which they must not see."""

    page: str
    key: dict[str, Any]
    refused: list[dict[str, str]]


def build_study(table: str | Path, question: str = QUESTION, seed: int = 0, max_side_px: int = 512) -> Study:
    """Builds a study from the pairs in a CSV or JSON Lines table with reference, a, b, a_method and b_method.

    Order and sides are drawn by the seed. The page names neither methods nor files; pictures lie in it as JPEG of at
    most max_side_px, without their metadata. Pairs with a picture that cannot be read are left out and listed.
    Raises FileNotFoundError or ValueError with one line.
    """
    rows = read_table(table, COLUMNS)
    for number, row in enumerate(rows, 1):
        if row["a_method"] == row["b_method"]:
            raise ValueError(f"{table} row {number}: a_method and b_method are both {row['a_method']!r}")
    rng = np.random.default_rng([seed, 52])
    order = rng.permutation(len(rows))
    turned = rng.random(len(rows)) < 0.5
    study = hashlib.sha256(json.dumps([rows, seed, question]).encode()).hexdigest()[:12]
    pairs: list[dict[str, str]] = []
    key: dict[str, dict[str, Any]] = {}
    refused: list[dict[str, str]] = []
    for place in order.tolist():
        row = rows[place]
        urls: dict[str, str] = {}
        for what in ("reference", "a", "b"):
            picture = picture_at(table, row[what])
            try:
                urls[what] = _data_url(picture.read().image, max_side_px)
            except (ValueError, FileNotFoundError) as error:
                refused.append({"path": picture.name, "reason": str(error)})
                break
        else:
            left, right = ("b", "a") if turned[place] else ("a", "b")
            name = hashlib.sha256(f"{study} {seed} {place}".encode()).hexdigest()[:10]
            pairs.append({"pair": name, "reference": urls["reference"], "left": urls[left], "right": urls[right]})
            key[name] = {"row": place, "left": row[f"{left}_method"], "right": row[f"{right}_method"]}
    if not pairs:
        raise ValueError(f"{table}: no pair has all its pictures; the first: {refused[0]['reason']}")
    told = json.dumps({"study": study, "question": question, "pairs": pairs})
    # A script must not contain what looks like the start of a tag.
    page = TEMPLATE.read_text(encoding="utf-8").replace("{{STUDY}}", told.replace("<", "\\u003c"))
    return Study(page, {"study": study, "question": question, "seed": seed, "pairs": key}, refused)


def read_key(path: str | Path) -> dict[str, Any]:
    """Reads the key of a study. Raises FileNotFoundError or ValueError with one line."""
    key = _read(Path(path))
    if not isinstance(key.get("pairs"), dict) or not isinstance(key.get("study"), str):
        raise ValueError(f"{path}: is no key of a study: expected the .key.json beside its page")
    return key


def read_answers(paths: Sequence[Path], key: dict[str, Any]) -> list[dict[str, Any]]:
    """Reads the files that participants saved. Of two files of one session the fuller one counts.

    Raises FileNotFoundError or ValueError for a file that is none, or is of another study.
    """
    sessions: dict[str, dict[str, Any]] = {}
    for path in paths:
        found = _read(path)
        if found.get("study") != key["study"]:
            raise ValueError(f"{path}: is of study {found.get('study')!r}, expected {key['study']!r}")
        answers = found.get("answers")
        if not isinstance(answers, list) or not isinstance(found.get("session"), str):
            raise ValueError(f"{path}: holds no answers: expected a file that the page saved")
        for answer in answers:
            if (
                not isinstance(answer, dict)
                or answer.get("choice") not in CHOICES
                or answer.get("pair") not in key["pairs"]
            ):
                raise ValueError(f"{path}: holds an answer that the page cannot have given: {str(answer)[:80]}")
        before = sessions.get(found["session"])
        if before is None or len(before["answers"]) <= len(answers):
            sessions[found["session"]] = found
    return list(sessions.values())


def tally(key: dict[str, Any], answers: Sequence[dict[str, Any]], seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yields a row for every two methods that were compared: the shares that prefer each, ties, and an interval.

    `first` is the method whose name comes first. Raises ValueError if there are no answers.
    """
    votes: dict[tuple[str, str], list[str]] = {}
    people: dict[tuple[str, str], set[str]] = {}
    for found in answers:
        # If a pair was answered twice, the last answer counts.
        for name, choice in {a["pair"]: a["choice"] for a in found["answers"]}.items():
            sides = key["pairs"][name]
            first, second = sorted((sides["left"], sides["right"]))
            votes.setdefault((first, second), []).append("tie" if choice == "tie" else sides[choice])
            people.setdefault((first, second), set()).add(found["session"])
    if not votes:
        raise ValueError("there are no answers to count: name the files that the page saved")
    for (first, second), chosen in sorted(votes.items()):
        share = rounded(bootstrap_mean([float(vote == first) for vote in chosen], seed))
        yield {
            "first": first, "second": second, "answers": len(chosen), "people": len(people[first, second]),
            "prefer_first": share["mean"], "low": share["low"], "high": share["high"],
            "tie": round(chosen.count("tie") / len(chosen), 4),
            "prefer_second": round(chosen.count(second) / len(chosen), 4),
        }  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file: check the name")
    if path.stat().st_size > _MAX_RESULTS_BYTES:
        raise ValueError(f"{path}: is too large to be of a study: check the name")
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON: expected a file of a study") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: is no JSON object: expected a file of a study")
    return found


def _data_url(image: Image.Image, max_side_px: int) -> str:
    small = Image.frombytes("RGB", image.size, image.tobytes())  # without the metadata of the file
    small.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    with io.BytesIO() as file:
        small.save(file, "JPEG", quality=90)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
