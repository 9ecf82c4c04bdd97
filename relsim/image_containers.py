"""Checks the structure of picture files before decoding: number of frames, and files that decode extremely slowly.

Decoders do what a file says, however often it says it: a JPEG of some hundred KB can ask for thousands of passes over
64 megapixels, and a library that counts the frames of a GIF or the pages of a TIFF walks through all of them.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

MAX_SCANS = 100  # passes over a JPEG; encoders write about 10, and 100 over 64 megapixels take some seconds
MAX_COUNTED = 1000  # frames
MAX_ASIDE_BYTES = 4 * 2**20  # of comments and the like before a GIF's first frame
MAX_HEADER_BYTES = 64 * 1024  # of a PPM, comments included
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def why_too_costly(file: BinaryIO) -> str | None:
    """The reason why decoding would take unreasonably long, or None. Reads from the start and seeks back to it."""
    head = file.read(3)
    file.seek(0)
    try:
        if head == b"\xff\xd8\xff":
            scans = _count_scans(file)
            return f"asks for over {MAX_SCANS} passes of decoding" if scans > MAX_SCANS else None
        if head == b"GIF":
            return _walk_gif(file)[1]
        if re.match(rb"P[1-7fF]", head):
            text = re.sub(rb"#[^\r\n]*", b"", file.read(MAX_HEADER_BYTES))
            return None if len(text.split(None, 3)) > 3 or not file.read(1) else "has a header of over 64 KiB"
    finally:
        file.seek(0)
    return None


def count_frames(file: BinaryIO) -> int | None:
    """Counts frames of a GIF or pages of a TIFF, at most MAX_COUNTED + 1; None for other files. Keeps the position."""
    before = file.tell()
    try:
        file.seek(0)
        head = file.read(4)
        if head[:3] == b"GIF":
            file.seek(0)
            return _walk_gif(file)[0]
        if head[:2] in (b"II", b"MM"):
            return _count_pages(file, head)
    finally:
        file.seek(before)
    return None


def _count_scans(file: BinaryIO) -> int:
    """Counts the scans of a JPEG, at most MAX_SCANS + 1."""
    data = file.read()
    place = scans = 0
    while scans <= MAX_SCANS:
        found = _MARKER.search(data, place)
        if found is None or data[found.start() + 1] == 0xD9:
            break
        place, kind = found.end(), data[found.start() + 1]
        if kind in (0xD8, 0x01):
            continue
        if kind == 0xDA:
            scans += 1
        if len(data) < place + 2:
            break
        # The contents of a segment, such as a preview with its own scans, do not count.
        place += struct.unpack_from(">H", data, place)[0]
    return scans


def _walk_gif(file: BinaryIO) -> tuple[int, str | None]:
    """The number of frames, at most MAX_COUNTED + 1, and why the first one takes unreasonably long to reach."""
    head = file.read(13)
    if len(head) < 13:
        return 0, None
    _skip_palette(file, head[10])
    frames = aside = 0
    while frames <= MAX_COUNTED:
        kind = file.read(1)
        if kind == b"\x2c":
            place = file.read(9)
            if len(place) < 9:
                break
            _skip_palette(file, place[8])
            file.seek(1, 1)  # the width of the codes
            frames += 1
        elif kind == b"\x21":
            file.seek(1, 1)
        elif kind in (b"", b"\x3b"):
            break
        else:
            continue  # padding, as decoders take it
        size = _skip_blocks(file)
        aside += size if frames == 0 else 0
        if aside > MAX_ASIDE_BYTES:
            return frames, f"has over {MAX_ASIDE_BYTES >> 20} MiB of comments before its first frame"
    return frames, None


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), 1)


def _skip_blocks(file: BinaryIO) -> int:
    """Skips the blocks of a frame or an extension; returns the number of their bytes."""
    total = 0
    while size := file.read(1):
        if size == b"\0":
            break
        file.seek(size[0], 1)
        total += size[0] + 1
    return total


def _count_pages(file: BinaryIO, head: bytes) -> int:
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    number, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    file.seek(8 if big else 4)
    place = _number(file, order + link)
    seen: set[int] = set()
    while place and place not in seen and len(seen) <= MAX_COUNTED:
        seen.add(place)
        file.seek(min(place, 2**40))
        entries = _number(file, order + number)
        if not entries:
            break
        file.seek(min(entries * entry, 2**40), 1)
        place = _number(file, order + link)
    return len(seen)


def _number(file: BinaryIO, form: str) -> int:
    data = file.read(struct.calcsize(form))
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else 0
