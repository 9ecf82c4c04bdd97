"""The fuzzing targets: functions that read bytes and check every guarantee of a reader.

`fuzz.py` runs them guided by coverage, `test_fuzz.py` with seeds and mutations of seeds.
"""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from hostile_fields import unusual_others, unusual_png
from picture_builders import sample_files

MAX_PIXELS = 250_000  # so that large inputs take little time
Modules = tuple[str, ...]
_FOLDER = Path(tempfile.mkdtemp(prefix="analogen-fuzz-"))


class Target(NamedTuple):
    """run: reads one input, and raises unless it is read or refused in one line; seeds: valid inputs to start from;
    modules: those whose branches guide the fuzzer."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    modules: Modules


def _one_line(error: Exception) -> None:
    text = str(error)
    if not text.strip() or len(text.splitlines()) != 1 or len(text) > 2000:
        raise AssertionError(f"not one line for a user: {text!r:.300}") from error


def image(data: bytes) -> None:
    """Read as a reference, and as a subject image."""
    from analogen.relsim import images
    from analogen.relsim.images import read_image_from
    from analogen.relsim.world import subject_image
    from analogen.relsim.world.subject_image import read_subject_image

    with (
        warnings.catch_warnings(),
        mock.patch.multiple(images, MAX_PIXELS=MAX_PIXELS),
        mock.patch.multiple(subject_image, MAX_PICTURE_PIXELS=MAX_PIXELS),
    ):
        warnings.simplefilter("ignore")
        try:
            found = read_image_from(io.BytesIO(data), "fuzzed").image
        except ValueError as error:
            _one_line(error)
        else:
            assert found.mode == "RGB"
            assert 0 < found.width * found.height <= MAX_PIXELS
        path = _FOLDER / "subject"
        path.write_bytes(data)
        try:
            read_subject_image(path).pixels(16)
        except ValueError as error:
            _one_line(error)


def image_seeds() -> list[bytes]:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="5" height="5"/></svg>'
    return [*sample_files().values(), drawing.encode(), *(data for _, data in (*unusual_png(), *unusual_others()))]


def manifest(data: bytes) -> None:
    """The first byte chooses CSV or JSONL."""
    from analogen.batch.manifest import Manifest, checked_id
    from analogen.errors import UserError

    path = _FOLDER / ("rows.csv" if data[:1] < b"M" else "rows.jsonl")
    path.write_bytes(data[1:])
    if not (_FOLDER / "picture.png").exists():
        (_FOLDER / "picture.png").write_bytes(sample_files()["png"])
    try:
        checked = Manifest(path).check()
    except UserError as error:
        _one_line(error)
        return
    assert checked.rows > 0
    ids = set()
    for asset in Manifest(path).assets():
        name = Path("out", f"{asset.id}-0.png")  # type: ignore[union-attr]
        assert name.parent == Path("out")
        assert name.name not in (".", "..")
        assert checked_id(asset.id, "") == asset.id  # type: ignore[union-attr]
        ids.add(asset.id.casefold())  # type: ignore[union-attr]
    assert len(ids) == checked.rows


def manifest_seeds() -> list[bytes]:
    row = {"id": "a", "reference": "picture.png", "subject": "apple", "steps": 3, "svg": True}
    table = b'Aid,reference,subject,steps,svg\nx,picture.png,apple,4,yes\ny,"[""picture.png""]",key,,\n'
    broken = b'Aid,reference,subject\nx,"no\nsuch.png",apple\n'  # a line break in a name
    return [
        table,
        broken,
        b"Z" + json.dumps(row).encode() + b"\n" + json.dumps({**row, "id": "b"}).encode(),
        b"A",
        b"Z{}",
    ]


def metadata(data: bytes) -> None:
    """Read as the metadata of a PNG, and as the request that is recalled from it."""
    from analogen.errors import UserError
    from analogen.metadata import read_metadata
    from analogen.reproduce import request_fields
    from analogen.types import Request

    path = _FOLDER / "made.png"
    path.write_bytes(data)
    try:
        record = read_metadata(path)
    except UserError as error:
        _one_line(error)
        return
    assert type(record["seed"]) is int
    try:
        Request(**request_fields(path, [], None))
    except (UserError, FileNotFoundError) as error:
        _one_line(error)


def metadata_seeds() -> list[bytes]:
    from PIL import Image

    from analogen.metadata import png_bytes

    record = {
        "schema": 1, "version": "0", "model": "mini", "subject": "apple", "references": [], "seed": 1, "rank": 0,
        "relation": {"caption": "{subject} in a ring", "confidence": 1}, "scores": {},
        "settings": {"subject": "apple", "relation": "r", "negative_prompt": None, "other": None, "steps": None,
                     "guidance_scale": 2.5, "width": 64, "height": 64},
    }  # fmt: skip
    whole = png_bytes(Image.new("RGB", (2, 2)), record)
    text = json.dumps(record, separators=(",", ":")).encode()
    return [whole, _with_record(text), _with_record(b"{}"), sample_files()["png"]]


def record(data: bytes) -> None:
    """`metadata` with a valid checksum, so that mutations reach the record itself."""
    metadata(_with_record(data))


def record_seeds() -> list[bytes]:
    text = metadata_seeds()[1]
    start = text.index(b"analogen\0") + 9
    return [text[start : text.rindex(b"}") + 1], b"{}", b"[]"]


def _with_record(text: bytes) -> bytes:
    from picture_builders import END, SIGNATURE, chunk, header

    return SIGNATURE + header(1, 1) + chunk(b"tEXt", b"analogen\0" + text) + END


def scene(data: bytes) -> None:
    """Read as a scene in JSON, and drawn as pixels and as a well-formed SVG without scripts."""
    from analogen.relsim.world.render import render
    from analogen.relsim.world.scene import from_json, to_json
    from analogen.relsim.world.svg import to_svg

    try:
        found = from_json(data.decode("utf-8", "replace"))
    except ValueError as error:
        _one_line(error)
        return
    assert from_json(to_json(found)) == found
    with suppress(ValueError):
        assert render(found, 32).shape[:2] == (32, 32)
        root = ET.fromstring(to_svg(found, 64))
        assert not [one for one in root.iter() if one.tag.endswith("script") or any(k[:2] == "on" for k in one.attrib)]


def scene_seeds() -> list[bytes]:
    from analogen.relsim.world.scene import Background, Clip, Element, Scene, to_json

    some = (
        Element("subject", 0.5, 0.5, 0.3, turn=20, clip=Clip("window", amount=0.4)),
        Element("line", 0.2, 0.8, 0.2, palette="none", opacity=0.5),
        Element("other", 0.7, 0.2, 0.2, pattern="none", silhouette=1, hue=90),
    )
    return [to_json(Scene(some)).encode(), to_json(Scene(some[:1], Background("plain", "#ffffff"))).encode()]


TARGETS = {
    "image": Target(image, image_seeds, ("PIL", "analogen.relsim.images", "analogen.relsim.image_containers",
                                         "analogen.relsim.world.subject_image")),
    "manifest": Target(manifest, manifest_seeds, ("analogen.batch.manifest", "analogen.request_schema",
                                                  "analogen.types", "csv")),
    "metadata": Target(metadata, metadata_seeds, ("analogen.metadata", "analogen.reproduce",
                                                  "analogen.request_schema")),
    "record": Target(record, record_seeds, ("analogen.metadata", "analogen.reproduce", "analogen.request_schema",
                                            "analogen.types")),
    "scene": Target(scene, scene_seeds, ("analogen.relsim.world",)),
}  # fmt: skip
