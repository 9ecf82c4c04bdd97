"""Lists the pictures of folders, and what looks like a picture there but is left out, each with the reason."""

from __future__ import annotations

import mimetypes
import os
from dataclasses import dataclass, field
from pathlib import Path

from analogen.relsim.image_formats import PICTURE_SUFFIXES, sniffed_format, why_not_by_name

_HEAD_BYTES = 16


@dataclass
class FolderPictures:
    """What a folder holds. paths: pictures to read; left_out: path and reason of what is not even tried."""

    paths: list[Path] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)

    @property
    def nothing(self) -> str:
        """The end of the message that a folder has no pictures, with the first that is left out."""
        if not self.left_out:
            return "is a folder that holds no pictures: expected files such as .png or .jpg"
        first, count = self.left_out[0], len(self.left_out)
        more = f"; {count - 1} more are left out" if count > 1 else ""
        return (
            f"is a folder that holds no pictures that can be read: {Path(first['path']).name} {first['reason']}{more}"
        )


def scan_pictures(folder: str | Path) -> FolderPictures:
    """Lists the pictures in a folder and its subfolders, sorted, without hidden ones.

    A picture is a file with the suffix of one, or one of an unknown suffix that begins as a picture does. Pictures of
    formats that cannot be read, broken links, links to folders and folders that cannot be opened are in `left_out`.
    Raises FileNotFoundError or ValueError with one line if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        if folder.exists():
            raise ValueError(f"{folder}: is no folder: name the folder that holds the pictures")
        raise FileNotFoundError(f"{folder}: no such folder: check the name")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ValueError(f"{folder}: cannot be read: check its permissions")
    found = FolderPictures()

    def leave_out(path: str | Path, reason: str) -> None:
        found.left_out.append({"path": str(path), "reason": reason})

    def on_error(error: OSError) -> None:
        reason = (error.strerror or type(error).__name__).lower()
        leave_out(error.filename, f"is a folder that cannot be opened ({reason}): check its permissions")

    for parent, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if os.path.islink(os.path.join(parent, name)):
                leave_out(Path(parent, name), "is a link to a folder, and such links are not followed: name that one")
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or not looks_like_picture(path):
                continue
            reason = why_not_by_name(name) if path.is_file() else "is a link to a file that is not there: mend it"
            if reason is None:
                found.paths.append(path)
            else:
                leave_out(path, reason)
    found.paths.sort()
    found.left_out.sort(key=lambda row: row["path"])
    return found


def picture_files(folder: str | Path) -> list[Path]:
    """The pictures of `scan_pictures`. Raises ValueError with one line also if there is none."""
    found = scan_pictures(folder)
    if not found.paths:
        raise ValueError(f"{folder}: {found.nothing}")
    return found.paths


def looks_like_picture(path: Path) -> bool:
    """Whether a file has a picture's suffix, or an unknown one and the first bytes of a picture."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return True
    # Of known other kinds, such as the text files with captions beside a hundred thousand pictures, none is opened.
    if mimetypes.guess_type(path.name)[0] is not None:
        return False
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return sniffed_format(file.read(_HEAD_BYTES)) is not None
    except OSError:
        return False
