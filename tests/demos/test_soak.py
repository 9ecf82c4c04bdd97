"""A short run of recipes/soak_studio.py: every client gets the answers to its own requests."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from studio_server import TREE

pytest.importorskip("gradio_client", reason='the studio needs Gradio: pip install "analogen[demo]"')
pytest.importorskip("analogen.demos.app", reason="the tabs are served by the studio's app")


@pytest.mark.slow
def test_four_clients_at_once_each_get_their_own_answers() -> None:
    found = subprocess.run(
        [sys.executable, str(TREE / "recipes" / "soak_studio.py"), "--clients", "4", "--seconds", "10"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    result = json.loads(found.stdout.splitlines()[-1])
    assert result["wrong"] == []
    assert min(result["answers"][name] for name in ("similarity", "caption", "search", "create", "batch")) >= 4
