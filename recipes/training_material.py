"""Training material for photographs: two folders, of cut-outs with names and of grounds.

python recipes/training_material.py --cutouts DIR --grounds DIR [--emoji-3d DIR]

It is gathered from Debian packages: apt-get install tuxpaint-stamps-default openclipart-svg plasma-workspace-wallpapers
gnome-backgrounds; where they are installed, also mate-backgrounds, lomiri-wallpapers-16.04, lomiri-wallpapers-20.04 and
ukui-wallpapers. --emoji-3d takes the unpacked npm package @lobehub/fluent-emoji-3d as well.
Things are kept at 256 px, grounds at 640 px; names.csv in either folder lists file, name, source and licence.
Nothing of it is shipped, and what the tests of photographs are made of is left out: see KEPT_STAMPS.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import re
import subprocess
import time
import tomllib
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.images import read_image
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.subject_image import read_subject_image

THING_PX, GROUND_PX = 256, 640
LEAST_PX = 90  # longer side of a stamp below which it is too coarse
SLOW_SECONDS = 1.0
FLATTEST = 4.0  # standard deviation of a ground's values, of 255, below which it shows nothing
FAINTEST = 0.08  # share of its box that a thing has to cover


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LISTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
KEPT_STAMPS = _words(_LISTS["kept"]) | _words(_LISTS["variants"])
KEPT_WALLPAPERS = frozenset({"BytheWater", "FallenLeaf", "Path"})
KEPT_FAMILIES = ("openmoji", "twemoji")
CROWDED_WALLPAPERS = _words(_LISTS["grounds"]["crowded"])
# Packages of grounds and their licences; the first two have to be there.
GROUND_PACKAGES = {
    "plasma-workspace-wallpapers": "GPL-2+", "gnome-backgrounds": "CC-BY-SA-3.0", "mate-backgrounds": "GPL-2+",
    "lomiri-wallpapers-16.04": "CC-BY-4.0 and others", "lomiri-wallpapers-20.04": "CC-BY-4.0 and others",
    "ukui-wallpapers": "CC-BY-SA-3.0",
}  # fmt: skip
TUXPAINT_LEFT_OUT = frozenset({"symbols", "roadsigns", "alphabets", "money", "flags", "body_parts", "ammunition"})
OPENCLIPART_FOLDERS = (
    "animals", "food", "plants", "tools", "buildings", "transportation", "recreation/music", "recreation/sports",
    "recreation/toys", "recreation/party", "recreation/holiday", "recreation/games/chess", "electronics", "containers",
    "office", "people/clothing", "science", "education/books", "computer/hardware",
)  # fmt: skip
OPENCLIPART_LEFT_OUT = frozenset({"aiga-symbols", "roadsigns", "duplicates", "astronomy", "pantyhose"})
NO_THINGS, DROPPED_WORDS = _words(_LISTS["openclipart"]["no_things"]), _words(_LISTS["openclipart"]["dropped"])
EMOJI_LEFT_OUT, EMOJI_HEADS = _words(_LISTS["emoji"]["left_out"]), _words(_LISTS["emoji"]["heads"])
ENGLISH = {foreign: english for english, others in _LISTS["english"].items() for foreign in others.split()}
MOST_ALIKE = 4  # drawings of one name


@dataclass(frozen=True)
class Row:
    file: str
    name: str
    source: str
    licence: str


def words_of(stem: str) -> list[str]:
    """The words of a file's name, in English: "walnutBoat-2_mirror" has walnut and boat."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    words = re.sub(r"[^a-z]+", " ", apart.lower()).split()
    return [ENGLISH.get(w, w) for w in words if len(w) > 1 and w not in DROPPED_WORDS]


def shows_kept(words: list[str]) -> bool:
    pairs = [a + b for a, b in itertools.pairwise(words)]
    return any(word in KEPT_STAMPS or word.removesuffix("s") in KEPT_STAMPS for word in words + pairs)


def is_kept(path: Path) -> bool:
    """True for what the tests are made of, and its variants: other numbers, mirrored, cartoons of the same name."""
    if any(family in part.lower() for part in path.parts for family in KEPT_FAMILIES):
        return True
    return bool(KEPT_WALLPAPERS.intersection(path.parts)) or shows_kept(words_of(path.stem))


def installed_files(package: str) -> list[Path]:
    """Raises FileNotFoundError for a package that is not installed."""
    try:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise FileNotFoundError(f"{package} is not installed: apt-get install {package}") from None
    return [path for line in listed.splitlines() if (path := Path(line)).is_file()]


class Found(NamedTuple):
    """A file, the folder that it goes to, and the name of what it shows."""

    path: Path
    folder: str
    name: str


def stamps(files: Iterable[Path]) -> Iterator[Found]:
    """Files of tuxpaint-stamps-default, photographs and drawings apart."""
    for path in sorted(files):
        if path.suffix in (".png", ".svg") and not TUXPAINT_LEFT_OUT.intersection(path.parts) and not is_kept(path):
            if path.suffix == ".svg" and path.with_suffix(".png").exists():
                continue
            drawn = "cartoon" in path.parts or path.suffix == ".svg"
            name = " ".join(words_of(path.stem)) or path.parent.name
            yield Found(path, "tuxpaint-drawings" if drawn else "tuxpaint", name)


def clip_art(files: Iterable[Path]) -> Iterator[Found]:
    """Files of openclipart-svg that show single things, by folder, name and the subjects noted in them."""
    for path in sorted(files):
        if path.suffix != ".svg" or "svg" not in path.parts:
            continue
        below = "/".join(path.parts[path.parts.index("svg") + 1 : -1])
        wanted = any(below == folder or below.startswith(folder + "/") for folder in OPENCLIPART_FOLDERS)
        if not wanted or OPENCLIPART_LEFT_OUT.intersection(path.parts):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        subjects = {word.strip().lower() for word in re.findall(r"<rdf:li[^>]*>([^<]*)<", text)}
        titles = re.findall(r"<dc:title[^>]*>([^<]*)<", text)
        makers = set(re.findall(r"[a-z]+", " ".join(titles[1:]).lower()))
        # File names end in the maker's, cut off at thirty letters.
        words = [w for w in words_of(path.stem) if not any(maker.startswith(w) for maker in makers)]
        words = words or words_of(path.stem)[:1]
        told = set(words) | set(words_of(titles[0]) if titles else ()) | subjects
        if words and not NO_THINGS.intersection(told) and not is_kept(path) and not shows_kept(sorted(told)):
            yield Found(path, "openclipart", " ".join(words[:3]))


def emoji(folder: Path) -> Iterator[Found]:
    """Pictures of things in a folder where they are named by their code points, such as 1f3ba.webp."""
    for path in sorted(folder.rglob("*")):
        points = [point for point in path.stem.lower().split("-") if point != "fe0f"]
        if path.suffix.lower() not in (".png", ".webp") or len(points) != 1 or is_kept(path):
            continue
        if (
            not re.fullmatch("[0-9a-f]{4,5}", points[0])
            or (name := unicodedata.name(chr(int(points[0], 16)), "")) == ""
        ):
            continue
        name = re.sub("^(black|white|lower left|front-facing|closed|oncoming) ", "", name.lower())
        if name.removesuffix(" face") in EMOJI_HEADS:
            name = name.removesuffix(" face")
        words = re.findall("[a-z]+", name)
        if not EMOJI_LEFT_OUT.intersection(words) and not shows_kept(words):
            yield Found(path, "emoji-3d", name)


def largest_blob(mask: NDArray[np.bool_]) -> float:
    """Share of the mask's pixels in its largest connected part."""
    left, best = set(zip(*(axis.tolist() for axis in np.nonzero(mask)), strict=True)), 0
    whole = len(left)
    while left:
        found, size = deque([left.pop()]), 1
        while found:
            y, x = found.popleft()
            for place in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if place in left:
                    left.remove(place)
                    found.append(place)
                    size += 1
        best = max(best, size)
    return best / max(whole, 1)


def flaw_of(rgba: Pixels) -> str | None:
    """What is wrong with a drawing as a single thing, or None. rgba: (h, w, 4), trimmed."""
    alpha = rgba[..., 3] > 128
    cover = float(alpha.mean())
    if not 0.15 <= cover <= 0.85:
        return f"it covers {cover:.0%} of its box"
    height, width = alpha.shape
    if max(height, width) > 4 * min(height, width):
        return "it is too long"
    small = Image.fromarray(rgba[..., 3]).resize((64, 64), Image.Resampling.BOX)
    if largest_blob(np.asarray(small) > 64) < 0.85:
        return "it has several parts"
    seen = rgba[alpha][:, :3]
    _, counts = np.unique(seen // 43, axis=0, return_counts=True)
    many = counts > 0.01 * len(seen)
    if many.sum() <= 3 and not (0.1 < float((seen.max(-1) > 200).mean()) < 0.95):
        return "it is a silhouette"
    return None


def trimmed(path: Path, side: int) -> Pixels:
    """(h, w, 4) of a thing's file, its longer side at most `side`. Raises ValueError for what cannot be used."""
    art = read_subject_image(path)
    if isinstance(art, Picture):
        image = Image.fromarray(art.rgba)
        if path.suffix == ".png" and max(image.size) < LEAST_PX:
            raise ValueError("it is too small")
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    else:
        image = Image.fromarray(art.pixels(side))
        image = image.crop(image.getchannel("A").point(lambda v: 255 if v > 8 else 0).getbbox())
    return np.array(image)


def save_things(
    things: Iterable[Found], output: Path, licence: str, *, measured: bool
) -> tuple[list[Row], Counter[str]]:
    """Write the things as PNG; returns the table's rows, and reasons for what was left out with their counts."""
    rows, reasons, taken, seen = [], Counter[str](), Counter[str](), set[bytes]()
    for path, folder, name in things:
        start = time.process_time()
        try:
            rgba = trimmed(path, THING_PX)
        except ValueError as error:
            reasons[str(error).removeprefix(path.name).split(":")[-1].strip()[:48]] += 1
            continue
        flaw = flaw_of(rgba) if measured else None
        if float((rgba[..., 3] > 128).mean()) < FAINTEST:
            flaw = "it is faint"
        if flaw is None and time.process_time() - start > SLOW_SECONDS:
            flaw = "it draws slowly"
        if rgba.tobytes() in seen:
            flaw = "it is there already"
        if flaw is None and measured and taken[f"{folder}/{name}"] >= MOST_ALIKE:
            flaw = "there are several of its name"
        if flaw is not None:
            reasons[re.sub(r"\d+%", "N%", flaw)] += 1
            continue
        seen.add(rgba.tobytes())
        taken[f"{folder}/{name}"] += 1
        number = taken[f"{folder}/{name}"]
        file = f"{folder}/{name.replace(' ', '_')}{f'-{number}' if number > 1 else ''}.png"
        (output / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgba).save(output / file)
        rows.append(Row(file, name, str(path), licence))
    return rows, reasons


def wallpapers(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """One file of each wallpaper, the smallest that is large enough, and its name."""
    by_name: dict[str, list[Path]] = {}
    for path in sorted(files):
        if path.suffix not in (".png", ".jpg", ".webp", ".svg") or is_kept(path) or path.stem == "screenshot":
            continue
        if CROWDED_WALLPAPERS.intersection((*path.parts, path.stem)):
            continue
        if "wallpapers" in path.parts:
            name = path.parts[path.parts.index("wallpapers") + 1] + ("-dark" if "images_dark" in path.parts else "")
        else:
            name = re.sub(r"_\d+x\d+$|_by_.*", "", path.stem)
        by_name.setdefault(name, []).append(path)
    for name, paths in by_name.items():
        yield min(paths, key=_room), name


def _room(path: Path) -> float:
    sides = [int(n) for n in re.findall(r"\d+", path.stem)]
    longer = max(sides, default=0)
    return longer if longer >= GROUND_PX else float("inf")


def save_grounds(found: Iterable[tuple[Path, str]], output: Path, folder: str, licence: str) -> list[Row]:
    """Write the grounds into a folder of the output; those that cannot be read, or show nothing, are left out."""
    rows = []
    for path, name in found:
        try:
            if path.suffix == ".svg":
                image = Image.fromarray(read_subject_image(path).pixels(GROUND_PX)).convert("RGB")
                image = image.crop(image.convert("L").point(lambda v: 255 if v else 0).getbbox())
            else:
                image = read_image(path).image
        except ValueError:
            continue
        image.thumbnail((GROUND_PX, GROUND_PX), Image.Resampling.LANCZOS)
        if np.asarray(image).std((0, 1)).max() < FLATTEST:
            continue
        (output / folder).mkdir(parents=True, exist_ok=True)
        image.save(output / folder / f"{name}.jpg", quality=92)
        rows.append(Row(f"{folder}/{name}.jpg", name, str(path), licence))
    return rows


def write_table(rows: Iterable[Row], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "name", "source", "licence"])
        writer.writerows((row.file, row.name, row.source, row.licence) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cutouts", type=Path, required=True, metavar="DIR")
    parser.add_argument("--grounds", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--emoji-3d", type=Path, metavar="DIR", help="the unpacked npm package @lobehub/fluent-emoji-3d"
    )
    options = parser.parse_args()
    if options.emoji_3d is not None and not options.emoji_3d.is_dir():
        parser.error(f"no folder {options.emoji_3d}: npm pack @lobehub/fluent-emoji-3d, and unpack it")
    try:
        grounds: list[Row] = []
        for number, (package, licence) in enumerate(GROUND_PACKAGES.items()):
            try:
                files = installed_files(package)
            except FileNotFoundError:
                if number < 2:
                    raise
                continue
            grounds += save_grounds(wallpapers(files), options.grounds, package, licence)
        write_table(grounds, options.grounds / "names.csv")
        print(f"{len(grounds)} grounds", flush=True)
        sources: list[tuple[Iterable[Found], str, bool]] = [
            (stamps(installed_files("tuxpaint-stamps-default")), "GPL-2", False)
        ]
        if options.emoji_3d is not None:
            sources.append((emoji(options.emoji_3d), "MIT", False))
        sources.append((clip_art(installed_files("openclipart-svg")), "public domain", True))
        rows: list[Row] = []
        for things, terms, measured in sources:
            saved, reasons = save_things(things, options.cutouts, terms, measured=measured)
            rows += saved
            write_table(rows, options.cutouts / "names.csv")
            left_out = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common(8))
            print(f"{len(saved)} things; left out: {left_out or 'none'}", flush=True)
    except FileNotFoundError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
