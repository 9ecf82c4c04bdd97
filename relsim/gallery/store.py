"""A gallery as a LanceDB table with one row per picture, in a folder or in an object store.

    path        as it was given to `add`, absolute; the key
    relation    (384,) and attributes (looks), unit vectors by the gallery's encoder
    sha256, length (bytes), mtime_ns, width, height, added
    thumbnail   JPEG of at most THUMBNAIL_PX

A second table, `about`, describes the vectors. Every `upsert` is one commit: if the process is killed, at most the
rows of the current batch are lost, and readers never see half of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

# LanceDB reads this when it is imported; without it, it reports every new table on stderr.
os.environ.setdefault("LANCEDB_LOG", "error")
try:
    import lancedb
    import pyarrow as pa
except ImportError as error:
    raise ImportError('galleries need lancedb: pip install "analogen[gallery]"') from error

FORMAT = 1
THUMBNAIL_PX = 192
Vectors = NDArray[np.float32]
METADATA_COLUMNS = ("path", "sha256", "length", "mtime_ns", "width", "height", "added")


@dataclass(frozen=True)
class GalleryInfo:
    """How a gallery's vectors were made. encoder: name, folder or hub id; weights: a digest of its weights;
    index: the search settings of the index, None without an index."""

    encoder: str
    relation_dim: int
    looks_dim: int
    weights: str = ""
    format: int = FORMAT
    index: dict[str, Any] | None = None


class Entry(NamedTuple):
    """A row to insert. mtime_ns: of the file; thumbnail: JPEG."""

    path: str
    sha256: str
    length: int
    mtime_ns: int
    width: int
    height: int
    added: float
    relation: Vectors
    attributes: Vectors
    thumbnail: bytes


class FileState(NamedTuple):
    """Tells whether a file has changed since its row was written."""

    sha256: str
    length: int
    mtime_ns: int


@dataclass(frozen=True)
class LoadedGallery:
    """The columns that exact search needs, in memory. relation: (n, 384); attributes: (n, dim); rows: n values of each
    of METADATA_COLUMNS."""

    relation: Vectors
    attributes: Vectors
    rows: dict[str, NDArray[Any]]
    row_ids: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.row_ids)


class Gallery:
    """An open gallery. `open` and `create` raise FileNotFoundError or ValueError with one line."""

    def __init__(self, uri: str, database: Any, about: GalleryInfo) -> None:
        self.uri, self.about, self._database = uri, about, database
        self.table = database.open_table("pictures")

    @classmethod
    def open(cls, uri: str | Path) -> Gallery:
        """Opens an existing gallery."""
        uri = str(uri)
        with _store_errors(uri):
            database = _connect(uri)
            found = [] if database is None else _tables(database)
        if database is None or "about" not in found:
            raise FileNotFoundError(f"{uri}: holds no gallery: analogen gallery add DIR --gallery {uri} makes one")
        values = json.loads(database.open_table("about").to_arrow()["about"][-1].as_py())
        if values.get("format", 0) > FORMAT:
            raise ValueError(
                f"{uri}: is a gallery of format {values['format']}, this version reads up to {FORMAT}: update analogen"
            )
        return cls(uri, database, GalleryInfo(**values))

    @classmethod
    def create(cls, uri: str | Path, about: GalleryInfo) -> Gallery:
        """Creates an empty gallery. Raises ValueError for a folder that holds other things."""
        uri = str(uri)
        if is_local(uri):
            folder = Path(uri)
            if folder.is_file():
                raise ValueError(f"{uri}: is a file: name a folder for the gallery")
            kept = [p.name for p in folder.iterdir() if p.name != LOCK] if folder.is_dir() else []
            if any(not name.endswith(".lance") for name in kept):
                raise ValueError(f"{uri}: is a folder with other things in it: name a new folder for the gallery")
            folder.mkdir(parents=True, exist_ok=True)
        with _store_errors(uri):
            database = lancedb.connect(uri)
            database.create_table("pictures", schema=_schema(about), mode="overwrite")
            # This table comes last: a gallery exists once it is there.
            database.create_table("about", data=[{"about": json.dumps(asdict(about))}], mode="overwrite")
        return cls(uri, database, about)

    @classmethod
    def open_or_create(cls, uri: str | Path, about: GalleryInfo) -> Gallery:
        """Opens a gallery of this encoder, or creates it. Raises ValueError if its vectors are another encoder's."""
        try:
            gallery = cls.open(uri)
        except FileNotFoundError:
            return cls.create(uri, about)
        gallery.require_encoder(about.encoder, about.weights)
        return gallery

    def require_encoder(self, name: str, weights: str) -> None:
        """Raises ValueError unless vectors of this encoder can be compared with the gallery's."""
        if name != self.about.encoder:
            raise ValueError(
                f"{self.uri}: is a gallery of the encoder {self.about.encoder!r}, and vectors of {name!r} cannot be "
                "compared with its own: leave out --encoder, or make another gallery"
            )
        if weights != self.about.weights:
            raise ValueError(
                f"{self.uri}: was made with other weights of the encoder {name!r}, as of another version: make a new "
                "gallery of the same folders"
            )

    def __len__(self) -> int:
        return int(self.table.count_rows())

    def known(self) -> dict[str, FileState]:
        """The state of every file when its row was written, by path."""
        columns = self._columns("path", "sha256", "length", "mtime_ns")
        paths, *rest = (columns[name].to_pylist() for name in ("path", "sha256", "length", "mtime_ns"))
        return {path: FileState(*values) for path, *values in zip(paths, *rest, strict=True)}

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Adds rows, or replaces those of the same paths, in one commit."""
        if not entries:
            return
        about = self.about
        columns: list[Any] = [[getattr(e, name) for e in entries] for name in METADATA_COLUMNS]
        for name, dim in (("relation", about.relation_dim), ("attributes", about.looks_dim)):
            flat = np.stack([getattr(e, name) for e in entries]).astype(np.float32).reshape(-1)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), dim))
        columns.append([e.thumbnail for e in entries])
        data = pa.table(dict(zip(_schema(about).names, columns, strict=True)), schema=_schema(about))
        merge = self.table.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(data)

    def touch(self, times: dict[str, int]) -> None:
        """Updates the times of files whose bytes have not changed."""
        for path, mtime_ns in times.items():
            self.table.update(where=f"path = {_quoted(path)}", values={"mtime_ns": mtime_ns})

    def remove(self, paths: Sequence[str]) -> int:
        """Removes the rows of these paths; returns how many there were."""
        before = len(self)
        for start in range(0, len(paths), 500):
            names = ", ".join(_quoted(path) for path in paths[start : start + 500])
            self.table.delete(f"path IN ({names})")
        return before - len(self)

    def load(self) -> LoadedGallery:
        """Loads all vectors into memory: 1 GiB for 350,000 pictures by mini."""
        found = self.table.search().select([*METADATA_COLUMNS, "relation", "attributes"]).with_row_id(True).to_arrow()
        vectors = [
            np.array(found[name].combine_chunks().flatten()).reshape(-1, dim)  # a copy: torch wants to own its memory
            for name, dim in (("relation", self.about.relation_dim), ("attributes", self.about.looks_dim))
        ]
        rows = {name: found[name].to_numpy() for name in METADATA_COLUMNS}
        return LoadedGallery(vectors[0], vectors[1], rows, found["_rowid"].to_numpy())

    def thumbnails(self, row_ids: Sequence[int]) -> list[bytes]:
        """The JPEG thumbnails of these rows, in the given order."""
        if not len(row_ids):
            return []
        wanted = [int(i) for i in row_ids]
        found = self.table.take_row_ids(wanted).select(["thumbnail"]).with_row_id().to_arrow()
        # They come in the table's order.
        by_id = dict(zip(found["_rowid"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))
        return [by_id[i] for i in wanted]

    def save_index_settings(self, index: dict[str, Any]) -> None:
        """Saves the search settings of the index."""
        self.about = GalleryInfo(**{**asdict(self.about), "index": index})
        self._database.create_table("about", data=[{"about": json.dumps(asdict(self.about))}], mode="overwrite")

    def compact(self) -> None:
        """Merges the small fragments that many commits leave."""
        try:
            self.table.optimize()
        except RuntimeError as error:
            # Of two processes that compact a table in an object store, one fails; the table is compacted all the same.
            if "conflict" not in str(error):
                raise

    def _columns(self, *names: str) -> Any:
        return self.table.search().select(list(names)).to_arrow()

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """Held by the one process that writes. In an object store, LanceDB itself orders the writes.

        Raises ValueError at once if another process is writing.
        """
        if not is_local(self.uri):
            yield
            return
        path = Path(self.uri) / LOCK
        try:
            with FileLock(path, timeout=0):
                yield
        except Timeout:
            raise ValueError(f"{self.uri}: another process is writing to it: wait until that one is done") from None


LOCK = "writer.lock"


def is_local(uri: str) -> bool:
    return "://" not in uri


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    """Turns the long errors of an object store into a ValueError with one short line."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if is_local(uri):
            raise
        said = " ".join(str(error).split())
        known = (reason for signs, reason in STORE_ERRORS if any(sign in said for sign in signs))
        raise ValueError(f"{uri}: {next(known, said[:200])}") from error


# Words in an object store's errors, and the message for the user.
STORE_ERRORS = (
    (("NoSuchBucket",), "there is no such bucket: make it first, or check the name"),
    (
        ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "Unauthorized"),
        "the store refuses the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those of your store",
    ),
    (("connect error", "dns error", "Connect,"), "the store does not answer: check the network and AWS_ENDPOINT_URL"),
    (
        ("credentials",),
        "no credentials for the store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or your store's",
    ),
)


def _connect(uri: str) -> Any:
    """The database, or None if there is no folder, because lancedb would create it."""
    return None if is_local(uri) and not Path(uri).is_dir() else lancedb.connect(uri)


def _tables(database: Any) -> list[str]:
    return list(database.list_tables(limit=100).tables)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _schema(about: GalleryInfo) -> Any:
    return pa.schema(
        [
            ("path", pa.string()), ("sha256", pa.string()), ("length", pa.int64()), ("mtime_ns", pa.int64()),
            ("width", pa.int32()), ("height", pa.int32()), ("added", pa.float64()),
            ("relation", pa.list_(pa.float32(), about.relation_dim)),
            ("attributes", pa.list_(pa.float32(), about.looks_dim)), ("thumbnail", pa.binary()),
        ]
    )  # fmt: skip
