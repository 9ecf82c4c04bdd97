"""Build what lettering.py writes captions with: fonts for the scripts of the world, and small pictures of all emoji.

    apt-get install fonts-noto-core fonts-noto-cjk fonts-droid-fallback
    npm install @iconify-json/noto; pip install fonttools
    python recipes/build_lettering.py --fonts /usr/share/fonts --packages node_modules \
        --output relsim/world/fonts/scripts

Noto Sans for each script, Droid Sans Fallback for Chinese and Japanese, Noto Sans CJK for Korean; without hinting.
Latin, Greek and Cyrillic come from Arimo (build_fonts.py). coverage.txt lists the code points of each font. Emoji are
drawn from Noto's SVGs into one picture, emoji.webp, in the order of emoji.txt.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fontTools import subset
from PIL import Image

from analogen.relsim.world.icon import rasterise
from analogen.relsim.world.names import plain_emoji

SCRIPTS = (
    "Adlam", "Arabic", "Armenian", "Bengali", "CanadianAboriginal", "Cherokee", "Devanagari", "Ethiopic", "Georgian",
    "Gujarati", "Gurmukhi", "Hebrew", "Javanese", "Kannada", "Khmer", "Lao", "Malayalam", "Mongolian", "Myanmar", "NKo",
    "OlChiki", "Oriya", "Sinhala", "Symbols", "Symbols2", "Syriac", "Tamil", "Telugu", "Thaana", "Thai", "Tifinagh",
    "Yi",
)  # fmt: skip
OTHER = ("truetype/noto/NotoSerifTibetan-Regular.ttf", "truetype/droid/DroidSansFallbackFull.ttf")
KOREAN, KOREAN_NUMBER = "opentype/noto/NotoSansCJK-Regular.ttc", 1  # which of the collection's fonts
HANGUL = (*range(0x1100, 0x1200), *range(0x3131, 0x318F), *range(0xAC00, 0xD7A4))
EMOJI_PX, EMOJI_COLUMNS = 40, 48
NOTICE = """Noto Sans {scripts}, Noto Serif Tibetan, Noto Sans KR: Copyright Google LLC,
SIL Open Font License 1.1, see ../OFL.txt.
Droid Sans Fallback: Copyright Google Inc., Apache License 2.0, see ../../art/LICENSE-noto.txt.
emoji.webp: Noto Emoji, Google Inc., by the npm package @iconify-json/noto {version}; Apache License 2.0.
"""


def build_fonts(fonts: Path, output: Path) -> None:
    """Write each font without its hinting, and the code points that it has."""
    coverage: list[str] = []
    options = subset.Options(hinting=False, layout_features=["*"], notdef_outline=True, name_IDs=[0, 1, 2, 13, 14])
    options.drop_tables += ["vhea", "vmtx", "VORG"]  # for vertical lines
    # An early font is taken where two have a letter: symbols after the scripts, and what is missing from the last.
    noto = fonts / "truetype" / "noto"
    sources = [noto / f"NotoSans{script}-Regular.ttf" for script in SCRIPTS if "Symbols" not in script]
    sources += [*(fonts / path for path in OTHER), fonts / KOREAN]
    sources += [noto / f"NotoSans{name}-Regular.ttf" for name in ("Symbols2", "Symbols")]
    for source in sources:
        korean = source == fonts / KOREAN
        options.font_number = KOREAN_NUMBER if korean else -1
        font = subset.load_font(str(source), options)
        codes = sorted(code for code in (HANGUL if korean else font.getBestCmap()) if code > 0x7F)
        letters = subset.Subsetter(options)
        letters.populate(unicodes=[0x20, 0x200C, 0x200D, 0x25CC, *codes])
        letters.subset(font)
        font["head"].modified = font["head"].created
        name = "NotoSansKR-Hangul.otf" if korean else source.name
        subset.save_font(font, str(output / name), options)
        coverage.append(f"{name}\t{' '.join(ranges(codes))}")
    (output / "coverage.txt").write_text("\n".join(coverage) + "\n", encoding="utf-8")


def ranges(codes: list[int]) -> list[str]:
    """The code points as ranges in hexadecimal: "600-6ff"."""
    found: list[list[int]] = []
    for code in codes:
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return [f"{first:x}-{last:x}" for first, last in found]


def build_emoji(packages: Path, output: Path) -> str:
    """Write the picture of all emoji without skin tones, and their order. Returns the version of the package."""
    package = packages / "@iconify-json" / "noto"
    icons = json.loads((package / "icons.json").read_text(encoding="utf-8"))
    drawn: dict[str, Image.Image] = {}
    for code, icon in json.loads((package / "chars.json").read_text(encoding="utf-8")).items():
        text = "".join(chr(int(part, 16)) for part in code.split("-"))
        if plain_emoji(text) in drawn or any(0x1F3FB <= ord(c) <= 0x1F3FF for c in text) or icon not in icons["icons"]:
            continue
        side = icons["icons"][icon].get("width", icons.get("width", 128))
        drawn[plain_emoji(text)] = Image.fromarray(
            rasterise(icons["icons"][icon]["body"], (0, 0, side, side), EMOJI_PX)
        )
    rows = -(-len(drawn) // EMOJI_COLUMNS)
    sheet = Image.new("RGBA", (EMOJI_COLUMNS * EMOJI_PX, rows * EMOJI_PX))
    for number, text in enumerate(sorted(drawn)):
        place = (number % EMOJI_COLUMNS * EMOJI_PX, number // EMOJI_COLUMNS * EMOJI_PX)
        sheet.paste(drawn[text], place)
    sheet.save(output / "emoji.webp", quality=78, method=6)
    (output / "emoji.txt").write_text("\n".join(sorted(drawn)) + "\n", encoding="utf-8")
    return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", type=Path, required=True, metavar="DIR", help="holds truetype/ and opentype/")
    parser.add_argument("--packages", type=Path, required=True, metavar="DIR", help="node_modules")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    build_fonts(arguments.fonts, output)
    version = build_emoji(arguments.packages, output)
    (output / "NOTICE").write_text(NOTICE.format(scripts=", ".join(SCRIPTS), version=version), encoding="utf-8")
    print(f"{sum(path.stat().st_size for path in output.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
