"""Compare the reading of SVGs with a browser's: the files of tests/relsim/world/svg_suite, each of one feature.

    python recipes/measure_svg.py [--browser /usr/bin/chromium] [--write]

Prints for each file the share of pixels that differ by more than a quarter of the range from Chromium's on white, and
what the reader says about it. --write stores Chromium's drawings as chromium.png, which the tests compare with.
Needs playwright and a Chromium; text is drawn with the fonts that fontconfig has for Arial (Liberation Sans here).
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from analogen.relsim.world.icon import Pixels, rasterise
from analogen.relsim.world.svg_cleaning import clean_svg

SUITE = Path(__file__).parent.parent / "tests/relsim/world/svg_suite"
SIDE_PX, COLUMNS = 128, 10
DIFFERENT, ALLOWED = 64, 0.02  # of 255 in any channel; share of the pixels


def drawn_by_browser(files: list[Path], browser: str) -> list[Pixels]:
    """(SIDE_PX, SIDE_PX, 3) each, on white."""
    with sync_playwright() as play:
        window = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--force-color-profile=srgb"])
        page = window.new_page(viewport={"width": SIDE_PX, "height": SIDE_PX})
        drawn = []
        for file in files:
            page.goto(file.as_uri())
            drawn.append(np.array(Image.open(io.BytesIO(page.screenshot())).convert("RGB")))
        window.close()
    return drawn


def drawn_by_us(file: Path) -> tuple[Pixels, str]:
    """(SIDE_PX, SIDE_PX, 3) on white, and the reader's note."""
    body, size, notes = clean_svg(file.read_bytes())
    image = Image.new("RGBA", (SIDE_PX, SIDE_PX), "white")
    image.alpha_composite(Image.fromarray(rasterise(body, (0, 0, *size), SIDE_PX)))
    return np.array(image.convert("RGB")), notes.line(file.name) or ""


def difference(first: Pixels, second: Pixels) -> float:
    """The share of pixels that differ visibly."""
    return float((np.abs(first.astype(int) - second).max(-1) > DIFFERENT).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", default="/usr/bin/chromium", metavar="PATH")
    parser.add_argument("--write", action="store_true", help="store Chromium's drawings")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write both drawings of each file side by side")
    options = parser.parse_args()
    files = sorted(SUITE.glob("*.svg"))
    theirs = drawn_by_browser(files, options.browser)
    ours = [drawn_by_us(file) for file in files]
    shares = [difference(mine, other) for (mine, _), other in zip(ours, theirs, strict=True)]
    for file, share, (_, note) in zip(files, shares, ours, strict=True):
        print(f"{file.stem:28} {share:6.2%}  {note}")
    print(f"{sum(share <= ALLOWED for share in shares)} of {len(files)} within {ALLOWED:.0%} of the pixels")
    rows = -(-len(files) // COLUMNS)
    atlas = Image.new("RGB", (COLUMNS * SIDE_PX, rows * SIDE_PX), "white")
    both = Image.new("RGB", (COLUMNS * 2 * SIDE_PX, rows * SIDE_PX), "white")
    for number, ((mine, _), other) in enumerate(zip(ours, theirs, strict=True)):
        x, y = number % COLUMNS * SIDE_PX, number // COLUMNS * SIDE_PX
        atlas.paste(Image.fromarray(other), (x, y))
        both.paste(Image.fromarray(np.hstack([mine, other])), (2 * x, y))
    if options.write:
        atlas.quantize(256, dither=Image.Dither.NONE).save(SUITE / "chromium.png", optimize=True)
    if options.sheet is not None:
        both.save(options.sheet)


if __name__ == "__main__":
    main()
