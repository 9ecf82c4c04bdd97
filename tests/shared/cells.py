"""What a perfect dense head would say of a scene."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from analogen.relsim.mini.dense_head import CHANNELS, CHANNELS_OF, placed, targets
from analogen.relsim.world.scene import THINGS, Scene


def perfect_cells(scene: Scene, cells: int = 24) -> NDArray[np.float32]:
    """(CHANNELS, cells, cells) whose every value at a centre is the target itself."""
    wanted = targets(torch.from_numpy(placed(scene))[None], cells)
    made = np.zeros((CHANNELS, cells, cells), np.float32)
    parts, start = {}, 0
    for name, (layers, each) in CHANNELS_OF.items():  # views of `made`
        parts[name] = made[start : start + layers * each].reshape(layers, each, cells, cells)
        start += layers * each
    heat = wanted.heat[0].numpy().clip(1e-4, 1 - 1e-4)
    parts["heat"][:, 0] = np.log(heat / (1 - heat))
    for layer, row, column, kind, box, state, clip in zip(*(part.numpy() for part in wanted[2:]), strict=True):
        for name, values in zip(("offset", "size", "aspect", "turn"), np.split(box, [2, 3, 4]), strict=True):
            parts[name][layer, :, row, column] = values
        if kind >= len(THINGS):
            parts["prop"][0, :, row, column] = -9
            parts["prop"][0, kind - len(THINGS), row, column] = 9
            continue
        parts["levels"][layer, :, row, column], parts["cut"][layer, :, row, column] = state[:6], state[6:]
        parts["clip"][layer, :, row, column] = -9
        parts["clip"][layer, clip, row, column] = 9
        parts["alike"][layer, :, row, column] = 0
        parts["alike"][layer, kind, row, column] = 1
    return made
