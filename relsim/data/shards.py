"""Finds pictures in folders and in tar shards of img2dataset, and looks them up by path, URL or hash."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from analogen.relsim.image_formats import PICTURE_SUFFIXES
from analogen.relsim.images import MAX_BYTES, Picture, open_checked, read_image, read_image_from

_HASH = re.compile(r"[0-9a-f]{32,128}")
_HASH_FIELDS = ("image_hash", "md5", "sha256", "sha512")
_MAX_SIDECAR_BYTES = 2**20


@dataclass(frozen=True)
class StoredPicture:
    """A picture on disk: a file, or a member of the tar file `path`, `size` bytes from `offset`."""

    path: Path
    member: str = ""
    offset: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    def read(self) -> Picture:
        """Reads the picture with the checked reader. Raises FileNotFoundError or ValueError with one line."""
        if not self.member:
            return read_image(self.path)
        if self.size == 0:
            raise ValueError(f"{self.name}: is empty (0 bytes): download it again")
        if self.size > MAX_BYTES:
            raise ValueError(f"{self.name}: has {self.size / 2**20:.0f} MiB, at most {MAX_BYTES / 2**20:.0f} are read")
        # A shard may have any size; only this part is read.
        with open_checked(self.path, max_bytes=2**63) as file:
            file.seek(self.offset)
            return read_image_from(io.BytesIO(file.read(self.size)), self.name)


class PictureIndex(NamedTuple):
    """All pictures below a folder. damaged: shards that are cut short or not tar files, each with the reason."""

    pictures: list[StoredPicture]
    by_key: dict[str, StoredPicture]  # by url, hash or path below the folder; see `keys_of_row`
    damaged: list[tuple[str, str]]


def find_pictures(root: str | Path) -> PictureIndex:
    """Finds every picture in a folder, its subfolders and tar shards, in the order of their paths.

    Pictures of formats that cannot be read are among them, so that whoever reads them reports the reason. Hidden files
    and folders are left out. If two pictures have the same key, the first one is indexed.
    Raises FileNotFoundError or ValueError with one line if there is no such folder, or no picture in it.
    """
    root = Path(root)
    if not root.is_dir():
        if root.exists():
            raise ValueError(f"{root}: is no folder: name the folder that holds the pictures or shards")
        raise FileNotFoundError(f"{root}: no such folder: check the name")
    pictures: list[StoredPicture] = []
    index: dict[str, StoredPicture] = {}
    damaged: list[tuple[str, str]] = []
    for path in _files(root):
        if path.suffix.lower() == ".tar":
            try:
                for stored, about in _members(path):
                    pictures.append(stored)
                    _add_keys(index, stored, Path(stored.member), about)
            except (tarfile.TarError, OSError, EOFError) as error:
                damaged.append((str(path), f"{path}: the shard is damaged or cut short ({_one_line(error)})"))
        elif path.suffix.lower() in PICTURE_SUFFIXES:
            stored = StoredPicture(path)
            pictures.append(stored)
            _add_keys(index, stored, path.relative_to(root), _sidecar(path.with_suffix(".json")))
    if not pictures and not damaged:
        raise ValueError(f"{root}: holds no pictures: expected files such as .png or .jpg, or .tar shards")
    return PictureIndex(pictures, index, damaged)


def keys_of_row(row: Mapping[str, Any], url: str | None = None) -> Iterator[str]:
    """Yields the keys of a row's picture, the most reliable first: path, hash, URL, hash of the URL (the paper's
    `image_hash`), and for URLs of a dataset on the hub the path within it.

    url: one of the row's several.
    """
    if isinstance(row.get("path"), str):
        yield Path(row["path"]).as_posix()
    for field in _HASH_FIELDS:
        if isinstance(row.get(field), str) and url is None:
            yield row[field].lower()
    for field in ("url", "url_link"):
        if url is None and isinstance(row.get(field), str):
            url = row[field]
    if url:
        yield url
        yield hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()
        yield from _path_suffixes(unquote(urlsplit(url).path).partition("/resolve/")[2].split("/")[1:])


def _files(root: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _members(path: Path) -> Iterator[tuple[StoredPicture, dict[str, Any]]]:
    """Yields the pictures of a shard, each with its .json metadata. Nothing is unpacked."""
    seen: list[StoredPicture] = []
    abouts: dict[str, dict[str, Any]] = {}
    failure: Exception | None = None
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                key, _, suffix = member.name.rpartition(".")
                if not member.isfile():
                    continue
                if f".{suffix.lower()}" in PICTURE_SUFFIXES:
                    seen.append(StoredPicture(path, member.name, member.offset_data, member.size))
                elif suffix == "json" and member.size <= _MAX_SIDECAR_BYTES:
                    file = shard.extractfile(member)
                    abouts[key] = _object(file.read()) if file else {}
    except (tarfile.TarError, OSError, EOFError) as error:
        failure = error
    for stored in seen:
        yield stored, abouts.get(stored.member.rpartition(".")[0], {})
    if failure is not None:
        raise failure


def _add_keys(index: dict[str, StoredPicture], stored: StoredPicture, below: Path, about: Mapping[str, Any]) -> None:
    keys = [about[field] for field in ("url", "url_link", *_HASH_FIELDS) if isinstance(about.get(field), str)]
    if _HASH.fullmatch(below.stem.lower()):
        keys.append(below.stem.lower())
    keys += [*_path_suffixes(below.parts), Path(stored.name).as_posix()]
    if not stored.member:  # the names within shards say nothing apart from their shard
        keys.append(below.as_posix())
    for key in keys:
        index.setdefault(key, stored)


def _path_suffixes(parts: Sequence[str]) -> list[str]:
    """The suffixes of a path with at least a folder and a file name; a file name alone is ambiguous."""
    return ["/".join(parts[start:]) for start in range(max(0, len(parts) - 1))]


def _sidecar(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_SIDECAR_BYTES:
            return {}
        return _object(path.read_bytes())
    except OSError:
        return {}


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
