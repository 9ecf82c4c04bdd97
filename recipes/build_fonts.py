"""Build the fonts for text in SVG subjects: the letters of European languages of Debian's fonts-croscore.

    apt-get install fonts-croscore; pip install fonttools
    python recipes/build_fonts.py --output relsim/world/fonts

Arimo, Tinos and Cousine have the widths of Arial, Times New Roman and Courier New, which most drawings name, so that a
text takes the room that its maker gave it. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fontTools import subset

FONTS = Path("/usr/share/fonts/truetype/croscore")
LICENCE = Path("/usr/share/doc/fonts-croscore/copyright")
FILES = (
    "Arimo-Regular",
    "Arimo-Bold",
    "Arimo-Italic",
    "Tinos-Regular",
    "Tinos-Bold",
    "Tinos-Italic",
    "Cousine-Regular",
)
# Latin, Greek, Cyrillic, punctuation, currencies, arrows and signs: what svg_text.has_letters knows of.
LETTERS = ((0x20, 0x24F), (0x2C6, 0x2DD), (0x370, 0x52F), (0x1E00, 0x1EFF), (0x2010, 0x2044), (0x20A0, 0x20BF),
           (0x2100, 0x2122), (0x2190, 0x2199), (0x2200, 0x2265))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    options = subset.Options(hinting=False, layout_features=["kern", "mark", "mkmk", "ccmp"], notdef_outline=True)
    for name in FILES:
        font = subset.load_font(str(FONTS / f"{name}.ttf"), options)
        letters = subset.Subsetter(options)
        letters.populate(unicodes=[code for first, last in LETTERS for code in range(first, last + 1)])
        letters.subset(font)
        font["head"].modified = font["head"].created
        subset.save_font(font, str(output / f"{name}.ttf"), options)
    total = sum(path.stat().st_size for path in output.glob("*.ttf"))
    print(f"{len(FILES)} fonts, {total / 1e6:.2f} MB; their licence: {LICENCE}")


if __name__ == "__main__":
    main()
