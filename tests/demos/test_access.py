"""Tests of access to the studio: passwords, no downloads from web addresses, no files of the server."""

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
from analogen.demos.app import command, launch, use_own_upload_folder
from analogen.demos.studio import Studio

OWLS = EXAMPLES / "ring_of_owls.png"
ANN = ("ann", "a long one")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, str]]:
    """A studio with a password whose worker does not run: requests are only accepted or refused."""
    found = Studio(tmp_path_factory.mktemp("studio"), device="cpu")
    page = launch(found, auth=[ANN], block=False)
    yield found, str(page.local_url)
    page.close(verbose=False)
    found.close()


@pytest.fixture(scope="module")
def client(studio: tuple[Studio, str]) -> Any:
    return gradio_client.Client(studio[1], verbose=False, auth=ANN)


def test_the_right_password_opens_and_the_run_belongs_to_the_user(studio: tuple[Studio, str], client: Any) -> None:
    run = client.predict([gradio_client.handle_file(str(OWLS))], "", "bicycle", 1, 1, 1, 256, 2, api_name="/create")
    (job,) = studio[0].store.of_group(run["run"])
    assert job.payload["owner"] == "ann"
    assert studio[0].cancel(run["run"])


@pytest.mark.parametrize("auth", [("ann", "wrong"), ("bob", "a long one"), None])
def test_without_the_password_nothing_opens(studio: tuple[Studio, str], auth: tuple[str, str] | None) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011  gradio_client has several classes for it
        gradio_client.Client(studio[1], verbose=False, auth=auth)
    assert refused.value
    kept = studio[0].files.save_reference(OWLS)
    found = httpx.get(f"{studio[1]}{studio[0].files.url(studio[0].files.reference_path(kept))}")
    assert found.status_code == 401


def test_addresses_are_not_fetched(client: Any) -> None:
    requested: list[str] = []
    messages = ""

    class PictureServer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(OWLS.read_bytes())

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), PictureServer) as server:
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
            messages += str(refused.value)
        server.shutdown()
    assert requested == []
    assert "Addresses are not fetched: upload the picture." in messages


def test_files_of_the_server_are_neither_accepted_nor_sent(studio: tuple[Studio, str], client: Any) -> None:
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


def test_an_incomplete_password_is_refused_and_debug_shows_the_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--output", str(tmp_path), "--auth", "ann"]
    assert run_command(command, "analogen demo", given) == 2
    message = capsys.readouterr().err
    assert "expected USER:PASSWORD" in message
    assert "Traceback" not in message
    assert run_command(command, "analogen demo", [*given, "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_every_studio_has_its_own_folder_for_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for _ in range(2):
        monkeypatch.delenv("GRADIO_TEMP_DIR")
        use_own_upload_folder()
        folders.append(Path(gradio.utils.get_upload_folder()))
    assert folders[0] != folders[1]
    assert all(folder.is_dir() and not list(folder.iterdir()) for folder in folders)
    use_own_upload_folder()  # a folder that is already set stays
    assert Path(gradio.utils.get_upload_folder()) == folders[1]


def test_the_server_forgets_the_fields_of_pages_long_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio keeps the fields of 10,000 sessions, at almost half a megabyte each."""
    monkeypatch.setattr("analogen.demos.app.MAX_SESSIONS", 3)
    found = Studio(tmp_path / "studio", device="cpu")
    page = launch(found, block=False)
    summed_up = []
    monkeypatch.setattr(page._queue, "_get_df", summed_up.append)
    try:
        for _ in range(6):
            client = gradio_client.Client(str(page.local_url), verbose=False)
            assert client.predict(api_name="/batch_list") == []
        assert len(page.state_holder.session_data) <= 3
        assert len(page.state_holder.time_last_used) <= 3
        assert not summed_up  # Gradio's summary of all calls, after each of them
    finally:
        page.close(verbose=False)
        found.close()
