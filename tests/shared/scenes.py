"""Comparison of scenes in tests."""

from __future__ import annotations

import numpy as np

from analogen.relsim.world.scene import Scene


def assert_same_scene(one: Scene, other: Scene) -> None:
    """The same elements, at the same places within what rounding may change: 1e-3."""
    assert [e.kind for e in one.elements] == [e.kind for e in other.elements]
    places = [[(e.x, e.y, e.size, e.aspect, e.opacity) for e in scene.elements] for scene in (one, other)]
    np.testing.assert_allclose(*places, atol=1e-3)
