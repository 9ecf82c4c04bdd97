import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from analogen.relsim.world import cutout_model
from analogen.relsim.world.picture import Picture, pixel_grid
from analogen.relsim.world.plain_ground import GroundError, remove_background
from analogen.relsim.world.subject_image import read_subject_image

SIDE = 240


def shown(ground, color=(190, 60, 40), hole=0, blur=1.0, noise=2.0):
    """A ball, or a ring, of a third of the picture's area before a ground: (SIDE, SIDE, 3) uint8, and its mask."""
    mask = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(mask)
    middle, radius = SIDE // 2, SIDE // 4
    draw.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), fill=255)
    if hole:
        draw.ellipse((middle - hole, middle - hole, middle + hole, middle + hole), fill=0)
    share = np.asarray(mask.filter(ImageFilter.GaussianBlur(blur)), np.float32)[..., None] / 255
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    light = np.clip(1.1 - 0.4 * ((x + 0.3) ** 2 + (y + 0.3) ** 2), 0.5, 1.2)[..., None]
    picture = (1 - share) * ground + share * light * color
    picture += np.random.default_rng(0).normal(0, noise, (SIDE, SIDE, 1))
    return np.rint(picture.clip(0, 255)).astype(np.uint8), share[..., 0]


def flat(value):
    return np.full((SIDE, SIDE, 3), value, np.float32)


def vignette():
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    return (1 - 0.35 * (x * x + y * y))[..., None] * np.array([230, 235, 240])


def with_shadow(ground):
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    soft = np.exp(-1.5 * (((x - 0.1) / 0.55) ** 2 + ((y - 0.45) / 0.14) ** 2))
    return ground * (1 - 0.4 * soft[..., None])


@pytest.mark.parametrize(
    ("ground", "hole"),
    [(flat(240), 0), (vignette(), 0), (with_shadow(flat(238)), 0), (vignette(), SIDE // 9), (flat(200), SIDE // 9)],
    ids=["plain", "vignette", "shadow", "ring before a vignette", "ring"],
)
def test_the_subject_alone_is_left(ground, hole):
    picture, share = shown(ground, hole=hole)
    alpha = remove_background(picture)[..., 3] / 255
    assert np.abs(alpha - share).mean() < 0.012
    assert alpha[share < 0.01].mean() < 0.01
    assert alpha[share > 0.99].mean() > 0.99


def test_a_soft_edge_is_taken_apart_into_subject_and_ground():
    picture, share = shown(flat(235), blur=3)
    pixels = remove_background(picture)
    mixed = (share > 0.3) & (share < 0.9)
    assert np.abs(pixels[..., 3][mixed] / 255 - share[mixed]).mean() < 0.15
    assert pixels[..., 0][mixed].mean() < 215  # the ball's 150 to 209, not the ground's 235


def test_the_colour_of_a_white_ground_stays_inside_a_drawing():
    image = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 40, 200, 200), fill=(20, 20, 20))
    for x in (80, 130):
        draw.ellipse((x, 90, x + 30, 120), fill="white")
    alpha = remove_background(np.array(image))[..., 3]
    assert alpha[105, 95] == alpha[105, 145] == 255


def test_a_grey_subject_is_no_shadow():
    picture, share = shown(with_shadow(flat(240)), color=(170, 170, 172))
    assert remove_background(picture)[..., 3][share > 0.99].mean() > 250


def test_a_ground_that_is_not_plain_is_told_with_what_helps(tmp_path, monkeypatch):
    noise = np.random.default_rng(1).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    with pytest.raises(GroundError, match="of one colour"):
        remove_background(noise)

    def missing():
        raise cutout_model.CutoutUnavailable('cutting out needs rembg: pip install "analogen[cutout]"')

    monkeypatch.setattr(cutout_model, "_rembg", missing)
    Image.fromarray(noise).save(tmp_path / "busy.png")
    with pytest.raises(ValueError, match=r'busy.png .*pip install "analogen\[cutout\]"') as caught:
        read_subject_image(tmp_path / "busy.png")
    assert "\n" not in str(caught.value)


def test_a_model_cuts_out_what_the_ground_cannot_tell(tmp_path, monkeypatch):
    """A stand-in for rembg, of the same functions: its model takes the bright part."""
    asked = []

    class StandIn:
        @staticmethod
        def new_session(name):
            asked.append(name)
            return "session"

        @staticmethod
        def remove(image, session, post_process_mask):
            assert session == "session"
            found = image.convert("RGBA")
            found.putalpha(image.convert("L").point(lambda v: 255 if v > 200 else 0))
            return found

    monkeypatch.setattr(cutout_model, "_rembg", lambda: StandIn)
    cutout_model._session.cache_clear()
    noise = np.random.default_rng(1).integers(0, 180, (60, 60, 3), dtype=np.uint8)
    noise[20:40, 10:50] = 250
    Image.fromarray(noise).save(tmp_path / "busy.png")
    assert read_subject_image(tmp_path / "busy.png").rgba.shape == (20, 40, 4)
    assert asked == ["u2net"]  # not rembg's default, which may not be used commercially
    cutout_model._session.cache_clear()


def test_rembg_itself_runs_a_model_of_the_form_of_u2net(monkeypatch):
    """With rembg installed: a network of one layer, of U2-Net's inputs and outputs (bright_u2net.onnx)."""
    pytest.importorskip("onnxruntime")
    rembg = pytest.importorskip("rembg")
    from pathlib import Path

    model = Path(__file__).parent / "bright_u2net.onnx"
    monkeypatch.setenv("U2NET_HOME", str(model.parent))  # rembg reads models from its own folder alone
    session = rembg.new_session("u2net_custom", model_path=str(model))
    picture = np.full((80, 100, 3), 40, np.uint8)
    picture[20:60, 30:70] = 240
    alpha = cutout_model.cut_out(picture, session)[..., 3]
    assert alpha[40, 50] > 240
    assert alpha[5, 5] < 15


def sprite():
    rows = np.zeros((8, 8, 4), np.uint8)
    rows[1:7, 1:7] = (230, 60, 60, 255)
    rows[3, 2] = rows[3, 5] = (0, 0, 0, 255)
    return rows


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("side", [48, 100, 384])
def test_pixel_art_stays_squares(times, side):
    rgba = np.ascontiguousarray(sprite()[1:7, 1:7].repeat(times, 0).repeat(times, 1))
    pixels = Picture("sprite", rgba).pixels(side)
    colors = np.unique(pixels.reshape(-1, 4), axis=0)
    if side % 6 == 0:
        assert len(colors) == 2
    dark = (pixels[..., :3].max(-1) < 40) & (pixels[..., 3] == 255)
    assert abs(dark.sum() - 2 * (side / 6) ** 2) <= 0.3 * (side / 6) ** 2


def test_drawings_with_soft_edges_are_no_pixel_art():
    image = Image.new("RGBA", (256, 256))
    ImageDraw.Draw(image).ellipse((10, 10, 240, 240), fill=(200, 30, 30, 255))
    assert pixel_grid(np.array(image.resize((100, 100), Image.Resampling.LANCZOS))) is None
    assert pixel_grid(np.array(image)) is None  # too fine a grid
    assert pixel_grid(sprite()) is not None
