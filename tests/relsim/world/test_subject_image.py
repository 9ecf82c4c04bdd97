import base64
import io
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image, ImageDraw

from analogen.relsim.world import subject_image, svg_cleaning
from analogen.relsim.world.icon import Icon
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.plain_ground import flood_from_border, remove_background
from analogen.relsim.world.subject_image import MAX_SVG_BYTES, read_subject_image
from analogen.relsim.world.svg_cleaning import clean_svg

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 100 100">'
RECT = '<rect x="10" y="20" width="30" height="60" fill="#ff0000"/>'


def svg(inside):
    return f"{HEAD}{inside}</svg>".encode()


@pytest.fixture
def write(tmp_path):
    def save(content, name="thing.svg"):
        path = tmp_path / name
        if isinstance(content, Image.Image):
            content.save(path)
        else:
            path.write_bytes(content)
        return path

    return save


def disc(mode, ground, color=(200, 30, 30), size=(120, 80), scale=4):
    """A smooth disc of 40 pixels' diameter in the middle of the left half."""
    image = Image.new(mode, (size[0] * scale, size[1] * scale), ground)
    fill = (*color, 255) if mode == "RGBA" else color
    ImageDraw.Draw(image).ellipse((20 * scale, 20 * scale, 60 * scale - 1, 60 * scale - 1), fill=fill)
    return image.resize(size, Image.Resampling.BOX)


def test_dtd_of_other_programs_is_passed_over(tmp_path):
    dtd = b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"\n "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
    for number, head in enumerate((dtd, b'<?xml version="1.0"?>' + dtd, b'<!doctype svg SYSTEM "file:///etc/passwd">')):
        (tmp_path / f"{number}.svg").write_bytes(head + svg(RECT))
        assert read_subject_image(tmp_path / f"{number}.svg").pixels(16)[..., 3].max() == 255


def test_cut_out_is_trimmed_and_keeps_its_proportions(write):
    image = Image.new("RGBA", (100, 100))
    image.paste((10, 200, 30, 255), (20, 40, 80, 60))
    thing = read_subject_image(write(image, "leaf shape.png"))
    assert isinstance(thing, Picture)
    assert thing.name == "leaf shape"
    assert thing.rgba.shape == (20, 60, 4)
    assert thing.document() is None
    centred, standing = thing.pixels(90), thing.pixels(90, standing=True)
    assert np.flatnonzero(centred[:, 45, 3] > 128)[[0, -1]].tolist() == [30, 59]
    assert np.flatnonzero(standing[:, 45, 3] > 128)[[0, -1]].tolist() == [60, 89]
    assert thing.pixels(1).shape == (1, 1, 4)


def test_resizing_mixes_no_colour_from_under_transparency(write):
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (16, 16, 48, 48))
    pixels = read_subject_image(write(image, "a.png")).pixels(50)
    assert pixels[pixels[..., 3] > 8][:, 1].max() == 0


@pytest.mark.parametrize("ground", [(250, 250, 248), (20, 60, 160)])
def test_plain_background_is_removed_with_a_soft_edge(write, ground):
    thing = read_subject_image(write(disc("RGB", ground), "photo.png"))
    height, width = thing.rgba.shape[:2]
    assert abs(height - 40) <= 2
    assert abs(width - 40) <= 2
    alpha = thing.rgba[..., 3]
    assert alpha[height // 2, width // 2] == 255
    assert alpha[0, 0] == 0
    assert ((alpha > 20) & (alpha < 235)).sum() > 20
    mixed = thing.rgba[(alpha > 100) & (alpha < 255)][:, :3].astype(int)
    assert np.abs(mixed - (200, 30, 30)).max(axis=1).mean() < 40  # no fringe in the background's colour
    assert abs((alpha / 255).sum() - np.pi * 400) < 60


def test_colour_of_the_background_inside_the_subject_stays():
    rgb = np.full((60, 60, 3), 255, dtype=np.uint8)
    rgb[10:50, 10:50] = (30, 30, 200)
    rgb[25:35, 25:35] = 255
    alpha = remove_background(rgb)[..., 3]
    assert alpha[30, 30] == 255
    assert alpha[5, 5] == 0


def test_uneven_border_is_refused(write):
    noise = np.random.default_rng(1).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="of its border is of one colour"):
        read_subject_image(write(Image.fromarray(noise), "busy.png"))


@pytest.mark.parametrize("image", [Image.new("RGB", (30, 30), "white"), Image.new("RGBA", (30, 30))])
def test_a_picture_of_nothing_is_refused(write, image):
    with pytest.raises(ValueError, match="shows nothing"):
        read_subject_image(write(image, "nothing.png"))


def test_flood_agrees_with_a_plain_search():
    rng = np.random.default_rng(5)
    for _ in range(20):
        free = rng.random((17, 23)) < 0.62
        reached = np.zeros_like(free)
        queue = [(r, c) for r in range(17) for c in range(23) if r in (0, 16) or c in (0, 22)]
        while queue:
            row, column = queue.pop()
            if 0 <= row < 17 and 0 <= column < 23 and free[row, column] and not reached[row, column]:
                reached[row, column] = True
                queue += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        assert np.array_equal(flood_from_border(free), reached)


def test_rotation_of_the_camera_is_respected(write, tmp_path):
    image = Image.new("RGB", (80, 60), "white")
    image.paste((0, 0, 0), (10, 10, 70, 20))  # wide as stored
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    height, width = read_subject_image(tmp_path / "turned.jpg").rgba.shape[:2]
    assert height > 3 * width


def test_first_frame_of_an_animation_counts(tmp_path):
    frames = [disc("RGB", (255, 255, 255), color) for color in ((200, 0, 0), (0, 0, 200))]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    rgba = read_subject_image(tmp_path / "moving.gif").rgba
    assert rgba[rgba.shape[0] // 2, rgba.shape[1] // 2, 0] > 150


@pytest.mark.parametrize("mode", ["LA", "P", "I;16", "L", "CMYK"])
def test_other_pixel_formats_are_read(tmp_path, mode):
    if mode == "I;16":
        values = np.full((50, 50), 65000, dtype=np.uint16)
        values[10:40, 10:40] = 9000
        image = Image.fromarray(values)
    else:
        image = disc("RGB", (255, 255, 255)).convert(mode)
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    image.save(path)
    assert 25 <= read_subject_image(path).rgba.shape[0] <= 45


def test_pixel_cap_is_checked_before_decoding(write, monkeypatch):
    monkeypatch.setattr(subject_image, "MAX_PICTURE_PIXELS", 1000)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ValueError, match="120 x 80 pixels"):
        read_subject_image(write(disc("RGB", (255, 255, 255)), "big.png"))
    assert before == Image.MAX_IMAGE_PIXELS


def test_large_pictures_are_reduced(write):
    image = Image.new("RGBA", (3000, 200), (9, 9, 9, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    assert max(read_subject_image(write(image, "wide.png")).rgba.shape) == 2048


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"not a picture", "x.png"),
        (b"", "x.png"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "x.eps"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "x.png"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(write, content, name):
    with pytest.raises(ValueError, match="cannot be read as a picture") as caught:
        read_subject_image(write(content, name))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        read_subject_image(tmp_path / "nowhere.png")


def test_svg_is_trimmed_and_drawn_like_an_icon(write):
    thing = read_subject_image(write(svg(RECT)))
    assert isinstance(thing, Icon)
    width, height = thing.view[2:]
    assert width / height == pytest.approx(0.5, abs=0.02)
    pixels = thing.pixels(100)
    assert abs((pixels[50, :, 3] > 128).sum() - 50) <= 2
    assert pixels[50, 50].tolist() == [255, 0, 0, 255]
    ET.fromstring(thing.document())


def test_svg_is_recognised_by_content_and_other_sizes_are_understood(write):
    plain = f'<svg xmlns="http://www.w3.org/2000/svg" width="20mm" height="10mm">{RECT}</svg>'.encode()
    thing = read_subject_image(write(b"\xef\xbb\xbf" + plain, "drawing.txt"))
    assert clean_svg(plain)[1] == (128, 64)
    assert (thing.pixels(40)[..., 3] > 128).any()


def test_style_sheets_are_applied_then_dropped():
    sheet = (
        "<style>@import url(http://a.example/x.css); /* .a{fill:red} */ rect{fill:#010101;opacity:.5}"
        ".a,.b{fill:#0000ff!important;background:url(http://a.example)} #c.a{stroke:lime}</style>"
    )
    body, _, _ = clean_svg(svg(f'{sheet}<rect id="c" class="a z" width="9" height="9" fill="red" style="opacity:1"/>'))
    element = ET.fromstring(body.replace("xlink:", ""))[0]
    assert element.get("fill") == "#0000ff"
    assert set(element.get("style").split(";")) == {"opacity:1", "stroke:#00ff00"}
    assert "example" not in body
    assert "<style" not in body


HOSTILE = [
    "<script>alert(1)</script>",
    '<rect onload="alert(1)" onclick="alert(2)" width="5" height="5"/>',
    '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="http://evil.example"/></foreignObject>',
    '<image href="http://evil.example/a.png" width="9" height="9"/>',
    '<image xlink:href="file:///etc/passwd" width="9" height="9"/>',
    '<image href="data:image/svg+xml;base64,PHN2Zy8+" width="9" height="9"/>',
    '<use href="http://evil.example/a.svg#x"/>',
    '<use xlink:href="data:image/svg+xml,evil#x"/>',
    '<a href="javascript:evil()"><rect width="5" height="5"/></a>',
    '<rect fill="url(http://evil.example/#a)" width="5" height="5"/>',
    "<rect fill=\"url('//evil.example/#a')\" width=\"5\" height=\"5\"/>",
    '<rect style="fill:u\\72l(http://evil.example)" width="5" height="5"/>',
    '<rect style="fill:image-set(\'http://evil.example/a\')" width="5" height="5"/>',
    '<style>rect{fill:URL(http://evil.example)} @font-face{src:url(http://evil.example)}</style>',
    '<animate attributeName="href" to="http://evil.example"/><set attributeName="onload" to="alert(1)"/>',
    '<filter id="f"><feImage href="http://evil.example"/><feTurbulence numOctaves="1000000000"/></filter>',
    '<?xml-stylesheet href="http://evil.example/a.css"?>',
    '<rect xml:base="http://evil.example/" width="5" height="5"/>',
]  # fmt: skip


@pytest.mark.parametrize("inside", HOSTILE)
def test_nothing_that_runs_or_leaves_the_document_survives(inside):
    body, _, _ = clean_svg(svg(RECT + inside))
    assert "<rect" in body
    for word in ("script", "alert", "evil", "javascript", "passwd", "foreign", "svg+xml", "<style", "feTurb", "base="):
        assert word not in body.lower()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + svg(RECT), "DOCTYPE"),
        (b'<!doctype svg SYSTEM "a" [<!ENTITY % b SYSTEM "file:///etc/passwd"> %b;]>' + svg(RECT), "DOCTYPE"),
        (f'<?xml version="1.0" encoding="UTF-16"?>{HEAD}{RECT}</svg>'.encode("utf-16"), "UTF-8"),
        (svg("<g>" * 200_000 + "</g>" * 200_000), "levels"),
        (svg("<g/>" * 30_000), "20000 elements"),
        (svg('<g id="a"><use href="#a"/></g>'), "go round"),
        (svg('<mask id="m"><rect mask="url(#m)"/></mask><rect mask="url(#m)"/>'), "go round"),
        (svg('<rect opacity=".5" width="9" height="9"/>' * 600), "too long to draw"),
        (svg('<filter id="f">' + "<feGaussianBlur/>" * 90 + "</filter>" + '<rect filter="url(#f)"/>' * 9), "too long"),
        (svg("<foreignObject><p>hello</p></foreignObject>"), "nothing in it can be drawn"),
        (svg('<image href="http://a.example/x.png"/>'), "nothing in it can be drawn"),
        (svg('<rect x="500" width="9" height="9"/>'), "shows nothing"),
        (b"<svg", "no valid XML"),
        (b"<html><body/></html>", "outermost element is <html>"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "size is unclear"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 nan 5"><rect/></svg>', "cannot be drawn"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1e6 5"><rect/></svg>', "cannot be drawn"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="9"><rect/></svg>', "size is unclear"),
        (svg("<g>" + " " * MAX_SVG_BYTES + "</g>"), "larger than 2 MB"),
    ],
)
def test_svgs_that_cannot_be_trusted_or_drawn_are_refused_fast_and_in_one_line(write, data, message):
    begin = time.monotonic()
    with pytest.raises(ValueError, match=message) as caught:
        read_subject_image(write(data))
    assert time.monotonic() - begin < 5
    assert "\n" not in str(caught.value)
    assert "thing.svg" in str(caught.value)


def test_references_that_multiply_are_counted():
    layers = "".join(f'<g id="a{n + 1}">' + f'<use href="#a{n}"/>' * 10 + "</g>" for n in range(9))
    with pytest.raises(ValueError, match="too long to draw"):
        clean_svg(svg(f'<defs><g id="a0">{RECT}</g>{layers}</defs><use href="#a9"/>'))


def test_embedded_picture_is_kept_unless_it_is_huge(write, monkeypatch):
    file = io.BytesIO()
    Image.new("RGB", (40, 40), (0, 0, 255)).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    inside = f'<image xlink:href="data:image/png;base64,{data}" x="10" y="10" width="50" height="50"/>'
    assert read_subject_image(write(svg(inside))).pixels(20)[10, 10].tolist() == [0, 0, 255, 255]
    monkeypatch.setattr(svg_cleaning, "MAX_EMBEDDED_PIXELS", 100)
    with pytest.raises(ValueError, match="nothing in it can be drawn"):
        clean_svg(svg(inside))


def test_gradients_masks_and_uses_survive_cleaning(write):
    inside = (
        '<defs><linearGradient id="g"><stop offset="0" stop-color="#00f"/><stop offset="1" stop-color="#0f0"/>'
        '</linearGradient><clipPath id="c"><circle cx="50" cy="50" r="30"/></clipPath>'
        '<rect id="r" width="100" height="100"/></defs>'
        '<use xlink:href="#r" fill="url(\'#g\')" clip-path="url(#c)"/>'
    )
    pixels = read_subject_image(write(svg(inside))).pixels(64)
    assert pixels[32, 6, 2] > pixels[32, 58, 2]
    assert pixels[32, 6, 1] < pixels[32, 58, 1]
    assert pixels[2, 2, 3] == 0
