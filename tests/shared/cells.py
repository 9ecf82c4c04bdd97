"""What a perfect dense head would say of a scene."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from analogen.relsim.mini.dense_head import ALIKE_DIM, CHANNELS, CHANNELS_OF, placed, targets
from analogen.relsim.world.scene import CLIPS, PROPS, THINGS, Scene


def perfect_cells(scene: Scene, cells: int = 24) -> NDArray[np.float32]:
    """(CHANNELS, cells, cells) whose every value at a centre is the target itself."""
    wanted = targets(torch.from_numpy(placed(scene))[None], cells)
    made = np.zeros((CHANNELS, cells, cells), np.float32)
    starts = dict(zip(CHANNELS_OF, np.cumsum([0, *CHANNELS_OF.values()]), strict=False))
    heat = wanted.heat[0].numpy().clip(1e-4, 1 - 1e-4)
    made[:2] = np.log(heat / (1 - heat))
    for row, column, kind, values, clip in zip(*(part.numpy() for part in wanted[2:]), strict=True):
        cell = made[:, row, column]
        cell[starts["offset"] : starts["offset"] + 12] = values[:12]
        cell[starts["cut"] : starts["cut"] + 3] = values[12:]
        cell[starts["clip"] : starts["clip"] + len(CLIPS)] = -9
        cell[starts["clip"] + clip] = 9
        if kind >= len(THINGS):
            cell[starts["prop"] : starts["prop"] + len(PROPS)] = -9
            cell[starts["prop"] + kind - len(THINGS)] = 9
        else:
            cell[starts["alike"] : starts["alike"] + ALIKE_DIM] = 0
            cell[starts["alike"] + kind] = 1
    return made
