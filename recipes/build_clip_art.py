"""Add to the art library what emoji do not draw: clip art, silhouettes, and the style "3d".

    apt-get install openclipart-svg
    npm install @iconify-json/{game-icons,mdi,temaki,maki,icon-park,ph,tabler} @phosphor-icons/core @tabler/icons \\
        @iconify-json/{fluent-emoji,fluent-emoji-flat,noto} @lobehub/fluent-emoji-3d
    python recipes/build_clip_art.py --packages node_modules --output relsim/world/art

Run after recipes/build_art.py. Reads clip_art.txt and silhouettes.txt in the output folder, where the names are
written by hand; writes clip-art.zip, silhouette.zip, more.json and more.npy there (nouns of their own, which no
training draws), 3d.zip with a picture of 256 px for each noun of the first library that has one, NOTICE-more and
LICENSE-icons.txt.
Prints which drawings are left out, and why. The same input gives the same bytes, apart from the last digits of the
embeddings.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from build_art import embed, read_package, trimmed_box, write_json_lines, write_zip

from analogen.relsim.world.icon import Icon, View
from analogen.relsim.world.subject_image import read_svg

MOST_BYTES = 60_000  # of a drawing, compressed
# Silhouettes come without a colour; these are seen on light and on dark grounds.
INKS = ("#c8553d", "#3d6fa5", "#2f8f83", "#8e5ea2", "#c98426", "#5b7f3a", "#b0436e", "#57708f")
# Sets of two colours and black: the ink, a dark shade of it for the lines.
TWO_TONE = {"#2F88FF": 1.0, "#43CCF8": 1.0, "#000": 0.45, "#000000": 0.45}
LISTS = {"clip-art": "clip_art.txt", "silhouette": "silhouettes.txt"}
GAME_ICONS = "game-icons"
# Other sets of icons that silhouettes.txt may name, and what NOTICE-more says of them.
SETS = {
    "mdi": "Material Design Icons, Pictogrammers; Apache-2.0, see LICENSE-noto.txt",
    "icon-park": "IconPark, ByteDance; Apache-2.0, see LICENSE-noto.txt",
    "ph": "Phosphor Icons; MIT, see LICENSE-icons.txt",
    "tabler": "Tabler Icons, Paweł Kuna; MIT, see LICENSE-icons.txt",
    "temaki": "Temaki, Bryan Housel; CC0-1.0 (https://creativecommons.org/publicdomain/zero/1.0/)",
    "maki": "Maki, Mapbox; CC0-1.0 (https://creativecommons.org/publicdomain/zero/1.0/)",
}
LICENSES = {"Phosphor Icons": "@phosphor-icons/core", "Tabler Icons": "@tabler/icons"}  # packages with the MIT's texts
NOTICE = """\
clip-art.zip    Open Clip Art Library, Debian package openclipart-svg; public domain
silhouette.zip  Game-icons.net, by Lorc, Delapouite and others (https://game-icons.net/about.html#authors),
                coloured here; @iconify-json/game-icons {icons}; CC BY 3.0 (https://creativecommons.org/licenses/by/3.0/)
                Those that silhouettes.txt names with a set, also coloured here, are of
{sets}
3d.zip          Fluent Emoji, 3D style, Microsoft Corporation; @lobehub/fluent-emoji-3d {emoji}, unchanged; MIT, see
                LICENSE-fluent.txt
"""


@dataclass(frozen=True)
class Line:
    name: str
    synonyms: tuple[str, ...]
    category: str
    source: str


def read_list(path: Path) -> Iterator[Line]:
    """The lines of a list of names. Raises ValueError for one that cannot be read."""
    category = ""
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        if line.startswith("["):
            category = line.strip("[]")
        elif line and not line.startswith("#"):
            match = re.fullmatch(r"([^|=]+?)\s*(?:\|([^=]+?))?\s*=\s*(\S+)", line)
            if match is None or not category:
                raise ValueError(f"{path.name}:{number}: cannot read {line!r}")
            synonyms = tuple(part.strip() for part in (match[2] or "").split(",") if part.strip())
            yield Line(match[1], synonyms, category, match[3])


def shortened(body: str, units: float) -> str:
    """The body with the coordinates of its paths rounded to a 2000th of its side or finer."""
    digits = 1 if units > 2000 else 2 if units > 200 else 3 if units > 20 else 5

    def rounded(match: re.Match[str]) -> str:
        number = re.compile(r"-?\d*\.\d+(?:e[-+]?\d+)?")
        return match[1] + number.sub(lambda m: f" {round(float(m[0]), digits):g}", match[2]) + '"'

    return re.sub(r'(\s(?:d|points)=")([^"]*)"', rounded, body)


def clip_art(lines: list[Line]) -> dict[str, Icon]:
    """The drawings of openclipart-svg by noun; what is too heavy or cannot be drawn is printed and left out."""
    listed = subprocess.run(["dpkg", "-L", "openclipart-svg"], capture_output=True, text=True, check=True).stdout
    paths = {line.partition("/svg/")[2]: Path(line) for line in listed.splitlines() if line.endswith(".svg")}
    found = {}
    for line in lines:
        try:
            icon = read_svg(paths[line.source].read_bytes(), line.name)
        except (KeyError, ValueError) as error:
            print(f"left out: {line.name}: {error}")
            continue
        box = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', icon.body)
        units = max(float(box[1]), float(box[2])) if box else 128.0
        short = Icon(icon.name, icon.style, shortened(icon.body, units), icon.view)
        apart = np.abs(icon.pixels(128).astype(int) - short.pixels(128)).max(-1)
        icon = short if (apart > 48).mean() < 0.002 else icon
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr("x", icon.body)
        if buffer.tell() > MOST_BYTES or icon.notes:
            print(f"left out: {line.name}: {buffer.tell()} bytes {' '.join(icon.notes)}")
            continue
        found[line.name] = icon
    return found


def shaded(ink: str, share: float) -> str:
    """The ink "#rrggbb" with its brightness multiplied by `share`."""
    return "#" + "".join(f"{round(int(ink[i : i + 2], 16) * share):02x}" for i in (1, 3, 5))


def silhouettes(lines: list[Line], sets: Path) -> dict[str, Icon]:
    """The icons of the sets by noun, each in one of INKS. sets: folder of the @iconify-json packages."""
    drawings = {name: read_package(sets / name)[0] for name in (GAME_ICONS, *SETS)}
    found = {}
    for line in lines:
        ink = INKS[int(hashlib.sha256(line.name.encode()).hexdigest(), 16) % len(INKS)]
        name, _, id = line.source.rpartition(":")
        drawing = drawings[name or GAME_ICONS][id]
        body = drawing.body.replace("currentColor", ink)
        for color, share in TWO_TONE.items():
            body = body.replace(f'"{color}"', f'"{shaded(ink, share)}"')
        x, y, width, height = trimmed_box(body, drawing)
        found[line.name] = Icon(line.name, "silhouette", body, (x, y, width, height))
    return found


def three_d(nouns: dict[str, dict[str, Any]], packages: Path) -> dict[str, bytes]:
    """The 3D pictures by noun, WebP as the package has them."""
    names = {"fluent-color": "fluent-emoji", "fluent-flat": "fluent-emoji-flat", "noto": "noto"}
    codes: dict[tuple[str, str], list[str]] = {}
    for style, package in names.items():
        chars = json.loads((packages / "@iconify-json" / package / "chars.json").read_text(encoding="utf-8"))
        for code, id in chars.items():
            codes.setdefault((style, id), []).append(code)
    files = {
        tuple(part for part in path.stem.split("-") if part != "fe0f"): path
        for path in (packages / "@lobehub/fluent-emoji-3d/assets").glob("*.webp")
    }
    found = {}
    for noun, entry in nouns.items():
        ids = [(style, entry.get("icons", {}).get(style, "")) for style in names]
        keys = [tuple(p for p in code.split("-") if p != "fe0f") for id in ids for code in codes.get(id, [])]
        path = next((files[key] for key in keys if key in files), None)
        if path is None:
            continue
        found[noun] = path.read_bytes()
    return found


def write_pictures(path: Path, pictures: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sorted(pictures.items()):
            archive.writestr(zipfile.ZipInfo(f"{name}.webp", date_time=(1980, 1, 1, 0, 0, 0)), content)


def version_of(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])


def write_notice(packages: Path, output: Path) -> None:
    """Says whose the drawings are: NOTICE-more, and LICENSE-icons.txt with the texts that have to go with them."""
    sets = packages / "@iconify-json"
    lines = [f"{'':18}{text}; @iconify-json/{name} {version_of(sets / name)}" for name, text in SETS.items()]
    notice = NOTICE.format(
        icons=version_of(sets / GAME_ICONS),
        emoji=version_of(packages / "@lobehub/fluent-emoji-3d"),
        sets="\n".join(lines),
    )
    (output / "NOTICE-more").write_text(notice, encoding="utf-8")
    texts = [f"{name}\n\n{(packages / package / 'LICENSE').read_text()}" for name, package in LICENSES.items()]
    (output / "LICENSE-icons.txt").write_text("\n\n".join(text.strip() for text in texts) + "\n", encoding="utf-8")


def build(packages: Path, output: Path) -> None:
    library = json.loads((output / "nouns.json").read_text(encoding="utf-8"))["nouns"]
    lists = {style: list(read_list(output / file)) for style, file in LISTS.items()}
    names = [name for lines in lists.values() for line in lines for name in (line.name, *line.synonyms)]
    twice = sorted({name for name in names if names.count(name) > 1} | (library.keys() & set(names)))
    if twice:
        raise ValueError(f"there already: {', '.join(twice)}")
    drawn = {
        "clip-art": clip_art(lists["clip-art"]),
        "silhouette": silhouettes(lists["silhouette"], packages / "@iconify-json"),
    }
    nouns: dict[str, dict[str, Any]] = {}
    boxes: dict[str, dict[str, View]] = {}
    for style, lines in lists.items():
        for line in (line for line in lines if line.name in drawn[style]):
            nouns[line.name] = {"category": line.category, "group": line.name, "icons": {style: line.name}}
            nouns |= {synonym: {"same_as": line.name} for synonym in line.synonyms}
        write_zip(output / f"{style}.zip", {name: icon.body for name, icon in drawn[style].items()})
        boxes[f"boxes {style}"] = {
            name: tuple(round(v, 3) for v in icon.view)
            for name, icon in drawn[style].items()  # type: ignore[misc]
        }
    write_json_lines(output / "more.json", {"nouns": nouns, **boxes})
    array = io.BytesIO()
    np.save(array, embed(sorted(nouns)).astype(np.float16))
    (output / "more.npy").write_bytes(array.getvalue())
    pictures = three_d(library, packages)
    write_pictures(output / "3d.zip", pictures)
    write_notice(packages, output)
    counts = ", ".join(f"{len(icons)} {style}" for style, icons in drawn.items())
    print(f"{counts}; {len(nouns)} names; {len(pictures)} in 3d")
    for name in ("clip-art.zip", "silhouette.zip", "3d.zip", "more.json", "more.npy"):
        print(f"{name:16} {(output / name).stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="node_modules with the npm packages")
    parser.add_argument("--output", type=Path, required=True, help="folder of the library")
    options = parser.parse_args()
    build(options.packages, options.output)


if __name__ == "__main__":
    main()
