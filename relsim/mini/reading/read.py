"""Reads pictures as scenes: runs the network on batches and builds a `SceneReading` for each picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.borders import cut_border_box
from analogen.relsim.images import as_rgb
from analogen.relsim.mini.encoder import MiniEncoder, square_pixels
from analogen.relsim.mini.model import MiniNet
from analogen.relsim.mini.probabilities import Calibration, log_odds
from analogen.relsim.mini.reading.assembling import assembled
from analogen.relsim.mini.reading.conforming import Shares
from analogen.relsim.mini.reading.decode import Detection, decode, kinds_of
from analogen.relsim.mini.reading.differences import (
    ALIKE_ENOUGH,
    PICTURE_PX,
    Difference,
    differences,
    ground_of,
)
from analogen.relsim.mini.reading.scene_reading import PROP_GROUP, SceneReading, unread
from analogen.relsim.mini.reading.unreadable import why_unreadable
from analogen.relsim.world.grammar import ATOMS, PARTS
from analogen.relsim.world.scene import NO_CLIP, Element

NO_DENSE_HEAD = (
    "this encoder cannot read scenes, it has no dense head: name one that has with --encoder FOLDER "
    "(analogen train encoder with a trunk trains one)"
)
SEEN_THROUGH = {"water": 0.57, "ice": 0.82}  # opacity of props that things are seen through, as the world draws them
NATURAL = 0.25  # log of an aspect below which a thing has its own proportions
UPRIGHT = 12.0  # degrees below which the kind as a whole stands upright
FAINT, PALE, DARK, BRIGHT, TURNED_HUE = 0.85, 0.7, 0.75, 1.3, 22.0  # levels that say something, and degrees
HEAD_SURE = (0.6, 0.4, 0.6)  # the head's opacity, saturation and brightness below which it is believed by itself
EDGE = 0.01  # certainties of rules are brought within [EDGE, 1 - EDGE] before they are calibrated
ALTERED = 0.5  # level from which on the head's silhouette, sketch and pixels are believed


def read_scene(image: Image.Image | str | Path, encoder: MiniEncoder | MiniNet) -> SceneReading:
    """The reading of one picture, see `read_scenes`."""
    return read_scenes([image], encoder)[0]


def read_scenes(
    images: Sequence[Image.Image | str | Path], encoder: MiniEncoder | MiniNet, batch_size: int = 16
) -> list[SceneReading]:
    """What each picture shows as a scene, with the rule that its things follow.

    Uniform borders are cut first. A picture that nothing can be read in gives a reading without elements whose sentence
    says why. Raises ValueError for an encoder without a dense head, and for files that cannot be read.
    """
    net = encoder if isinstance(encoder, MiniNet) else encoder.net
    if not net.config.dense_dim:
        raise ValueError(NO_DENSE_HEAD)
    made: list[SceneReading] = []
    for start in range(0, len(images), batch_size):
        cut = [_prepared(as_rgb(image)) for image in images[start : start + batch_size]]
        readable = [picture for picture, blank in cut if blank is None]
        seen = iter(_seen([picture for picture, _, _ in readable], net))
        for (picture, crop, notes), blank in cut:
            made.append(blank or reading_from_cells(picture, *next(seen), crop, notes))
    calibration = None if isinstance(encoder, MiniNet) else encoder.calibration
    return made if calibration is None else [calibrated(reading, calibration) for reading in made]


def calibrated(reading: SceneReading, calibration: Calibration) -> SceneReading:
    """The reading with a certainty that is the probability of its arrangement; one without a rule stays as it is."""
    if not reading.rule.arrangement:
        return reading
    certainty = float(calibration.reading(log_odds(reading.certainty, EDGE)))
    return replace(reading, certainty=round(certainty, 4))


Prepared = tuple[Image.Image, tuple[int, int, int, int], tuple[str, ...]]


def _prepared(image: Image.Image) -> tuple[Prepared, SceneReading | None]:
    """The picture without its border, where that lay, notes; and its reading where there is nothing to read."""
    box, note = cut_border_box(image)
    inner = image.crop(box) if note else image
    notes = (note,) if note else ()
    reason = why_unreadable(inner)
    return (inner, box, notes), unread(reason, inner.size, box, notes) if reason else None


@torch.inference_mode()
def _seen(images: Sequence[Image.Image], net: MiniNet) -> list[tuple[NDArray[np.float32], dict[str, Shares]]]:
    """(CHANNELS, h, w) of each picture, and by part of the grammar how likely each atom is, empty without a parts
    head."""
    if not images:
        return []
    stack = np.stack([square_pixels(image, net.config.image_size) for image in images])
    weight = next(net.parameters())
    batch = torch.from_numpy(stack).permute(0, 3, 1, 2).to(weight.device, weight.dtype).div_(255)
    out = net(batch.contiguous(memory_format=torch.channels_last), dense=True)
    assert out.cells is not None
    shares = [part.float().softmax(-1).cpu().tolist() for part in out.parts]
    parts: list[dict[str, Shares]] = [
        {part: dict(zip(ATOMS[part], own[row], strict=True)) for part, own in zip(PARTS, shares, strict=bool(shares))}
        for row in range(len(images))
    ]
    return list(zip(out.cells.float().cpu().numpy(), parts, strict=True))


def reading_from_cells(
    image: Image.Image,
    cells: NDArray[np.float32],
    parts: Mapping[str, Shares] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    notes: tuple[str, ...] = (),
) -> SceneReading:
    """The reading of a picture of which the dense head and the parts head said this.

    cells: (CHANNELS, h, w) of the square picture; parts: by part of the grammar how likely each atom is.
    """
    found = decode(cells)
    things = [d for d in found if d.is_thing]
    kinds = kinds_of(things)
    pixels = square_pixels(image, PICTURE_PX)
    background, ground = ground_of(pixels, found)
    told = differences(pixels, ground, things, kinds)
    scale = max(image.size) / min(image.size)
    elements = _elements(things, kinds, told, scale)
    made = [(e, d.score, k) for e, d, k in zip(elements, things, kinds, strict=True)]
    props = [(_prop(d, scale), d.score, PROP_GROUP) for d in found if not d.is_thing]
    return assembled(made, props, background, image.size, crop or (0, 0, *image.size), notes, parts)


def _elements(
    things: Sequence[Detection], kinds: Sequence[int], told: Sequence[Difference], scale: float
) -> list[Element]:
    bases = {kind: _base_turn([(d, t) for d, t, k in zip(things, told, kinds, strict=True) if k == kind])
             for kind in set(kinds)}  # fmt: skip
    made = []
    for d, t, kind in zip(things, told, kinds, strict=True):
        sure = t.agreement >= ALIKE_ENOUGH
        base = bases[kind]
        turn = (t.turn - base if t.mirror else t.turn + base) if sure else (d.turn if d.told > 0.5 else base)
        opacity, saturation, brightness = (d.levels[n] for n in ("opacity", "saturation", "brightness"))
        hue = 0.0
        if sure and kinds.count(kind) > 1:  # the pixels, unless they say nothing and the head is sure
            head = (opacity, saturation, brightness)
            opacity, saturation, brightness, hue = t.opacity, t.saturation, t.brightness, t.hue
            if (opacity, saturation, brightness, hue) == (1, 1, 1, 0):
                opacity, saturation, brightness = (
                    told if told < least else 1.0 for told, least in zip(head, HEAD_SURE, strict=True)
                )
        silhouette, sketch, pixel = (
            min(1.0, d.levels[n]) if d.levels[n] >= ALTERED else 0.0 for n in ("silhouette", "sketch", "pixel")
        )
        if sure and t.silhouette:
            silhouette = 1.0
        if silhouette or sketch:  # of what is no longer there, colours say nothing
            opacity, hue, saturation, brightness = max(opacity, d.levels["opacity"]), 0.0, 1.0, 1.0
        made.append(
            Element(
                "subject" if kind == 0 else "other", *_place(d, scale), size=2 * d.size * scale,
                aspect=1.0 if abs(math.log(d.aspect)) < NATURAL else round(d.aspect, 4), turn=round(turn % 360, 2),
                mirror=t.mirror and sure, opacity=round(min(opacity, 1.0), 3) if opacity < FAINT else 1.0,
                saturation=round(saturation, 3) if saturation < PALE or saturation > 2 - PALE else 1.0,
                brightness=round(brightness, 3) if brightness < DARK or brightness > BRIGHT else 1.0,
                hue=round(hue, 1) if TURNED_HUE < hue < 360 - TURNED_HUE else 0.0,
                silhouette=silhouette, sketch=sketch, pixel=pixel, palette="ink" if silhouette else "none",
                clip=d.clip if d.clip.kind != "none" else t.clip if sure else NO_CLIP,
            )
        )  # fmt: skip
    return _facing(made)


def _place(d: Detection, scale: float) -> tuple[float, float]:
    return round((2 * d.x - 1) * scale, 5), round((2 * d.y - 1) * scale, 5)


def _base_turn(pairs: Sequence[tuple[Detection, Difference]]) -> float:
    """The turn of the clearest of a kind, by what the head says of all of them and how far each is turned from it."""
    waves = 0j
    for d, t in pairs:
        away = t.turn - d.turn if t.mirror else d.turn - t.turn
        waves += d.told * d.score * np.exp(1j * math.radians(away))
    weight = sum(d.told * d.score for d, _ in pairs)
    if abs(waves) < 0.5 * max(weight, 1e-9) or weight < 0.3 * sum(d.score for d, _ in pairs):
        return 0.0
    base = math.degrees(float(np.angle(waves)))
    return 0.0 if abs(base) < UPRIGHT else base


def _facing(things: list[Element]) -> list[Element]:
    """Which of two sides is the mirrored one cannot be seen: the left one of a pair or of two groups is taken for it,
    as the world draws them; else the fewer."""
    mirrored = [e for e in things if e.mirror]
    if not mirrored:
        return things
    plain = [e for e in things if not e.mirror]
    if len(mirrored) == len(plain):
        swap = sum(e.x for e in mirrored) > sum(e.x for e in plain)
    else:
        swap = len(mirrored) > len(plain)
    return [replace(e, mirror=not e.mirror) for e in things] if swap else things


def _prop(d: Detection, scale: float) -> Element:
    # The head is not taught the opacity of props.
    return Element(
        d.kind, *_place(d, scale), size=2 * d.size * scale, aspect=round(d.aspect, 4),
        turn=round(d.turn, 2) if d.told > 0.7 and not (d.turn < UPRIGHT or d.turn > 360 - UPRIGHT) else 0.0,
        opacity=SEEN_THROUGH.get(d.kind, 1.0),
    )  # fmt: skip
