"""Promises of who gets in and what goes out: names and passwords, no addresses fetched, none of the server's files."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from studio_server import EXAMPLES

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

import gradio
import gradio_client

from analogen.cli import run_command
from analogen.demos.app import command, launch, own_uploads
from analogen.demos.studio import Studio

OWLS = EXAMPLES / "ring_of_owls.png"
ANN = ("ann", "a long one")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, str]]:
    """With a password, and with nobody at work: what comes is only let in or not."""
    found = Studio(tmp_path_factory.mktemp("studio"), device="cpu")
    page = launch(found, auth=[ANN], block=False)
    yield found, str(page.local_url)
    page.close(verbose=False)
    found.close()


@pytest.fixture(scope="module")
def client(studio: tuple[Studio, str]) -> Any:
    return gradio_client.Client(studio[1], verbose=False, auth=ANN)


def test_the_right_password_opens_and_the_run_is_its_owner_s(studio: tuple[Studio, str], client: Any) -> None:
    run = client.predict([gradio_client.handle_file(str(OWLS))], "", "bicycle", 1, 1, 1, 256, 2, api_name="/create")
    (job,) = studio[0].store.of_group(run["run"])
    assert job.payload["owner"] == "ann"
    assert studio[0].cancel(run["run"])


@pytest.mark.parametrize("auth", [("ann", "wrong"), ("bob", "a long one"), None])
def test_without_it_nothing_opens(studio: tuple[Studio, str], auth: tuple[str, str] | None) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011  gradio_client has several classes for it
        gradio_client.Client(studio[1], verbose=False, auth=auth)
    assert refused.value
    kept = studio[0].keep_reference(OWLS)
    found = httpx.get(f"{studio[1]}{studio[0].url(studio[0].reference_path(kept))}")
    assert found.status_code == 401


def test_addresses_are_not_fetched(client: Any) -> None:
    asked: list[str] = []
    told = ""

    class Tells(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(OWLS.read_bytes())

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Tells) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/owls.png"
        for given in (
            {"path": address, "meta": {"_type": "gradio.FileData"}},
            {"path": "owls.png", "url": address, "meta": {"_type": "gradio.FileData"}},
            {"url": address, "meta": {"_type": "gradio.FileData"}},
        ):
            with pytest.raises(Exception) as refused:  # noqa: PT011
                client.predict([given], "", "bicycle", 1, 1, 1, 256, 2, api_name="/create")
            assert "Traceback" not in str(refused.value)
            told += str(refused.value)
        server.shutdown()
    assert asked == []
    assert "Addresses are not fetched: upload the picture." in told


def test_the_server_s_own_files_are_neither_taken_nor_given(studio: tuple[Studio, str], client: Any) -> None:
    store = str(studio[0].output / "studio.sqlite")
    for path in ("/etc/hostname", store):
        with pytest.raises(Exception) as refused:  # noqa: PT011
            client.predict(
                [{"path": path, "meta": {"_type": "gradio.FileData"}}], "", "bicycle", 1, 1, 1, 256, 2,
                api_name="/create",
            )  # fmt: skip
        assert refused.value
        with httpx.Client() as session:
            session.post(f"{studio[1]}login", data={"username": ANN[0], "password": ANN[1]})
            assert session.get(f"{studio[1]}gradio_api/file={path}").status_code in (403, 404)


def test_an_incomplete_password_is_told_and_debug_shows_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--output", str(tmp_path), "--auth", "ann"]
    assert run_command(command, "analogen demo", given) == 2
    told = capsys.readouterr().err
    assert "expected USER:PASSWORD" in told
    assert "Traceback" not in told
    assert run_command(command, "analogen demo", [*given, "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_every_studio_keeps_its_uploads_in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for _ in range(2):
        monkeypatch.delenv("GRADIO_TEMP_DIR")
        own_uploads()
        folders.append(Path(gradio.utils.get_upload_folder()))
    assert folders[0] != folders[1]
    assert all(folder.is_dir() and not list(folder.iterdir()) for folder in folders)
    own_uploads()  # a folder that is named already stays
    assert Path(gradio.utils.get_upload_folder()) == folders[1]
