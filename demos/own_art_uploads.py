"""A user's own cut-outs, uploaded as files or as a ZIP: unpacked, checked and kept as a folder of the studio."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analogen import UserError, open_art
from analogen.demos.messages import page_sentence

PICTURES = (".png", ".webp", ".svg")
TABLE = "names.csv"
MAX_FILES = 500
MAX_FILE_BYTES = 32 * 2**20
MAX_BYTES = 256 * 2**20  # of all files of a set, unpacked
CHECKED_PX = 64


@dataclass(frozen=True)
class ArtSet:
    """A folder of cut-outs. name: of the folder; names: what its things are called; refused: one line for each file
    that cannot be used."""

    name: str
    names: tuple[str, ...]
    refused: tuple[str, ...] = ()


def save_art(paths: Sequence[str | Path], folder: Path) -> ArtSet:
    """Keep uploaded cut-outs as a folder inside `folder`. Files that cannot be used are left out.

    The name is a hash of the content, so that the same files are stored once. Raises UserError with one line where
    nothing can be used, and for too many or too large files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".upload-") as temporary:
        made = Path(temporary) / "set"
        made.mkdir()
        digest = hashlib.sha256()
        for name, data in sorted(_contents([Path(path) for path in paths])):
            path = _free_name(made, name)
            path.write_bytes(data)
            digest.update(path.name.encode() + b"\0" + hashlib.sha256(data).digest())
        name = digest.hexdigest()[:20]
        kept = folder / name
        if not kept.exists():
            refused = _remove_unusable(made)
            (made / "refused.txt").write_text("\n".join(refused), encoding="utf-8")
            shutil.move(made, kept)
    return open_set(folder, name)


def open_set(folder: Path, name: str) -> ArtSet:
    """A kept set by its name. Raises UserError for any other name."""
    path = folder / name
    if not re.fullmatch(r"[0-9a-f]{20}", name) or not path.is_dir():
        raise UserError(f"there is no art {name[:40]!r} here: add the files again")
    refused = (path / "refused.txt").read_text(encoding="utf-8").splitlines()
    return ArtSet(name, _opened(path).names, tuple(refused))


def _opened(path: Path):  # type: ignore[no-untyped-def]  # an OwnArt, which is no public name
    try:
        return open_art(path)
    except (ValueError, OSError) as error:
        raise UserError(page_sentence(str(error).replace(f"{path}/", "").replace(str(path), "your art"))) from error


def _contents(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """The pictures and the table of names among the files, and in those that are ZIPs, as (file name, bytes)."""
    count = total = 0
    for path in paths:
        for name, data in _unpacked(path) if path.suffix.lower() == ".zip" else [(path.name, _read(path))]:
            count, total = count + 1, total + len(data)
            if count > MAX_FILES:
                raise UserError(f"more than {MAX_FILES} files of art were given: give fewer")
            if total > MAX_BYTES:
                raise UserError(f"the art is over {MAX_BYTES // 2**20} MB unpacked: give fewer or smaller files")
            yield name, data
    if not count:
        raise UserError("no PNG, WebP or SVG file was given: give cut-outs, one thing in each, or a ZIP of them")


def _read(path: Path) -> bytes:
    if path.suffix.lower() not in PICTURES and path.name.lower() != TABLE:
        raise UserError(f"{path.name}: is no PNG, WebP, SVG or ZIP file: save it as one of these")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UserError(f"{path.name}: is over {MAX_FILE_BYTES // 2**20} MB: shrink it")
    return path.read_bytes()


def _unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    """The usable entries of a ZIP by the last part of their names; folders in it are left out.

    Sizes are those of what is read, since the table of a ZIP may say anything.
    """
    try:
        with zipfile.ZipFile(path) as file:
            for entry in file.infolist():
                name = re.split(r"[/\\]", entry.filename)[-1]
                hidden = name.startswith(".") or "__MACOSX" in entry.filename
                known = Path(name).suffix.lower() in PICTURES or name.lower() == TABLE
                if entry.is_dir() or hidden or not known:
                    continue
                with file.open(entry) as packed:
                    data = packed.read(MAX_FILE_BYTES + 1)
                if len(data) > MAX_FILE_BYTES:
                    raise UserError(f"{path.name}: {name} in it is over {MAX_FILE_BYTES // 2**20} MB: shrink it")
                yield name, data
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise UserError(f"{path.name}: cannot be unpacked ({error}): make the ZIP anew, without a password") from error


def _free_name(folder: Path, name: str) -> Path:
    """A path for a file of this name; files of one name get numbers, which do not count as part of the thing's name."""
    name = re.sub(r"[^\w .()-]", "_", name)[-120:]
    path, number = folder / name, 2
    while path.exists():
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    return path


def _remove_unusable(folder: Path) -> list[str]:
    """Delete the pictures that cannot be drawn. Returns a line for each; raises UserError if none is left."""
    refused = []
    for thing in _opened(folder).things:
        try:
            thing.pixels(CHECKED_PX)
        except (ValueError, OSError) as error:
            refused.append(f"{thing.path.name}: {' '.join(str(error).replace(str(thing.path), '').split())[:200]}")
            thing.path.unlink()
    if not any(path.suffix.lower() in PICTURES for path in folder.iterdir()):
        raise UserError(f"none of the files can be drawn; the first is {refused[0]}")
    return refused
