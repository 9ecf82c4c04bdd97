import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.world.icon import rasterise
from analogen.relsim.world.subject_image import read_subject_image
from analogen.relsim.world.svg_cleaning import clean_svg
from analogen.relsim.world.svg_colors import plain_color
from analogen.relsim.world.svg_text import font_family, font_files, has_letters
from analogen.relsim.world.svg_transforms import svg_transform

SUITE = Path(__file__).parent / "svg_suite"
SIDE_PX, COLUMNS = 128, 10
DIFFERENT, ALLOWED = 64, 0.02  # as in recipes/measure_svg.py
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
RECT = '<rect width="90" height="90" fill="#ff0000"/>'


def svg(inside):
    return f"{HEAD}{inside}</svg>".encode()


def on_white(data):
    body, size, notes = clean_svg(data)
    image = Image.new("RGBA", (SIDE_PX, SIDE_PX), "white")
    image.alpha_composite(Image.fromarray(rasterise(body, (0, 0, *size), SIDE_PX)))
    return np.array(image.convert("RGB")), notes


def note_of(inside):
    return on_white(svg(RECT + inside))[1].line("logo.svg")


def test_sixty_features_are_drawn_as_chromium_draws_them():
    files = sorted(SUITE.glob("*.svg"))
    atlas = np.array(Image.open(SUITE / "chromium.png").convert("RGB"))
    shares = {}
    for number, file in enumerate(files):
        y, x = number // COLUMNS * SIDE_PX, number % COLUMNS * SIDE_PX
        ours, _ = on_white(file.read_bytes())
        apart = np.abs(ours.astype(int) - atlas[y : y + SIDE_PX, x : x + SIDE_PX]).max(-1)
        shares[file.stem] = float((apart > DIFFERENT).mean())
    assert len(shares) == 60
    assert sum(share <= ALLOWED for share in shares.values()) >= 59, shares


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("#F80C", "rgba(255, 136, 0, 0.8)"), ("rgb(200 30 30 / 60%)", "rgba(200, 30, 30, 0.6)"),
        ("hsl(200deg, 80%, 40%)", "#1481b8"), ("hwb(120 0% 30%)", "#00b200"), ("oklch(70% none 150)", "#9e9e9e"),
        ("color(display-p3 1 0 0)", "#ff0000"), ("currentcolor", "currentColor"), ("RED", "#ff0000"), ("none", None),
        ("", None), ("color()", None), ("rgb(nan 0 0)", None), ("oklch(1e400 0 0)", None), ("fancy(3)", None),
    ],
)  # fmt: skip
def test_colours_become_what_every_program_reads(text, plain):
    assert plain_color(text) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("translate(10px, 50%)", "translate(10 20)"), ("rotate(0.25turn)", "rotate(90)"),
        ("scaleX(-1) translateY(3px)", "scale(-1 1) translate(0 3)"), ("rotate3d(1, 0, 0, 45deg)", None),
        ("translate(2em)", None), ("none", None),
    ],
)  # fmt: skip
def test_transforms_of_css_lose_their_units(text, plain):
    assert svg_transform(text, (80, 40)) == plain


def test_a_transform_keeps_its_origin():
    assert svg_transform("rotate(90deg)", (80, 40), "center") == "translate(40 20) rotate(90) translate(-40 -20)"
    assert svg_transform("rotate(90deg)", (80, 40), "right 5px") == "translate(80 5) rotate(90) translate(-80 -5)"
    assert svg_transform("rotate(90deg)", (80, 40), "1em 1em") is None


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<foreignObject><p>hi</p></foreignObject>", "HTML in foreignObject"),
        ('<circle r="9"><animate attributeName="r" to="3"/></circle>', "animations"),
        ("<style>@keyframes a{from{fill:red}} rect{animation:a 2s}</style>", "animations"),
        ("<style>@font-face{src:url(x)}</style>", "@font-face"),
        ('<filter id="f"><feTurbulence baseFrequency=".1"/></filter>', "the filter feTurbulence"),
        ('<image href="photo.png" width="9" height="9"/>', "not embedded"),
        ('<circle r="9" fill="color-mix(in srgb, red, blue)"/>', "fill: color-mix"),
        ("<style>circle{clip-path:circle(40%)}</style><circle r='9'/>", "clip-path: circle(40%)"),
        ('<text y="50">漢字</text>', "neither Latin, Greek nor Cyrillic"),
        ("<style>.a{&amp; .b{fill:red}}</style>", "nested rules"),
    ],
)
def test_what_is_not_drawn_is_said_in_one_line(inside, words):
    line = note_of(inside)
    assert line is not None
    assert words in line
    assert "\n" not in line
    assert line.startswith("logo.svg: ")


def test_what_browsers_do_not_draw_either_is_not_mentioned():
    quiet = "<title>x</title><desc>y</desc><metadata/><script>1</script><style>rect:hover{fill:blue}</style>"
    assert note_of(quiet) is None
    assert note_of('<style>@media print{rect{fill:blue}}</style><g style="cursor:pointer"/>') is None


def test_the_note_reaches_the_subject(tmp_path):
    path = tmp_path / "logo.svg"
    path.write_bytes(svg(RECT + "<foreignObject/>"))
    assert read_subject_image(path).notes == ("logo.svg: not drawn as in a browser: HTML in foreignObject",)


def test_text_is_drawn_by_the_shipped_fonts_alone():
    assert len(font_files()) == 7
    assert has_letters("Grüße, Ελλάδα, Москва – 5 €")
    assert not has_letters("日本")
    for names, first in (("'Courier New', monospace", "Cousine"), ("Georgia", "Tinos"), ("Inter, sans-serif", "Arimo"),
                         ("sans-serif", "Arimo"), ("serif", "Tinos"), ("", "Tinos")):  # fmt: skip
        assert font_family(names).startswith(first)
    pixels, _ = on_white(svg('<text x="5" y="60" font-size="40" font-family="\'No Such Font\'">Acme</text>'))
    assert 0.02 < (pixels.max(-1) < 128).mean() < 0.3


def test_large_tiles_of_patterns_are_left_out_and_small_ones_stay():
    tile = '<pattern id="p" width="{0}" height="{0}" patternUnits="userSpaceOnUse"{1}>{2}</pattern>'
    use = '<rect width="90" height="90" fill="url(#p)"/>'
    small, notes = on_white(svg(tile.format(10, "", RECT) + use))
    assert (small[40, 40] == (255, 0, 0)).all()
    assert not notes.found
    for large in (
        tile.format(1e6, "", RECT), tile.format(20, ' patternTransform="scale(1e5)"', RECT),
        f'<pattern id="p" width="1" height="1">{RECT}</pattern><path fill="url(#p)" d="M0 0L9e6 0L9e6 9e6z"/>',
        f'<g transform="scale(4000)">{tile.format(1, "", RECT)}<rect width="1" height="1" fill="url(#p)"/></g>',
    ):  # fmt: skip
        assert "pattern" in (note_of(large) or "")


SLOW = [
    "<style>" + "a~a~a~a{fill:red}" * 400 + "</style>" + "<a/>" * 900,
    "<style>" + "*{fill:red}" * 999 + "</style>" + "<g/>" * 9000,
    "<style>svg{" + "".join(f"--a{n + 1}:var(--a{n}) var(--a{n});" for n in range(60)) + "--a0:xxxxxxxxxx}</style>"
    '<g fill="var(--a60)"/>',
    "<style>svg{fill:" + "calc(" * 3000 + "1" + ")" * 3000 + "}</style>",
    '<marker id="m"><g opacity=".5"/></marker><path marker-mid="url(#m)" d="M' + "0 0 " * 30_000 + '"/>',
    "<text>" + "x" * 50_000 + "</text>",
    "<style>" + "@media screen{" * 3000 + "}" * 3000 + "</style>",
]


@pytest.mark.parametrize("inside", SLOW)
def test_style_sheets_that_would_run_long_do_not(inside):
    begin = time.process_time()
    with contextlib.suppress(ValueError):
        clean_svg(svg(RECT + inside))
    assert time.process_time() - begin < 10
