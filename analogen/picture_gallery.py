"""Searches a gallery of pictures by relation, by looks, or by both. The pictures are in a LanceDB table."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from analogen.errors import UserError, user_errors
from analogen.models import pick_device
from analogen.relsim.encoder import RelationalEncoder, load_encoder

MAX_FOUND = 10_000


@dataclass(frozen=True)
class FoundPicture:
    """One picture of a gallery.

    score                What the results are sorted by.
    relation, attribute  Cosines to the query; attribute is None if the query is words only.
    thumbnail            JPEG.
    """

    path: Path
    score: float
    relation: float
    attribute: float | None
    thumbnail: bytes


@dataclass(frozen=True)
class Indexed:
    """What `PictureGallery.make` did. refused: (path, reason) of each file that could not be read."""

    added: int
    unchanged: int
    refused: tuple[tuple[str, str], ...]
    pictures: int


class PictureGallery:
    """An open gallery with its encoder, for many searches. Several threads may share it.

    `open` and `make` raise UserError if there is no gallery, if it belongs to another encoder, or if LanceDB is not
    installed.
    """

    def __init__(self, uri: str, encoder: RelationalEncoder) -> None:
        with user_errors():
            from analogen.relsim.gallery.store import Gallery

            self._gallery = Gallery.open(uri)
        self.uri, self.encoder = uri, encoder
        self._lock = threading.Lock()
        self._version = -1
        self._load()

    @classmethod
    def open(cls, uri: str | Path, device: str = "auto") -> PictureGallery:
        """Open an existing gallery, with the encoder that made it."""
        with user_errors():
            from analogen.relsim.gallery.indexing import gallery_info
            from analogen.relsim.gallery.store import Gallery

            gallery = Gallery.open(uri)
            name = gallery.about.encoder
            encoder = load_encoder(name, pick_device(device))
            gallery.require_encoder(name, gallery_info(encoder, name).weights)
        return cls(str(uri), encoder)

    @classmethod
    def make(cls, uri: str | Path, folders: Sequence[Path], device: str = "auto") -> tuple[PictureGallery, Indexed]:
        """Make a gallery of all pictures in the folders, or update it; unchanged pictures are not read again."""
        with user_errors():
            from analogen.relsim.gallery.indexing import add, gallery_info
            from analogen.relsim.gallery.store import Gallery

            encoder = load_encoder("mini", pick_device(device))
            gallery = Gallery.open_or_create(uri, gallery_info(encoder, "mini"))
            with gallery.write_lock():
                from analogen.relsim.gallery.indexing import missing

                report = add(gallery, folders, encoder)
                gallery.remove(missing(gallery.known()))
            refused = tuple((row["path"], row["reason"]) for row in report.refused)
            return cls(str(uri), encoder), Indexed(
                report.added + report.changed, report.unchanged, refused, len(gallery)
            )

    def __len__(self) -> int:
        return len(self._gallery)

    def search(
        self,
        references: Sequence[Image.Image] = (),
        words: Sequence[str] = (),
        top_k: int = 24,
        weight: float = 0.5,
        looks: float = 0.0,
    ) -> list[FoundPicture]:
        """Find the most similar pictures, best first.

        words: relations as anonymous captions. weight: of the pictures if there are words too, [0, 1]. looks: [0, 1]; 0
        searches by relation only, 1 by looks only. Raises UserError for bad input.
        """
        if not 1 <= top_k <= MAX_FOUND:
            raise UserError(f"{top_k} pictures were requested: expected 1 to {MAX_FOUND}")
        if not (0 <= weight <= 1 and 0 <= looks <= 1):
            raise UserError(f"weight is {weight} and looks {looks}: expected 0 to 1")
        for text in words:
            if not text.strip() or len(text) > 1000:
                raise UserError(f"a text of {len(text)} characters was given: expected 1 to 1000")
        if not references and not words:
            raise UserError("the query is empty: give a picture, words or both")
        with user_errors():
            from analogen.relsim.gallery.ann import search_index
            from analogen.relsim.gallery.search import make_query

            query = make_query(self.encoder, references, words, weight=weight, attribute_weight=looks)
            with self._lock:
                self._load()
                by_index = self._gallery.about.index is not None and not query.attribute_weight
                found = search_index(self._gallery, query, top_k) if by_index else self._searcher.search(query, top_k)
                thumbnails = self._gallery.thumbnails([one.row_id for one in found])
        return [
            FoundPicture(Path(one.path), one.score, one.relation, one.attribute, thumbnail)
            for one, thumbnail in zip(found, thumbnails, strict=True)
        ]

    def _load(self) -> None:
        """Read the vectors, again if another process has added or removed pictures."""
        from analogen.relsim.gallery.search import Searcher

        self._gallery.table.checkout_latest()
        version = self._gallery.table.version
        if version != self._version:
            self._searcher, self._version = Searcher(self._gallery.load()), version
