import hashlib
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from analogen.relsim.world import art, icon
from analogen.relsim.world.art import NEAR, STYLES, TRAINING_STYLES, ArtLibrary, splits
from analogen.relsim.world.icon import Icon, prefixed_ids, rasterise
from analogen.relsim.world.picture import Picture

FOLDER = Path(art.__file__).parent / "art"


@pytest.fixture(scope="module")
def library():
    return ArtLibrary.shipped()


def first_nouns(library):
    return [name for name in library.nouns() if library.first_noun(name) == name]


def meanings_of(names, library):
    """A stand-in for the text tower: a text means exactly what one of the nouns means, or nothing."""

    def embed(texts):
        rows = [library.meaning(names[text]) if text in names else np.ones(384) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)

    return embed


def test_importing_reads_nothing():
    code = (
        "import builtins, io, sys, zipfile, pathlib\n"
        "import analogen.relsim.world.scene, numpy, resvg_py, PIL.Image\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append(str(args[0])) if event == 'open' else None)\n"
        "import analogen.relsim.world.art\n"
        "assert not [s for s in seen if s.endswith(('.zip', '.json', '.npy'))], seen\n"
    )
    # -P: the tree's own folder must not stand in for the installed package.
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60)


def test_the_library_is_large_and_every_noun_is_drawn(library):
    firsts = first_nouns(library)
    assert len(firsts) >= 2500
    assert len(library.nouns()) >= 4000
    for name in library.nouns():
        icon = library.icon(name)
        assert icon.body
        assert library.category(name)
        assert icon.style in STYLES
        assert all(np.isfinite(icon.view))
        assert icon.view[2] > 0
        assert icon.view[3] > 0


def test_most_nouns_come_in_all_styles_and_each_in_a_trained_one(library):
    sets = [set(library.nouns(style=style)) for style in TRAINING_STYLES]
    trained = set(library.nouns(split="train")) | set(library.nouns(split="held_out"))
    assert len(set.intersection(*sets)) > 0.95 * len(trained)
    assert sets[0] | sets[1] == trained


def test_most_trained_nouns_come_in_3d_too(library):
    trained = set(library.nouns(split="train")) | set(library.nouns(split="held_out"))
    pictured = set(library.nouns(style="3d"))
    assert pictured <= trained
    assert len(pictured) > 0.95 * len(trained)
    cat = library.icon("cat", "3d")
    assert isinstance(cat, Picture)
    pixels = cat.pixels(200)
    assert (pixels[..., 3] == 255).mean() > 0.2
    assert library.icon("bow saw", "3d").style == "clip-art"


def test_clip_art_and_silhouettes_are_nouns_of_their_own(library):
    drawn = set(library.nouns(style="clip-art")) | set(library.nouns(style="silhouette"))
    trained = set(library.nouns(split="train")) | set(library.nouns(split="held_out"))
    assert not drawn & trained
    assert drawn | trained == set(library.nouns())
    assert not drawn & set(library.nouns(stock=True))
    for name in sorted(drawn)[::25]:
        assert (library.icon(name).pixels(64)[..., 3] > 128).mean() > 0.03


@pytest.mark.parametrize(
    ("split", "stock", "digest"),
    [
        ("train", False, "fe4aa1baafa75bc0"),
        ("train", True, "c254af8cc3d05450"),
        ("held_out", False, "e649ed1a84b995c2"),
        ("held_out", True, "cd412da1a60b9911"),
    ],
)
def test_the_lists_that_training_draws_from_stay_what_they_were(library, split, stock, digest):
    names = "\n".join(library.nouns(split=split, stock=stock))
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == digest


def test_names_are_plain_english(library):
    for name in library.nouns():
        assert name == name.lower().strip()
        assert not name.startswith(("a ", "an ", "the "))
        assert "_" not in name
        assert "skin tone" not in name


def test_bodies_are_well_formed(library):
    for style in set(STYLES) - {"3d"}:
        for name in library.nouns(style=style)[::40]:
            ET.fromstring(library.icon(name, style).document())


def test_folder_stays_small_and_states_its_licences():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40e6
    assert "Apache License" in (FOLDER / "LICENSE-noto.txt").read_text()
    assert "Copyright (c) Microsoft Corporation" in (FOLDER / "LICENSE-fluent.txt").read_text()
    notice = (FOLDER / "NOTICE").read_text() + (FOLDER / "NOTICE-more").read_text()
    assert all(f"{style}.zip" in notice for style in STYLES)
    silhouettes = (FOLDER / "silhouettes.txt").read_text()
    sets = set(re.findall(r"= ([a-z-]+):", silhouettes))
    assert len(sets) == 6
    assert all(f"@iconify-json/{name} " in notice for name in sets)
    for owner in ("Phosphor Icons", "Paweł Kuna"):  # the MIT's text has to go with their icons
        assert re.search(rf"Copyright \(c\) .*{owner}", (FOLDER / "LICENSE-icons.txt").read_text())


def test_silhouettes_of_two_tones_are_inked(library):
    """Sets that come in black and blue are drawn in a shade of one ink, as the others are."""
    pixels = library.icon("rocking horse", "silhouette").pixels(96)
    opaque = pixels[pixels[..., 3] == 255][:, :3].astype(int)
    assert len(opaque) > 500
    assert opaque.max(axis=1).min() > 20  # no black
    bodies = [library.icon(name, "silhouette").body for name in library.nouns(style="silhouette")]
    assert not [body for body in bodies if "#2F88FF" in body or "currentColor" in body]


@pytest.mark.parametrize("style", STYLES[:4])
@pytest.mark.parametrize("name", ["cat", "bicycle", "giraffe", "crossed swords"])
def test_content_fills_the_longer_side_and_is_whole(library, name, style):
    pixels = library.pixels(name, style, 96)
    assert pixels.shape == (96, 96, 4)
    assert pixels.dtype == np.uint8
    visible = pixels[..., 3] > 8
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert max(height, width) >= 95
    margins = (rows[0], 95 - rows[-1], columns[0], 95 - columns[-1])
    assert abs(margins[0] - margins[1]) <= 2  # centred
    assert abs(margins[2] - margins[3]) <= 2


def test_standing_things_rest_on_the_lower_edge(library):
    name = next(n for n in library.nouns(stock=True) if library.icon(n).view[3] < 0.7 * library.icon(n).view[2])
    pixels = library.icon(name).pixels(80, standing=True)
    rows = np.flatnonzero((pixels[..., 3] > 8).any(axis=1))
    assert rows[-1] >= 78
    assert rows[0] > 15


def test_alpha_is_straight(library):
    pixels = library.pixels("apple", "fluent-flat", 64)
    edge = (pixels[..., 3] > 40) & (pixels[..., 3] < 200)
    whole = pixels[pixels[..., 3] == 255][:, 0].astype(float)
    assert edge.any()
    assert pixels[edge][:, 0].mean() > 0.8 * whole.mean()  # premultiplied reds would be about half as bright


@pytest.mark.parametrize("side", [1, 2, 7, 300, 2048])
def test_any_side_works(library, side):
    assert library.pixels("star", "fluent-flat", side).shape == (side, side, 4)


@pytest.mark.parametrize("side", [0, -3, 5000])
def test_side_out_of_range_is_refused(library, side):
    with pytest.raises(ValueError, match="from 1 to 4096"):
        library.pixels("star", "noto", side)


def test_pixels_are_read_only_and_kept(library):
    first = library.pixels("star", "noto", 40)
    assert first is library.pixels("star", "noto", 40)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


def test_filters_are_drawn_on_whole_pixels_where_the_rasteriser_holds(library, capfd):
    """Drawn at these sides as they are, resvg panics and says so on stderr."""
    for name, side in (("fire truck", 64), ("truck", 64), ("fire truck", 17), ("truck", 33)):
        icon = library.icon(name, "fluent-color")
        assert "<filter" in icon.body
        assert icon.pixels(side).shape == (side, side, 4)
    assert capfd.readouterr().err == ""


def test_filtered_art_fills_its_square_as_unfiltered_art_does():
    body = '<rect x="3.3" y="5.1" width="20.5" height="11" fill="#f00"/>'
    plain, filtered = (
        Icon("bar", "own", extra + body, (3.3, 5.1, 20.5, 11)) for extra in ("", '<filter id="unused"/>')
    )
    for side in (21, 64):
        for standing in (False, True):
            apart = np.abs(plain.pixels(side, standing).astype(int) - filtered.pixels(side, standing))
            assert apart.mean() < 4
            assert (apart.max(axis=-1) > 128).mean() < 0.02  # a soft edge half a pixel away


def test_a_panic_is_a_value_error(monkeypatch):
    class PanicException(BaseException):
        pass

    def panics(**options):
        raise PanicException

    monkeypatch.setattr(icon.resvg_py, "svg_to_bytes", panics)
    with pytest.raises(ValueError, match="its filters break the rasteriser"):
        Icon("box", "own", '<rect width="9" height="9" fill="#e00"/>', (0, 0, 9, 9)).pixels(31)


def test_a_broken_svg_is_a_value_error():
    with pytest.raises(ValueError, match="cannot be drawn"):
        rasterise("<rect", (0, 0, 9, 9), 10)


def test_prefixed_bodies_keep_their_look_and_share_no_id(library):
    icon = next(i for i in (library.icon(n, "noto") for n in library.nouns("noto")) if "url(#" in i.body)
    renamed = Icon(icon.name, icon.style, icon.prefixed("p1-"), icon.view)
    assert "url(#p1-" in renamed.body
    assert np.array_equal(icon.pixels(64), renamed.pixels(64))
    body = '<g id="a"><use xlink:href="#a" fill="url(#a)" style="mask:url(\'#a\')"/></g>'
    assert prefixed_ids(body, "x-").count("x-a") == 4


def test_a_missing_style_falls_back_in_the_stated_order(library):
    only_noto = next(name for name in library.nouns("noto") if name not in library.nouns("fluent-flat"))
    assert library.icon(only_noto, "fluent-flat").style == "noto"


def test_unknown_words_are_refused_with_help(library):
    with pytest.raises(ValueError, match="bicycle"):
        library.icon("bicycel")
    with pytest.raises(ValueError, match="fluent-flat"):
        library.icon("cat", "woodcut")
    with pytest.raises(ValueError, match="held_out"):
        library.nouns(split="test")


def test_splits_divide_icons_not_names(library):
    train, held_out = set(library.nouns(split="train")), set(library.nouns(split="held_out"))
    assert not train & held_out
    sides = {}
    for name in train | held_out:
        sides.setdefault(library.group(name), set()).add(name in held_out)
    assert all(len(side) == 1 for side in sides.values())
    firsts = [name for name in train | held_out if library.first_noun(name) == name]
    assert 0.15 < len(splits().subjects) / len(firsts) < 0.25
    assert splits().subjects <= set(firsts)


def test_held_out_styles_and_relations_are_the_agreed_ones():
    assert splits().styles == ("fluent-color",)
    assert set(splits().relations) == {
        "melting", "hatching", "mosaic_portrait", "frozen", "tug_of_war", "playing_card", "kintsugi", "stretched",
    }  # fmt: skip


def test_stock_is_drawn_in_every_style_and_lies_on_both_sides(library):
    stock = library.nouns(stock=True)
    assert 350 <= len(stock) <= 450
    assert all(set(stock) <= set(library.nouns(style)) for style in TRAINING_STYLES)
    assert 40 <= len(library.nouns(split="held_out", stock=True)) <= 120
    assert all(library.first_noun(name) == name for name in stock)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cat", "cat"), (" The CAT ", "cat"), ("bicycles", "bicycle"), ("strawberries", "strawberry"),
        ("foxes", "fox"), ("mice", "mouse"), ("fire-engine", "fire engine"), ("hot dogs", "hot dog"),
        ("automobile", "automobile"), ("sock", "sock"), ("chopstick", "chopsticks"),
        ("an apple", "apple"), ("T shirt", "t-shirt"),
    ],
)  # fmt: skip
def test_names_are_found_without_a_text_tower(library, text, name):
    assert library.find(text) == (name, 1.0, True, True)


def test_listed_relatives_are_near_but_not_exact(library):
    assert library.find("kittens") == ("cat", 1.0, False, True)
    assert library.find("coyote").name == "wolf"


def test_other_texts_are_found_by_meaning(library):
    embed = meanings_of({"pussycat": "cat"}, library)
    match = library.find("pussycat", embed)
    assert (match.name, match.exact, match.near) == ("cat", False, True)
    assert match.score == pytest.approx(1, abs=1e-3)
    stranger = library.find("xyzzy", embed)
    assert stranger.score < NEAR
    assert not stranger.near


def test_unknown_text_without_a_text_tower_is_refused(library):
    with pytest.raises(ValueError, match="nearest names"):
        library.find("pussycat")
    with pytest.raises(ValueError, match="nearest names"):
        library.find("  ", meanings_of({}, library))


def test_meanings_belong_to_the_nouns_in_order(library):
    for part in ("nouns", "more"):
        meanings = np.load(FOLDER / f"{part}.npy")
        nouns = json.loads((FOLDER / f"{part}.json").read_text())["nouns"]
        assert meanings.shape == (len(nouns), 384)
        assert meanings.dtype == np.float16
        norms = np.linalg.norm(meanings.astype(np.float32), axis=1)
        assert np.allclose(norms, 1, atol=2e-3)
        for row, name in list(enumerate(sorted(nouns)))[::50]:
            assert library.meaning(name) @ meanings[row].astype(np.float32) > 0.99
    rows = {name: library.meaning(name) for name in ("cat", "dog", "trumpet")}
    assert rows["cat"] @ rows["dog"] > rows["cat"] @ rows["trumpet"]
