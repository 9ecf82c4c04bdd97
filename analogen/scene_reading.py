"""The Python function behind `analogen read`: `read_scene`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from analogen.models import pick_device
from analogen.relsim.encoder import load_reader
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.reading import SceneReading
from analogen.relsim.mini.reading import read_scene as read_by_encoder

__all__ = ["SceneReading", "read_scene"]


def read_scene(
    image: Image.Image | str | Path, encoder: str | MiniEncoder = "mini", device: str = "auto"
) -> SceneReading:
    """What a picture shows as a scene that can be edited and drawn again, and one sentence that says it.

    image: a file or a picture; its uniform border is cut off first, which a note says. encoder: a name, a folder of
    mini's kind with a dense head, or a loaded one; device: of an encoder that is loaded here.

    Example:
        reading = analogen.read_scene("ring.png")
        print(reading.sentence, reading.certainty)
        Path("scene.json").write_text(analogen.reading_to_json(reading))

    Returns a reading without elements, whose sentence says why, for a picture that nothing can be read in. Raises
    ValueError or FileNotFoundError in one line for files that cannot be read and encoders that cannot read scenes.
    """
    if isinstance(encoder, str):
        encoder = load_reader(encoder, pick_device(device))
    return read_by_encoder(image, encoder)
