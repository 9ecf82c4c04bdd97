"""Ray-cast photographs of balls and blocks on a table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from external_layouts import Array, lattice
from external_manners import noise, to_image
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class Solid:
    """A ball or a block on the table, in units of the scene."""

    kind: str  # "ball" or "block"
    x: float  # to the right
    y: float  # away from the camera
    z: float  # up, of the lowest point
    size: float
    color: tuple[int, int, int]


RED, BLUE, CREAM, GREEN = (196, 62, 50), (52, 96, 168), (228, 206, 160), (70, 140, 92)


def solids_of(relation: str, n: int) -> list[Solid]:
    """The solids of a relation. n: their number, or that of a side."""
    if relation == "ring":
        angles = [math.tau * i / n for i in range(n)]
        return [Solid("ball", 0.95 * math.sin(t), 0.95 * math.cos(t), 0, 0.42, RED) for t in angles]
    if relation == "spiral":
        found = []
        for i in range(13):
            t, r = math.radians(54 * i), 0.13 * 1.2**i
            found.append(Solid("ball", r * math.sin(t), r * math.cos(t), 0, 0.1 * 1.165**i, BLUE))
        return found
    if relation in ("grid", "odd_one_out", "checkerboard"):
        found = []
        for r, c, x, y in lattice(n, n, 0.6):
            odd = (r, c) == (2, 1) if relation == "odd_one_out" else relation == "checkerboard" and (r + c) % 2
            found.append(Solid("block" if odd else "ball", x, y, 0, 0.38 if odd else 0.42, BLUE if odd else RED))
        return found
    if relation == "pyramid":
        rows = [(n - level, level) for level in range(n)]
        return [
            Solid("ball", (i - (k - 1) / 2) * 0.5, 0, level * 0.44, 0.5, GREEN) for k, level in rows for i in range(k)
        ]
    if relation == "tower":
        return [Solid("block", 0.03 * (-1) ** i, 0, 0.42 * i, 0.42, CREAM if i % 2 else RED) for i in range(n)]
    if relation == "parade":
        line = [Solid("ball", 0.35 + 0.36 * i, 0, 0, 0.3, BLUE) for i in range(n)]
        return [Solid("ball", -0.65, 0, 0, 1.0, BLUE), *line]
    if relation == "receding":
        return [Solid("ball", -0.75 + 0.62 * i, -1.1 + 1.15 * i, 0, 0.62, RED) for i in range(n)]
    if relation == "growth_stages":
        sizes, x, found = [0.26 * 1.45**i for i in range(n)], -1.15, []
        for size in sizes:
            found.append(Solid("ball", x + size / 2, 0, 0, size, GREEN))
            x += size + 0.08
        return found
    return [Solid("block", -0.4, 0, 0, 0.95, RED), Solid("block", 0.55, -0.1, 0, 0.36, RED)]  # parent and child


def intersect(origin: Array, directions: Array, solid: Solid) -> tuple[Array, Array]:
    """The distance along each ray, inf where it misses, and the surface normals there."""
    half = solid.size / 2
    centre = np.array([solid.x, solid.y, solid.z + half])
    offset = origin - centre
    if solid.kind == "ball":
        b = (offset * directions).sum(-1)
        inside = b**2 - (offset**2).sum(-1) + half**2
        distance = np.where(inside > 0, -b - np.sqrt(np.maximum(inside, 0)), np.inf)
        distance = np.where(distance > 1e-3, distance, np.inf)
        reach = np.where(np.isfinite(distance), distance, 0.0)
        return distance, (offset + reach[..., None] * directions) / half
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-half - offset) / directions, (half - offset) / directions
    near, far = np.minimum(first, second), np.maximum(first, second)
    enter, leave = near.max(-1), far.min(-1)
    distance = np.where((enter < leave) & (enter > 1e-3), enter, np.inf)
    normal = -np.sign(directions) * (near == enter[..., None])
    return distance, normal


def render_photo(relation: str, n: int, rng: np.random.Generator) -> Image.Image:
    """Ray-cast the solids of a relation under a soft lamp, with grain and vignette; (384, 384)."""
    side = 384
    upright = relation in ("pyramid", "tower", "parade", "growth_stages", "parent_and_child")
    eye, look = (
        (np.array([0.15, -4.3, 1.5]), np.array([0, 0, 0.62]))
        if upright
        else (np.array([0.1, -3.0, 3.6]), np.array([0, 0, 0]))
    )
    if relation == "tower":
        eye, look = np.array([0.2, -4.9, 1.7]), np.array([0, 0, 1.0])
    if relation == "receding":
        eye, look = np.array([-0.3, -3.6, 1.35]), np.array([0.35, 0.8, 0.1])
    ahead = (look - eye) / np.linalg.norm(look - eye)
    right = np.cross(ahead, (0, 0, 1))
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    v, u = np.mgrid[1 : -1 : side * 1j, -1 : 1 : side * 1j]
    zoom = 0.34
    roll = math.radians(rng.uniform(-4, 4))
    u, v = u * math.cos(roll) - v * math.sin(roll), u * math.sin(roll) + v * math.cos(roll)
    directions = ahead + zoom * (u[..., None] * right + v[..., None] * up)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    solids = solids_of(relation, n)
    best, normal = np.full((side, side), np.inf), np.zeros((side, side, 3))
    color = np.zeros((side, side, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(directions[..., 2] < -1e-4, -eye[2] / directions[..., 2], np.inf)
    place = eye + np.where(np.isfinite(ground), ground, 0)[..., None] * directions
    best = np.minimum(ground, 40.0)
    normal[...] = (0, 0, 1)
    grain = np.sin(place[..., 0] * 3 + 2.2 * np.sin(place[..., 1] * 0.7) + 9 * noise(rng, side, 48)) * 0.5 + 0.5
    planks = (np.abs((place[..., 1] * 0.9) % 1 - 0.02) < 0.02) * 0.35
    color[...] = np.array([176, 128, 84]) * (0.78 + 0.2 * grain - planks)[..., None]
    color[~np.isfinite(ground)] = (150, 152, 150)
    for solid in solids:
        distance, facing = intersect(eye, directions, solid)
        nearer = distance < best
        best = np.where(nearer, distance, best)
        normal[nearer] = facing[nearer]
        speckle = 0.86 + 0.22 * noise(rng, side, 7)
        color[nearer] = (np.array(solid.color) * speckle[..., None])[nearer]
    spot = eye + best[..., None] * directions + 2e-3 * normal
    lamp = np.array([-2.4, -1.8, 4.2])
    lit = np.zeros((side, side))
    for _ in range(6):
        toward = lamp + rng.normal(0, 0.35, 3) - spot
        far = np.linalg.norm(toward, axis=-1)
        toward /= far[..., None]
        free = np.ones((side, side))
        for solid in solids:
            free *= intersect(spot, toward, solid)[0] > far
        lit += np.clip((toward * normal).sum(-1), 0, 1) * free / 6
    mirror = directions - 2 * (directions * normal).sum(-1, keepdims=True) * normal
    aim = (lamp - spot) / np.linalg.norm(lamp - spot, axis=-1, keepdims=True)
    shine = np.clip((mirror * aim).sum(-1), 0, 1) ** 40 * (lit > 0.05)
    shown = color * (0.32 + 0.85 * lit)[..., None] + 120 * shine[..., None]
    shown *= (1 - 0.28 * (u**2 + v**2))[..., None]
    soft = to_image(shown).filter(ImageFilter.GaussianBlur(0.7))
    return to_image(np.asarray(soft, float) + rng.normal(0, 4.5, (side, side, 1)))
