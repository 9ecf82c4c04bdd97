"""Readings as the scene reader makes them, simulated from the scenes themselves: with misses, doubles and jitter.

The composer learns from these, and from real readings of drawn references where there are some (`data`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from analogen.pipelines.composer.features import FEATURES, FIELDS, OFFSET, SCALE, SceneTensors
from analogen.pipelines.composer.readings import UNSEEN_KINDS, ElementTensors
from analogen.relsim.world.scene import CLIPS, KINDS, MAX_ELEMENTS, THINGS

COLUMN = {name: i for i, name in enumerate(FEATURES)}
KIND, MIRROR, CLIP, NEWLINE = (list(FIELDS).index(name) for name in ("kind", "mirror", "clip", "newline"))
LEAST_SIZE = 0.07  # of a box, in scene units, below which nothing is read
LOOKS = ("opacity", "saturation", "brightness", "silhouette", "sketch", "pixel")
# Spreads of the reader's errors at its worst: of centres as a share of the thing's size, of logs of sizes and aspects,
# of turns in degrees, of looks.
PLACE, SIZE, ASPECT, TURN, LOOK = 0.12, 0.18, 0.15, 14.0, 0.12
MISSED, DOUBLED, OTHER_KIND, OTHER_PROP, FALSE_PROPS, FALSE_THINGS = 0.22, 0.05, 0.06, 0.15, 0.8, 0.5
TURNLESS = 0.15  # share of the readings in which no turn can be told, of round things


def simulate_reading(scene: SceneTensors, rng: Generator) -> ElementTensors:
    """A reading of a picture of this scene, of any quality from perfect to poor.

    scene: its elements as of `encode`, in the scene's own frame; the picture shows it slightly moved and scaled.
    """
    worst = float(rng.uniform(0, 1)) ** 1.5  # most readings are good
    values = scene.features * SCALE + OFFSET
    tokens = scene.tokens.copy()
    unseen = [KINDS.index(kind) for kind in UNSEEN_KINDS]
    seen = ~np.isin(tokens[:, KIND], unseen) & (values[:, COLUMN["opacity"]] > 0.04)
    values = _moved(values[seen].astype(np.float64), rng)
    tokens = tokens[seen]
    size = np.exp(values[:, COLUMN["log_size"]])
    kept = (rng.random(len(tokens)) >= MISSED * worst * np.clip(0.35 / size, 0.2, 2)) & (size > LEAST_SIZE)
    found = np.flatnonzero(kept)
    doubled = rng.random(len(found)) < DOUBLED * worst
    chosen = np.repeat(found, 1 + doubled)
    values, tokens = values[chosen], tokens[chosen]
    sure = np.clip(rng.normal(0.92 - 0.3 * worst, 0.08 + 0.1 * worst, len(chosen)), 0.35, 1)
    values = _jittered(values, worst, rng)
    _misnamed(tokens, worst, rng)
    false = _false_elements(worst, rng)
    if false is not None:
        values = np.concatenate([values, false[0]])
        tokens = np.concatenate([tokens, false[1]])
        sure = np.concatenate([sure, rng.uniform(0.35, 0.6, len(false[1]))])
    order = _reading_order(values, tokens, rng)[:MAX_ELEMENTS]
    values, tokens = values[order], tokens[order]
    tokens[:, NEWLINE] = _newlines(values, tokens)
    features = ((values - OFFSET) / SCALE).astype(np.float32)
    return ElementTensors(tokens, features, sure[order].astype(np.float32))


def _reading_order(values: np.ndarray, tokens: np.ndarray, rng: Generator) -> np.ndarray:
    """Elements in the order of a reading: things along their rule, from either end, or row by row without one."""
    thing = tokens[:, KIND] < len(THINGS)
    things, props = np.flatnonzero(thing), np.flatnonzero(~thing)
    way = rng.random()
    if way < 0.3:
        x, y = values[things, COLUMN["x"]], values[things, COLUMN["y"]]
        things = things[np.lexsort((x, np.round(2 * y)))]
    elif way < 0.45:
        things = things[::-1]
    elif way < 0.55 and len(things):  # a closed shape begins anywhere
        things = np.roll(things, int(rng.integers(len(things))))
    behind = rng.random(len(props)) < 0.5
    return np.concatenate([props[behind], things, props[~behind]])


def _newlines(values: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Which things lie left of the thing before them, as `encode` says."""
    thing = np.flatnonzero(tokens[:, KIND] < len(THINGS))
    made = np.zeros(len(tokens), np.int64)
    x = values[thing, COLUMN["x"]]
    made[thing[1:]] = x[1:] < x[:-1] - 1e-6
    return made


def _moved(values: np.ndarray, rng: Generator) -> np.ndarray:
    """The whole scene moved a little, as references are not framed as the world frames its pictures."""
    angle, scale = math.radians(float(rng.normal(0, 3))), math.exp(float(np.clip(rng.normal(-0.05, 0.15), -0.5, 0.25)))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    place, heading = [COLUMN["x"], COLUMN["y"]], [COLUMN["cos_turn"], COLUMN["sin_turn"]]
    values = values.copy()
    values[:, place] = scale * values[:, place] @ turn.T + rng.normal(0, 0.06, 2)
    values[:, heading] = values[:, heading] @ turn.T
    values[:, COLUMN["log_size"]] += math.log(scale)
    return values


def _jittered(values: np.ndarray, worst: float, rng: Generator) -> np.ndarray:
    count = len(values)
    values = values.copy()
    size = np.exp(values[:, COLUMN["log_size"]])

    def noise(spread: float) -> np.ndarray:
        return rng.normal(0, 1, count) * spread * (0.15 + 0.85 * worst)

    for name in ("x", "y"):
        values[:, COLUMN[name]] += noise(PLACE) * size
    values[:, COLUMN["log_size"]] += noise(SIZE)
    values[:, COLUMN["log_aspect"]] += noise(ASPECT)
    turn = np.arctan2(values[:, COLUMN["sin_turn"]], values[:, COLUMN["cos_turn"]]) + np.radians(noise(TURN))
    if rng.random() < TURNLESS:
        turn = np.zeros(count)
    values[:, COLUMN["sin_turn"]], values[:, COLUMN["cos_turn"]] = np.sin(turn), np.cos(turn)
    for name in LOOKS:
        if rng.random() < 0.3:
            values[:, COLUMN[name]] += noise(LOOK)
    if rng.random() < 0.3:  # colours of differently lit things cannot be told
        values[:, COLUMN["sin_hue"]], values[:, COLUMN["cos_hue"]] = 0, 1
    for name in ("clip_u", "clip_v", "clip_amount"):
        values[:, COLUMN[name]] += noise(LOOK)
    return values


def _misnamed(tokens: np.ndarray, worst: float, rng: Generator) -> None:
    """Some elements are taken for another kind, and cuts are overlooked."""
    thing = tokens[:, KIND] < len(THINGS)
    swapped = thing & (rng.random(len(tokens)) < OTHER_KIND * worst)
    tokens[swapped, KIND] = 1 - tokens[swapped, KIND]
    renamed = ~thing & (rng.random(len(tokens)) < OTHER_PROP * worst)
    tokens[renamed, KIND] = rng.integers(len(THINGS), len(KINDS), int(renamed.sum()))
    whole = rng.random(len(tokens)) < MISSED * worst
    tokens[whole, CLIP] = CLIPS.index("none")
    if rng.random() < 0.2 * worst:
        tokens[:, MIRROR] = 0


def _false_elements(worst: float, rng: Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """Elements that are none: patterns of the ground that look like some."""
    things, props = rng.poisson(FALSE_THINGS * worst**2), rng.poisson(FALSE_PROPS * worst**2)
    count = things + props
    if not count:
        return None
    values = np.tile(OFFSET.astype(np.float64), (count, 1))
    values[:, [COLUMN[name] for name in ("cos_turn", "cos_hue", "opacity")]] = 1
    values[:, [COLUMN[name] for name in ("silhouette", "sketch", "pixel")]] = 0
    values[:, COLUMN["x"]], values[:, COLUMN["y"]] = rng.uniform(-0.95, 0.95, (2, count))
    values[:, COLUMN["log_size"]] = rng.uniform(-2.3, 0, count)
    tokens = np.zeros((count, len(FIELDS)), np.int64)
    tokens[:things, KIND] = rng.integers(0, len(THINGS), things)
    tokens[things:, KIND] = rng.integers(len(THINGS), len(KINDS), props)
    return values, tokens
