"""Writes and reads the metadata of a PNG: a `parameters` line as other tools read it, and a JSON record of our own.

`parameters` follows the convention of A1111; `analogen` holds everything that is needed to make the picture again.
References are named by file name and hash, not by path, since paths are private.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from analogen.errors import UserError
from analogen.models import find_model
from analogen.relsim.images import open_checked
from analogen.types import Candidate, Request, Result

if TYPE_CHECKING:
    from PIL.Image import Image

SCHEMA = 1
MAX_RECORD_BYTES = 256 * 1024
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The keys that every record has, and the types of their values.
_SHAPE: dict[str, type] = {
    "schema": int,
    "version": str,
    "model": str,
    "subject": str,
    "relation": dict,
    "references": list,
    "seed": int,
    "rank": int,
    "settings": dict,
    "scores": dict,
}


# The settings of a diffusion model that change its picture; attention, offload and compilation do not.
_DIFFUSION_SETTINGS = (
    "layout", "encoder", "captioner", "adapter", "adapter_strength", "lora", "control", "control_model", "strength",
    "quantize", "dtype", "retries", "style_by",
)  # fmt: skip


def _diffusion_settings(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _DIFFUSION_SETTINGS:
        value = getattr(request, name)
        if isinstance(value, tuple):
            value = [_portable_name(one) for one in value]
        elif isinstance(value, str):
            value = _portable_name(value)
        if value not in (None, False, [], "auto", 0):
            found[name] = value
    if not find_model(request.model).is_mini:
        found["reference_as"] = request.reference_as  # records of 0.2 have none: these models then saw the original
    return found


def _portable_name(name: str) -> str:
    """A hub id unchanged; for a file or folder on this machine only its name."""
    path = Path(name)
    return path.name if path.is_absolute() or path.exists() else name


def file_fingerprint(path: Path) -> dict[str, Any]:
    """The name and sha256 of a file, without its folder."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"name": path.name, "sha256": digest.hexdigest()}


def make_record(request: Request, result: Result, candidate: Candidate) -> dict[str, Any]:
    """The JSON record of one picture. Its `seed` with these settings and a single candidate makes it again."""
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "version": version("analogen"),
        "model": _portable_name(result.model),
        "subject": result.subject,
        "relation": {"caption": result.relation.caption, "confidence": round(result.relation.confidence, 4)},
        "references": [file_fingerprint(path) for path in request.references],
        "seed": candidate.seed,
        "rank": candidate.rank,
        "settings": {
            "subject": request.subject,
            "relation": request.relation,
            **({"reference_weights": list(request.reference_weights)} if request.reference_weights else {}),
            "other": request.other,
            "style": request.style,
            **({} if request.palette is None else {"palette": request.palette}),
            "negative_prompt": request.negative_prompt,
            "steps": request.steps,
            "guidance_scale": request.guidance_scale,
            "relation_scale": request.relation_scale,
            **({} if request.structure_scale is None else {"structure_scale": request.structure_scale}),
            "width": request.width,
            "height": request.height,
            "candidates": request.candidates,
            **_diffusion_settings(request),
        },
        "scores": candidate.scores.rounded(),
    }
    if request.subject_image is not None:
        record["subject_image"] = file_fingerprint(request.subject_image)
        part = request.subject_part if result.made is None else result.made.subject_part
        if part is not None:
            record["subject_image"] |= {"part": list(part)}
    if request.becomes is not None:
        record["becomes"] = file_fingerprint(request.becomes)
    if request.art is not None:
        record["art"] = request.art.name
    if request.style_image is not None:
        record["style_image"] = file_fingerprint(request.style_image)
    if request.style_scale is not None:
        record["settings"]["style_scale"] = request.style_scale  # also 0
    if candidate.paint_seed is not None:
        record["settings"]["paint_seed"] = candidate.paint_seed
    if candidate.prompt is not None:
        record["prompt"] = candidate.prompt
    if candidate.read is not None:
        record["read"] = candidate.read.recorded()
    return record


def scene_text(record: dict[str, Any]) -> str | None:
    """The scene in a record, as JSON: that of an edited picture, else the one that it was made from; None without."""
    edited = record.get("edited")
    scene = edited.get("scene") if isinstance(edited, dict) else record.get("scene")
    return json.dumps(scene) if isinstance(scene, dict) else None


def parameters_line(record: dict[str, Any]) -> str:
    """The record in the format of A1111: prompt, negative prompt, settings."""
    settings = record["settings"]
    caption: str = record["relation"]["caption"]
    lines = [caption.replace("{subject}", record["subject"]).replace("{other}", settings["other"] or "things")]
    if settings["negative_prompt"]:
        lines.append(f"Negative prompt: {settings['negative_prompt']}")
    pairs = {
        "Steps": settings["steps"],
        "CFG scale": settings["guidance_scale"],
        "Seed": record["seed"],
        "Size": f"{settings['width']}x{settings['height']}",
        "Model": record["model"],
        "Version": f"analogen {record['version']}",
    }
    lines.append(", ".join(f"{name}: {value}" for name, value in pairs.items() if value is not None))
    return "\n".join(lines)


def png_bytes(image: Image, record: dict[str, Any] | None) -> bytes:
    """Encode the picture as PNG; without a record the file has no text chunks."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if record is not None:
        info.add_text("parameters", parameters_line(record))
        info.add_text("analogen", json.dumps(record, separators=(",", ":")))
    clean = image.copy()
    clean.info = {}
    buffer = io.BytesIO()
    clean.save(buffer, "PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue()


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Read the record of a PNG that analogen made, as plain data.

    The file is not trusted: pixels are not decoded, a record over MAX_RECORD_BYTES is refused, and its keys and types
    are checked. Raises UserError, with one line, for a file without a valid record; FileNotFoundError if there is none.
    """
    path = Path(path)
    try:
        file = open_checked(path)
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error
    with file:
        text = _find_text(path, file)
    try:
        record = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: its analogen record is damaged: take the picture as it was saved") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else None
        raise UserError(f"{path}: its analogen record has schema {found!r:.40}, expected {SCHEMA}: update analogen")
    for key, kind in _SHAPE.items():
        # isinstance accepts bool as an int, and a seed must not be one.
        if not isinstance(record.get(key), kind) or isinstance(record[key], bool):
            raise UserError(f"{path}: its analogen record lacks a proper {key!r}: take the picture as it was saved")
    return record


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _find_text(path: Path, file: BinaryIO) -> str:
    """The text of the PNG chunk named analogen."""
    if file.read(8) != _SIGNATURE:
        raise UserError(f"{path}: is not a PNG, and only PNG files carry an analogen record")
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"tEXt", b"iTXt") and length <= MAX_RECORD_BYTES:
            body, checksum = file.read(length), file.read(4)
            keyword, _, rest = body.partition(b"\0")
            if keyword == b"analogen":
                if checksum != struct.pack(">I", zlib.crc32(kind + body)):
                    raise UserError(f"{path}: its analogen record is damaged: take the picture as it was saved")
                return _decode(path, kind, rest)
        elif kind in (b"tEXt", b"iTXt", b"zTXt") and file.read(9) == b"analogen\0":
            raise UserError(f"{path}: its analogen record is over {MAX_RECORD_BYTES // 1024} KiB or packed: not read")
        elif kind in (b"tEXt", b"iTXt", b"zTXt"):
            file.seek(length + 4 - 9, 1)
        elif kind == b"IEND":
            break
        else:
            file.seek(length + 4, 1)
    raise UserError(f"{path}: carries no analogen record: it was made elsewhere, or with --no-metadata")


def _decode(path: Path, kind: bytes, rest: bytes) -> str:
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if rest[:1] != b"\0":
        raise UserError(f"{path}: its analogen record is packed, expected plain text: not read")
    try:
        return rest[2:].split(b"\0", 2)[2].decode("utf-8")
    except (IndexError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: its analogen record is damaged: take the picture as it was saved") from error
