"""Cuts a subject out of a photograph whose ground is not plain, with the package rembg (the extra `cutout`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from analogen.relsim.world.icon import Pixels

# U2-Net, Apache-2.0; rembg downloads its file (176 MB) when it is first used. rembg's own default may not be used
# commercially.
MODEL = "u2net"
INSTALL = 'pip install "analogen[cutout]"'


class CutoutUnavailable(ImportError):
    """rembg is not installed, or has nothing to run its model with."""


@lru_cache(maxsize=1)
def _session() -> Any:
    return _rembg().new_session(MODEL)


def _rembg() -> Any:
    try:
        import rembg
    except (ImportError, SystemExit) as error:  # rembg ends the program where onnxruntime is missing
        raise CutoutUnavailable(f"cutting out of a photograph needs rembg: {INSTALL}") from error
    return rembg


def cut_out(rgb: Pixels, session: Any = None) -> Pixels:
    """The picture with the alpha that the model gives it: (height, width, 3) -> (height, width, 4).

    session: of rembg, by default one of MODEL. Raises CutoutUnavailable without rembg, and ConnectionError where the
    model's file cannot be downloaded.
    """
    rembg = _rembg()
    if session is None:
        try:
            session = _session()
        except CutoutUnavailable:
            raise
        except Exception as error:  # whatever the download raises
            raise ConnectionError(f"rembg could not load its model {MODEL}: {error}") from error
    found = rembg.remove(Image.fromarray(rgb), session=session, post_process_mask=True)
    return np.array(found.convert("RGBA"))
