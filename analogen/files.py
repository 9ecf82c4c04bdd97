"""Checks output paths, and writes files atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from analogen.errors import RunError, UserError


def output_paths(output: str | Path, count: int) -> list[Path]:
    """The paths of `count` PNG files for `--output`; nothing is written.

    An existing folder, a path without a suffix and a path that ends in "/" are folders: the files are 0000.png,
    0001.png, ..., and continue after the numbers that are there. A .png path is that file, or stem-0000.png, ... for
    several pictures; existing files are overwritten.
    Raises UserError for another suffix, or for a file where a folder is needed.
    """
    path = Path(output)
    is_folder = path.is_dir() or not path.suffix or str(output).endswith(("/", os.sep))
    if not is_folder:
        if path.suffix.lower() != ".png":
            raise UserError(f"--output {output}: pictures are PNG: end it in .png, or in / for a folder")
        names = [path.name] if count == 1 else [f"{path.stem}-{number:04d}.png" for number in range(count)]
        return [path.parent / name for name in names]
    if path.exists() and not path.is_dir():
        raise UserError(f"--output {output}: is a file, expected a folder or a .png path: give another name")
    first = _next_number(path)
    return [path / f"{first + number:04d}.png" for number in range(count)]


def _next_number(folder: Path) -> int:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise UserError(f"--output {folder}: cannot be read ({error.strerror}): check its permissions") from error
    found = [int(match[1]) for name in names if (match := re.fullmatch(r"(\d{4,9})\.(?:png|svg)", name))]
    return max(found, default=-1) + 1


def sheet_path(pictures: list[Path], page: int = 0) -> Path:
    """The path of a contact sheet beside the pictures: sheet.png in a new folder, else named after the first."""
    first = pictures[0]
    numbered = re.fullmatch(r"\d{4,9}", first.stem)
    if numbered:
        stem = "sheet" if int(first.stem) == 0 else f"sheet-{first.stem}"
    else:
        stem = f"{first.stem.removesuffix('-0000')}-sheet"
    return first.with_name(f"{stem}.png" if page == 0 else f"{stem}-page{page + 1}.png")


def check_output(paths: list[Path]) -> None:
    """Check that files can be written in the folder of `paths`. Leaves nothing behind, not even the folders it made.

    Raises UserError if the folder cannot be made or written, its disk is full, or a target is a folder.
    """
    for path in paths:
        if path.is_dir():
            raise UserError(f"{path}: is a folder, expected a free file name: choose another")
    folder = paths[0].parent
    made: list[Path] = []
    try:
        for parent in (*reversed(folder.parents), folder):
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        with _temporary(folder / "trial.png") as (descriptor, _):
            _write_all(descriptor, bytes(4096))
            os.fsync(descriptor)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({_reason(error)}): {_remedy(error)}") from error
    finally:
        for parent in reversed(made):
            with contextlib.suppress(OSError):
                parent.rmdir()


def check_new_set(folder: Path, index: str) -> None:
    """Check that a set of pictures with an index can be written into a folder without mixing with another one.

    Raises UserError if the folder holds an index, or pictures that would be in none.
    """
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({_reason(error)}): {_remedy(error)}") from error
    if index in names:
        raise UserError(f"{folder}: holds a set already ({index}): name a new folder, or delete that one")
    pictures = [name for name in names if name.lower().endswith((".png", ".jpg", ".jpeg", ".webp"))]
    if pictures or f"{index}.tmp" in names:
        what = "a set that was not finished" if f"{index}.tmp" in names else f"other pictures ({pictures[0]})"
        raise UserError(f"{folder}: holds {what}, and no row would name those: name a new folder, or delete that one")


def write_atomic(path: Path, data: bytes | Iterable[bytes], make_folder: bool = True) -> None:
    """Write a whole file or nothing, by a temporary file in the same folder, fsync and rename.

    data: the content, or its parts in order. make_folder: make missing folders; without it a missing folder is an
    error. Raises RunError for a full disk or any other failure; no partial file stays.
    """
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path) as (descriptor, temporary):
            for part in (data,) if isinstance(data, bytes) else data:
                _write_all(descriptor, part)
            os.fsync(descriptor)
            os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({_reason(error)}): {_remedy(error)}") from error


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of a `write_atomic` that was killed. No process may be writing in the folder."""
    for path in folder.glob(".*.tmp"):
        if re.fullmatch(r"\.[0-9a-f]{16}\.tmp", path.name):
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[int, Path]]:
    """Open a new temporary file beside `path`; it is removed at the end if it was not renamed."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    # Not mkstemp, which allows only the owner to read: finished pictures should follow the umask.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        yield descriptor, temporary
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """Make the rename durable, on systems that can open folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return (error.strerror or type(error).__name__).lower()


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space, or write elsewhere"
    return "choose another place"
