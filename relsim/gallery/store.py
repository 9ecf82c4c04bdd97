"""The table that a gallery is: one row per picture, in a folder or at an object store's address.

    path        as it was given to `add`, absolute; the key
    relation    (384,) and attributes (looks), unit vectors by the gallery's encoder
    sha256, length (bytes), mtime_ns, width, height, added
    thumbnail   JPEG of at most THUMBNAIL_PX

A second table, `about`, says what the vectors mean. Every `put` is one commit: a kill loses at most the rows of the
batch at hand, and readers never see half of it.
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

# Its engine reads this as it is imported, and would tell on stderr of every table that it makes.
os.environ.setdefault("LANCEDB_LOG", "error")
try:
    import lancedb
    import pyarrow as pa
except ImportError as error:
    raise ImportError('galleries need lancedb: pip install "analogen[gallery]"') from error

FORMAT = 1
THUMBNAIL_PX = 192
Vectors = NDArray[np.float32]
LIGHT = ("path", "sha256", "length", "mtime_ns", "width", "height", "added")


@dataclass(frozen=True)
class About:
    """What a gallery's vectors mean. encoder: name, folder or hub id; weights: a mark of what it was then;
    index: how the index is to be asked, None without one."""

    encoder: str
    relation_dim: int
    looks_dim: int
    weights: str = ""
    format: int = FORMAT
    index: dict[str, Any] | None = None


class Entry(NamedTuple):
    """One picture to put. mtime_ns: of the file; thumbnail: JPEG."""

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


class Known(NamedTuple):
    """What tells whether a file has changed since it was put."""

    sha256: str
    length: int
    mtime_ns: int


@dataclass(frozen=True)
class Loaded:
    """All that an exact search looks at. relation: (n, 384); attributes: (n, looks); rows: n of LIGHT, as columns."""

    relation: Vectors
    attributes: Vectors
    rows: dict[str, NDArray[Any]]
    row_ids: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.row_ids)


class Gallery:
    """An open gallery. `open` and `create` raise FileNotFoundError or ValueError with one line."""

    def __init__(self, uri: str, database: Any, about: About) -> None:
        self.uri, self.about, self._database = uri, about, database
        self.table = database.open_table("pictures")

    @classmethod
    def open(cls, uri: str | Path) -> Gallery:
        """A gallery that exists."""
        uri = str(uri)
        with _reached(uri):
            database = _connect(uri)
            found = [] if database is None else _tables(database)
        if database is None or "about" not in found:
            raise FileNotFoundError(f"{uri}: holds no gallery: analogen gallery add DIR --gallery {uri} makes one")
        values = json.loads(database.open_table("about").to_arrow()["about"][-1].as_py())
        if values.get("format", 0) > FORMAT:
            raise ValueError(
                f"{uri}: is a gallery of format {values['format']}, this version reads up to {FORMAT}: update analogen"
            )
        return cls(uri, database, About(**values))

    @classmethod
    def create(cls, uri: str | Path, about: About) -> Gallery:
        """A new, empty gallery; a folder that holds other things is refused."""
        uri = str(uri)
        if is_local(uri):
            folder = Path(uri)
            if folder.is_file():
                raise ValueError(f"{uri}: is a file: name a folder for the gallery")
            kept = [p.name for p in folder.iterdir() if p.name != LOCK] if folder.is_dir() else []
            if any(not name.endswith(".lance") for name in kept):
                raise ValueError(f"{uri}: is a folder with other things in it: name a new folder for the gallery")
            folder.mkdir(parents=True, exist_ok=True)
        with _reached(uri):
            database = lancedb.connect(uri)
            database.create_table("pictures", schema=_schema(about), mode="overwrite")
            # What the vectors mean comes last: without it there is no gallery.
            database.create_table("about", data=[{"about": json.dumps(asdict(about))}], mode="overwrite")
        return cls(uri, database, about)

    @classmethod
    def open_or_create(cls, uri: str | Path, about: About) -> Gallery:
        """A gallery of this encoder, made if there is none. Raises ValueError if its vectors are another encoder's."""
        try:
            gallery = cls.open(uri)
        except FileNotFoundError:
            return cls.create(uri, about)
        gallery.require_encoder(about.encoder, about.weights)
        return gallery

    def require_encoder(self, name: str, weights: str) -> None:
        """Raises ValueError unless the vectors of such an encoder can be compared with the gallery's."""
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

    def known(self) -> dict[str, Known]:
        """What is there, by path."""
        columns = self._columns("path", "sha256", "length", "mtime_ns")
        paths, *rest = (columns[name].to_pylist() for name in ("path", "sha256", "length", "mtime_ns"))
        return {path: Known(*values) for path, *values in zip(paths, *rest, strict=True)}

    def put(self, entries: Sequence[Entry]) -> None:
        """Add rows, or replace those of the same paths, in one commit."""
        if not entries:
            return
        about = self.about
        columns: list[Any] = [[getattr(e, name) for e in entries] for name in LIGHT]
        for name, dim in (("relation", about.relation_dim), ("attributes", about.looks_dim)):
            flat = np.stack([getattr(e, name) for e in entries]).astype(np.float32).reshape(-1)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), dim))
        columns.append([e.thumbnail for e in entries])
        data = pa.table(dict(zip(_schema(about).names, columns, strict=True)), schema=_schema(about))
        merge = self.table.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(data)

    def touch(self, times: dict[str, int]) -> None:
        """New times of files whose bytes are as they were."""
        for path, mtime_ns in times.items():
            self.table.update(where=f"path = {_quoted(path)}", values={"mtime_ns": mtime_ns})

    def remove(self, paths: Sequence[str]) -> int:
        """Take rows out; how many were there."""
        before = len(self)
        for start in range(0, len(paths), 500):
            names = ", ".join(_quoted(path) for path in paths[start : start + 500])
            self.table.delete(f"path IN ({names})")
        return before - len(self)

    def load(self) -> Loaded:
        """All vectors in memory: 1 GiB for 350,000 pictures by mini."""
        found = self.table.search().select([*LIGHT, "relation", "attributes"]).with_row_id(True).to_arrow()
        vectors = [
            np.array(found[name].combine_chunks().flatten()).reshape(-1, dim)  # a copy: torch wants to own its memory
            for name, dim in (("relation", self.about.relation_dim), ("attributes", self.about.looks_dim))
        ]
        rows = {name: found[name].to_numpy() for name in LIGHT}
        return Loaded(vectors[0], vectors[1], rows, found["_rowid"].to_numpy())

    def thumbnails(self, row_ids: Sequence[int]) -> list[bytes]:
        """JPEGs of some rows, in their order."""
        if not len(row_ids):
            return []
        wanted = [int(i) for i in row_ids]
        found = self.table.take_row_ids(wanted).select(["thumbnail"]).with_row_id().to_arrow()
        # They come in the table's order.
        by_id = dict(zip(found["_rowid"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))
        return [by_id[i] for i in wanted]

    def remember_index(self, index: dict[str, Any]) -> None:
        """Write down how the index is to be asked."""
        self.about = About(**{**asdict(self.about), "index": index})
        self._database.create_table("about", data=[{"about": json.dumps(asdict(self.about))}], mode="overwrite")

    def tidy(self) -> None:
        """Merge the small pieces that many commits leave."""
        try:
            self.table.optimize()
        except RuntimeError as error:
            # Of two processes that tidy at an object store's address one comes too late: it is tidied all the same.
            if "conflict" not in str(error):
                raise

    def _columns(self, *names: str) -> Any:
        return self.table.search().select(list(names)).to_arrow()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Held by the one process that writes. At an object store's address LanceDB itself settles who was first.

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
def _reached(uri: str) -> Iterator[None]:
    """Turns the long reports of an object store that cannot be used into ValueError with one short line."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if is_local(uri):
            raise
        said = " ".join(str(error).split())
        known = (reason for signs, reason in STORE_ERRORS if any(sign in said for sign in signs))
        raise ValueError(f"{uri}: {next(known, said[:200])}") from error


# Words of an object store's errors, and what they mean to its user.
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
    """The database, or None where there is no folder: lancedb would make one."""
    return None if is_local(uri) and not Path(uri).is_dir() else lancedb.connect(uri)


def _tables(database: Any) -> list[str]:
    return list(database.list_tables(limit=100).tables)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _schema(about: About) -> Any:
    return pa.schema(
        [
            ("path", pa.string()), ("sha256", pa.string()), ("length", pa.int64()), ("mtime_ns", pa.int64()),
            ("width", pa.int32()), ("height", pa.int32()), ("added", pa.float64()),
            ("relation", pa.list_(pa.float32(), about.relation_dim)),
            ("attributes", pa.list_(pa.float32(), about.looks_dim)), ("thumbnail", pa.binary()),
        ]
    )  # fmt: skip
