"""Reads captioned training pictures: rows of a JSON Lines file, checked and matched with files in folders or shards.

corpus = Corpus.build(Path("anonymous_captions_train.jsonl"), Path("images"))
corpus.report.counts            # {"missing": 11204, "damaged": 37, "tiny": 5}
corpus.save(Path("train.index.json"))  # check once; every process then loads the index
corpus[0]                       # Example(picture=..., caption=..., group=...)
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from analogen.relsim.data.batching import decode_ahead
from analogen.relsim.data.shards import StoredPicture, find_pictures, keys_of_row

MIN_SIDE_PX = 64
LABELS = {True: "yes", False: "no"}  # the words of a row that has a label instead of a caption
# With a larger aspect ratio, no crop of a picture shows its logic.
MAX_ASPECT = 20
_VERSION = 1


class Example(NamedTuple):
    """A training example. group: examples of the same group share one logic and are positives of each other."""

    picture: Image.Image
    caption: str
    group: int


class RefusedRow(NamedTuple):
    """A row or file that is left out. kind: "missing", "damaged", "tiny", "no caption" or "bad row"."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """A checked row of a corpus, without its pixels. subject, prompt: what the picture shows, if its row has them;
    used by the training of adapters."""

    stored: StoredPicture
    caption: str
    group: int
    subject: str = ""
    prompt: str = ""


@dataclass
class Report:
    """The result of the check. A row with several pictures counts once for each picture."""

    rows: int = 0
    kept: int = 0
    refused: list[RefusedRow] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(row.kind for row in self.refused))

    def to_json(self) -> dict[str, Any]:
        listed = [row._asdict() for row in self.refused]
        return {"rows": self.rows, "kept": self.kept, "counts": self.counts, "refused": listed}


class Corpus(Dataset[Example]):
    """A map-style dataset in the order of the rows, with pictures that were read completely when it was built.

    A picture that has changed and can no longer be read raises ValueError or FileNotFoundError; it is not replaced.
    """

    def __init__(self, entries: Sequence[Entry], report: Report) -> None:
        self.entries, self.report = list(entries), report

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Example:
        entry = self.entries[index]
        return Example(entry.stored.read().image, entry.caption, entry.group)

    @property
    def captions(self) -> list[str]:
        return [entry.caption for entry in self.entries]

    @property
    def groups(self) -> NDArray[np.int64]:
        """The groups of the rows, (n,)."""
        return np.array([entry.group for entry in self.entries], np.int64)

    def members(self) -> list[list[int]]:
        """The rows of every group, in order of first appearance, for training the captioner."""
        found: dict[int, list[int]] = {}
        for row, entry in enumerate(self.entries):
            found.setdefault(entry.group, []).append(row)
        return list(found.values())

    @classmethod
    def build(
        cls,
        rows: str | Path,
        root: str | Path,
        *,
        min_side_px: int = MIN_SIDE_PX,
        progress: Callable[[int, int], None] | None = None,
        workers: int | None = None,
    ) -> Corpus:
        """Matches the rows of a JSON Lines file or JSON array with pictures below `root`, and reads each picture once.

        Rows: `image_hash`, `caption`, `url_link` (anonymous-captions-114k); `anonymous_caption`, `image_urls`
        (seed-groups); those of `analogen world`; or `path` (below `root`, or with it) and `label`, true or false, whose
        captions become yes and no. Whatever cannot be used is left out and listed in `report`.
        Raises ValueError or FileNotFoundError if there is nothing to read at all, or nothing is left.
        """
        found = find_pictures(root)
        report = Report(refused=[RefusedRow(name, "damaged", reason) for name, reason in found.damaged])
        groups: dict[tuple[str, str], int] = {}
        wanted: list[Entry] = []
        for where, row in read_rows(rows):
            if isinstance(row, str):
                report.rows += 1
                report.refused.append(RefusedRow(where, "bad row", row))
                continue
            caption = _caption(row)
            number = groups.setdefault(_group_key(row, caption, where), len(groups))
            urls = _urls(row)
            if not urls:
                report.rows += 1
                report.refused.append(RefusedRow(where, "missing", f"{where}: its image_urls is empty"))
            for url in urls:
                report.rows += 1
                named = (row.get(field) for field in ("url_link", "url", "path", "image_hash"))
                name = url or next((str(value) for value in named if value), where)
                stored = next((found.by_key[key] for key in keys_of_row(row, url) if key in found.by_key), None)
                if not caption:
                    report.refused.append(RefusedRow(name, "no caption", f"{where}: has no caption"))
                elif stored is None:
                    report.refused.append(RefusedRow(name, "missing", f"{where}: no picture of it below {root}"))
                else:
                    wanted.append(Entry(stored, caption, number, _text(row, "subject"), _text(row, "prompt")))

        def check(entry: Entry) -> None:
            _check_size(entry.stored, entry.stored.read().image, min_side_px)

        kept: list[Entry] = []
        verdicts = decode_ahead(wanted, check, ahead=64, workers=workers)
        for number, (entry, verdict) in enumerate(zip(wanted, verdicts, strict=True)):
            if isinstance(verdict, Exception):
                if not isinstance(verdict, ValueError | FileNotFoundError):
                    raise verdict
                kind = "tiny" if isinstance(verdict, _Tiny) else "damaged"
                report.refused.append(RefusedRow(entry.stored.name, kind, str(verdict)))
            else:
                kept.append(entry)
            if progress is not None:
                progress(number + 1, len(wanted))
        report.kept = len(kept)
        if not kept:
            counts = ", ".join(f"{count} {kind}" for kind, count in report.counts.items()) or "no rows"
            raise ValueError(f"{rows}: nothing is left to train on ({counts}): check that {root} holds its pictures")
        return cls(kept, report)

    def save(self, path: str | Path) -> None:
        """Writes the index as JSON: the checked rows and the report. Paths stay as they were given."""
        rows = [
            {**dataclasses.asdict(e.stored), "path": str(e.stored.path), "caption": e.caption, "group": e.group}
            | {name: text for name, text in (("subject", e.subject), ("prompt", e.prompt)) if text}
            for e in self.entries
        ]
        whole = {"version": _VERSION, "report": self.report.to_json(), "entries": rows}
        path = Path(path)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(whole, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Corpus:
        """Reads an index that `save` wrote. Raises FileNotFoundError or ValueError with one line."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such index: make it with: analogen corpus ROWS DIR --output {path}")
        try:
            whole = json.loads(path.read_text(encoding="utf-8"))
            if whole["version"] != _VERSION:
                raise ValueError(f"version {whole['version']}, expected {_VERSION}")
            told = whole["report"]
            report = Report(told["rows"], told["kept"], [RefusedRow(**row) for row in told["refused"]])
            entries = [
                Entry(
                    StoredPicture(Path(row["path"]), row["member"], row["offset"], row["size"]),
                    row["caption"],
                    row["group"],
                    row.get("subject", ""),
                    row.get("prompt", ""),
                )
                for row in whole["entries"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: is no index of a corpus ({error}): make it anew") from error
        return cls(entries, report)


def read_rows(path: str | Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Yields (location, row) for each object of a JSON Lines file or JSON array; a bad row is replaced by the reason.

    Raises FileNotFoundError or ValueError if the file cannot be read, or holds no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file: expected JSON lines")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text: expected JSON lines") from error
    if not text.strip():
        raise ValueError(f"{path}: is empty: expected JSON lines")
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{path}: starts as a JSON array and is none ({error}): download it again") from error
        for number, found in enumerate(listed, 1):
            where = f"{path.name} item {number}"
            yield where, found if isinstance(found, dict) else f"{where}: is no object"
        return
    # Not splitlines(), which would also split at Unicode line separators in captions.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            found = json.loads(line)
        except ValueError as error:
            yield where, f"{where}: is no JSON ({error})"
            continue
        yield where, found if isinstance(found, dict) else f"{where}: is no object"


class _Tiny(ValueError):
    """A picture that is too small or too narrow to show a logic."""


def _check_size(stored: StoredPicture, image: Image.Image, min_side_px: int) -> None:
    shape = f"{image.width} x {image.height} pixels"
    if min(image.size) < min_side_px:
        raise _Tiny(f"{stored.name}: is {shape}, expected sides of {min_side_px} or more")
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise _Tiny(f"{stored.name}: is {shape}, longer than {MAX_ASPECT} times its width")


def _caption(row: dict[str, Any]) -> str:
    """The caption in one line, without the quotes around some published captions."""
    if isinstance(row.get("label"), bool):
        return LABELS[row["label"]]
    given = row.get("caption") or row.get("anonymous_caption") or ""
    text = " ".join(given.split()) if isinstance(given, str) else ""
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def _text(row: dict[str, Any], name: str) -> str:
    """A field in one line, or "" if the row does not have it."""
    given = row.get(name)
    return " ".join(given.split()) if isinstance(given, str) else ""


def _group_key(row: dict[str, Any], caption: str, where: str) -> tuple[str, str]:
    """The key by which rows share one logic: the world's relation, else the group, else the caption."""
    if isinstance(row.get("relation"), str):
        return "relation", row["relation"]
    if isinstance(row.get("group"), int | str):
        return "group", str(row["group"])
    if isinstance(row.get("image_urls"), list):
        return "row", where
    return "caption", caption.lower()


def _urls(row: dict[str, Any]) -> list[str | None]:
    """The URLs of a row with several pictures, or [None] for a row with one picture."""
    urls = row.get("image_urls")
    return [url for url in urls if isinstance(url, str)] if isinstance(urls, list) else [None]
