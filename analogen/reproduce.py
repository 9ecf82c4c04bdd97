"""Makes a picture again: turns the record in a PNG back into its request.

The record names its references by hash, so the user has to give the same files. Records are not trusted: all values are
checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analogen.errors import UserError
from analogen.metadata import file_fingerprint, read_metadata
from analogen.request_schema import TYPES, checked_value

PART_NUMBERS = 5  # of `MadeScene.subject_part`
NO_GROUND = "none"  # in the record of a cut-out
# Settings of the whole run, not of the one picture.
_NOT_OF_THE_PICTURE = frozenset({"candidates", "num_images", "retries"})


def request_fields(
    path: Path,
    references: Sequence[Path],
    subject_image: Path | None,
    style_image: Path | None = None,
    art: Path | None = None,
) -> dict[str, Any]:
    """The fields of a Request that makes the picture `path` again.

    references, subject_image, style_image, art: the files that it was made of, in the same order. Raises UserError or
    FileNotFoundError, with one line, for a picture without a valid record and for other files.
    """
    record = read_metadata(path)
    if record.get("becomes") is None:
        marks = [_checked_mark(path, mark) for mark in record["references"]]
        _check_same_files(path, "reference", references, marks)
    elif references:
        raise UserError(f"{path}: was made with --becomes, and holds the scene that this gave: leave --reference out")
    check_subject_image(path, record, subject_image)
    _check_own_file(path, record, "style-image", style_image)
    fields: dict[str, Any] = {"seed": record["seed"], "model": record["model"], "num_images": 1, "candidates": 1}
    for name, value in record["settings"].items():
        if name in TYPES and TYPES[name] is not Path and name not in _NOT_OF_THE_PICTURE and value is not None:
            try:
                fields[name] = checked_value(name, value)
            except UserError as error:
                raise UserError(
                    f"{path}: its record is not proper ({error}): take the picture as it was saved"
                ) from error
    fields["references"] = tuple(references)
    if record.get("scene") is not None:
        # The picture itself holds the scene that it was made from.
        fields["scene"] = path
    if record.get("art") is not None and art is None:
        raise UserError(f"{path} was made with --art {str(record['art'])[:80]}: give that folder too")
    fields.update(subject_image=subject_image, style_image=style_image, art=art)
    if subject_image is not None:
        fields["subject_part"] = _subject_part(path, record["subject_image"])
    return fields


def _subject_part(path: Path, mark: Mapping[str, Any]) -> tuple[float, ...] | None:
    part = mark.get("part")
    if part is None:
        return None
    numbers = isinstance(part, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in part)
    if not numbers or len(part) != PART_NUMBERS or not all(math.isfinite(v) for v in part):
        raise UserError(f"{path}: its record names no proper part of its subject: take the picture as it was saved")
    return tuple(float(value) for value in part)


def check_subject_image(path: Path, record: Mapping[str, Any], given: Path | None) -> None:
    """Raises UserError or FileNotFoundError unless `given` is the user's own picture that `path` was made of."""
    _check_own_file(path, record, "subject-image", given)


def recorded_ground(path: Path, given: Path | None) -> Path | str | None:
    """What the picture `path` lies on in place of its palette's ground: "none", or the user's picture `given`.

    Raises UserError or FileNotFoundError unless `given` is the picture that the record names.
    """
    record = read_metadata(path)
    if record.get("ground") == NO_GROUND:
        if given is not None:
            raise UserError(f"{path}: has no ground, it is transparent: leave --ground out")
        return NO_GROUND
    _check_own_file(path, record, "ground", given)
    return given


def _check_own_file(path: Path, record: Mapping[str, Any], flag: str, given: Path | None) -> None:
    own = record.get(flag.replace("-", "_"))
    _check_same_files(
        path, flag, [] if given is None else [given], [] if own is None else [_checked_mark(path, own)]
    )  # fmt: skip


def _checked_mark(path: Path, mark: object) -> Mapping[str, Any]:
    if isinstance(mark, dict) and all(isinstance(mark.get(key), str) for key in ("name", "sha256")):
        return mark
    raise UserError(f"{path}: its record names a file without its name and hash: take the picture as it was saved")


def _check_same_files(path: Path, flag: str, given: Sequence[Path], marks: Sequence[Mapping[str, Any]]) -> None:
    """Raises UserError if the files are not those of the record."""
    names = ", ".join(mark["name"][:80] for mark in marks) or "none"
    if len(given) != len(marks):
        raise UserError(
            f"{path}: was made with --{flag} {names!s}, and {len(given)} were given: give the same, in this order"
        )
    for file, mark in zip(given, marks, strict=True):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file: check the name")
        if file_fingerprint(file)["sha256"] != mark["sha256"]:
            raise UserError(
                f"--{flag} {file}: is not the file that {path.name} was made of ({mark['name'][:80]!r}, sha256 "
                f"{mark['sha256'][:12]}): find that one, or leave --recall out"
            )
