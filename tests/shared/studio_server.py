"""A studio for tests: served with mini from its own folder on a free port."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TREE = Path(__file__).parents[2]
EXAMPLES = TREE / "examples"
FEW_STEPS = 2


@contextmanager
def served(output: Path, mcp: bool = False) -> Iterator[str]:
    """The address of a studio that has the shipped examples among its pictures; it is closed at the end."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from analogen.demos.app import launch
    from analogen.demos.studio import Studio

    studio = Studio(output, device="cpu")
    for path in EXAMPLES.glob("*.png"):
        shutil.copyfile(path, studio.files.pictures / path.name)
    studio.start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = launch(studio, port=port, mcp=mcp, block=False)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        page.close(verbose=False)
        studio.close()


def axe() -> Path | None:
    """The script of axe-core: the path in AXE_CORE, or the one in node_modules; None without it."""
    given = os.environ.get("AXE_CORE")
    for path in (Path(given) if given else None, TREE / "node_modules" / "axe-core" / "axe.min.js"):
        if path is not None and path.is_file():
            return path
    return None
