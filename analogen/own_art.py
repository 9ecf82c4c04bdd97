"""A user's own art for requests: opens folders and libraries of cut-outs, keeps libraries, and finds things in them.

A library is a folder with library.json (paths and names) and vectors.npy (of names and pictures), which `add_art` keeps
up to date: files that have not changed are not read again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from analogen.errors import UserError, user_errors
from analogen.files import write_atomic
from analogen.relsim.world.art import spellings
from analogen.relsim.world.icon import Art
from analogen.relsim.world.own_art import NEAR, OwnArt, OwnThing, Vectors, plain_name

if TYPE_CHECKING:  # it brings torch, which opening a folder does not need
    from analogen.relsim.mini.encoder import MiniEncoder

LIBRARY, VECTORS = "library.json", "vectors.npy"
FORMAT = 1
EMBEDDED_PX = 224  # the size at which the encoder sees a thing


class Found(NamedTuple):
    """A thing for a text, and how near it is: 1 by name, else the cosine of the meanings."""

    thing: OwnThing
    score: float


class AddReport(NamedTuple):
    """Numbers of things, and the files that could not be used, with reasons."""

    added: int
    changed: int
    unchanged: int
    refused: tuple[tuple[str, str], ...]
    rows: int


def open_art(path: Path) -> OwnArt:
    """A folder of cut-outs, or a library that `add_art` made. Raises ValueError or NotADirectoryError, in one line."""
    if not (path / LIBRARY).is_file():
        return OwnArt.from_folder(path)
    try:
        data = json.loads((path / LIBRARY).read_text(encoding="utf-8"))
        vectors = np.load(path / VECTORS, allow_pickle=False).astype(np.float32)
        things = tuple(
            OwnThing(tuple(map(str, row["names"])), path / row["path"], int(row["changed"])) for row in data["things"]
        )
        if data["format"] != FORMAT or vectors.shape != (len(things), 2, 384) or not all(t.names for t in things):
            raise ValueError("its parts do not belong together")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"{path} is no library of art ({reason}): make it again with analogen art add") from error
    if not things:
        raise ValueError(f"{path} is empty: fill it with analogen art add DIR --library {path}")
    return OwnArt(path, things, vectors[:, 0], vectors[:, 1])


def find_own(own: OwnArt, text: str, encoder: MiniEncoder) -> Found | None:
    """The thing for a text: by name, in either number, or by a meaning at least NEAR; None if there is none."""
    thing = own.by_name(spellings(plain_name(text)))
    if thing is not None:
        return Found(thing, 1.0)
    if own.text_vectors is None:
        own = OwnArt(own.folder, own.things, encoder.embed_text([thing.name for thing in own.things]))
    thing, score = own.by_text(encoder.embed_text([text])[0])
    return Found(thing, score) if score >= NEAR else None


def named_own(path: Path, text: str) -> str | None:
    """The name of the thing that a text names exactly, in either number; None if there is none."""
    thing = open_art(path).by_name(spellings(plain_name(text)))
    return None if thing is None else thing.name


def own_art_names(path: Path) -> tuple[str, ...]:
    """The names in a folder of the user's own cut-outs, or in a library of `analogen art add`. Raises UserError."""
    with user_errors():
        return open_art(path).names


def embed_art(art: Sequence[Art], encoder: MiniEncoder) -> Vectors:
    """(n, 384) unit vectors of what the pictures show."""
    return encoder.embed_subject([on_white(one) for one in art])


def on_white(art: Art, side: int = EMBEDDED_PX) -> Image.Image:
    """The art on a white square, RGB."""
    pixels = Image.fromarray(np.asarray(art.pixels(side)))
    ground = Image.new("RGBA", pixels.size, "white")
    ground.alpha_composite(pixels)
    return ground.convert("RGB")


def add_art(folders: Sequence[Path], library: Path, encoder: MiniEncoder, batch_size: int = 32) -> AddReport:
    """Add the cut-outs of folders to a library, which is made if it is not there; both are kept in vectors.

    Files that have not changed are not read again. Files that cannot be used are left out and reported.
    Raises ValueError, NotADirectoryError or UserError, in one line.
    """
    old: dict[Path, tuple[OwnThing, Vectors]] = {}
    if (library / LIBRARY).exists():
        known = open_art(library) if json.loads((library / LIBRARY).read_text())["things"] else None
        if known is not None:
            assert known.text_vectors is not None
            assert known.picture_vectors is not None
            both = np.stack([known.text_vectors, known.picture_vectors], axis=1)
            old = {thing.path.resolve(): (thing, row) for thing, row in zip(known.things, both, strict=True)}
    found = [thing for folder in folders for thing in OwnArt.from_folder(folder).things]
    rows = dict(old)
    added = changed = unchanged = 0
    refused: list[tuple[str, str]] = []
    for start in range(0, len(found), batch_size):
        batch: list[OwnThing] = []
        for thing in found[start : start + batch_size]:
            path = thing.path.resolve()
            before = old.get(path)
            if before is not None and before[0].changed == thing.changed and before[0].names == thing.names:
                unchanged += 1
                continue
            try:
                thing.pixels(EMBEDDED_PX)
            except (ValueError, OSError) as error:
                refused.append((str(thing.path), " ".join(str(error).split())))
                rows.pop(path, None)
                continue
            added, changed = added + (before is None), changed + (before is not None)
            batch.append(thing)
        if batch:
            texts = encoder.embed_text([thing.name for thing in batch])
            pictures = embed_art(batch, encoder)
            for thing, text, picture in zip(batch, texts, pictures, strict=True):
                rows[thing.path.resolve()] = (thing, np.stack([text, picture]))
    _save(library, rows)
    return AddReport(added, changed, unchanged, tuple(refused), len(rows))


def _save(library: Path, rows: dict[Path, tuple[OwnThing, Vectors]]) -> None:
    library.mkdir(parents=True, exist_ok=True)
    ordered = sorted(rows.items())
    things = [{"names": list(t.names), "path": str(path), "changed": t.changed} for path, (t, _) in ordered]
    vectors = np.stack([row for _, (_, row) in ordered]) if ordered else np.zeros((0, 2, 384), np.float32)
    file = io.BytesIO()
    np.save(file, vectors.astype(np.float16))
    # The vectors first: a list without its vectors would be refused, vectors without their list are made again.
    write_atomic(library / VECTORS, file.getvalue())
    text = json.dumps({"format": FORMAT, "encoder": "mini", "things": things}, indent=1, ensure_ascii=False)
    write_atomic(library / LIBRARY, text.encode("utf-8"))


def search_art(
    library: Path, encoder: MiniEncoder, top_k: int, text: str | None = None, picture: Image.Image | None = None
) -> list[tuple[OwnThing, float]]:
    """The things of a library nearest to a text or to what a picture shows, best first. Raises UserError without one
    of the two, and what `open_art` raises."""
    if (text is None) == (picture is None):
        raise UserError("search by a TEXT or by --picture IMG: give one of them")
    own = open_art(library)
    if own.text_vectors is None or own.picture_vectors is None:
        raise UserError(f"{library} is a folder of pictures: analogen art add {library} --library PATH makes a library")
    if text is not None:
        exact = own.by_name(spellings(plain_name(text)))
        found = own.search(encoder.embed_text([text])[0], top_k, by_picture=False)
        if exact is not None:
            found = [(exact, 1.0), *(row for row in found if row[0] != exact)][:top_k]
        return found
    assert picture is not None
    return own.search(encoder.embed_subject([picture])[0], top_k, by_picture=True)
