"""Promises of fetching from a hub: a stand-in on localhost answers, each case in a process of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from analogen.relsim.hub import is_hub_id
from analogen.relsim.vlm.checkpoint import read_checkpoint, write_checkpoint
from analogen.relsim.vlm.tiny import save_adapter

COMMITS = {"main": "a" * 40, "v1": "b" * 40}
ROUTE = re.compile(r"^/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?$|^/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")


class Hub:
    """Serves root/<revision>/<organisation>/<name>/; `deny` answers (status, error code) for a repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deny: dict[str, tuple[int, str | None]] = {}
        self.cut_after: int | None = None  # bytes after which the next big file breaks off, once
        self.ranges: list[str] = []
        self.requests = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.requests += 1
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, call: BaseHTTPRequestHandler) -> None:
        match = ROUTE.match(unquote(urlsplit(call.path).path))
        if not match:
            return self.send(call, 404, b"{}")
        repo, revision = match[1] or match[4], match[3] or match[5] or "main"
        if repo in self.deny:
            status, code = self.deny[repo]
            return self.send(call, status, b"{}", {"X-Error-Code": code} if code else {})
        if not any((self.root / name / repo).is_dir() for name in COMMITS):
            return self.send(call, 404, b"{}", {"X-Error-Code": "RepoNotFound"})
        name = next((n for n, commit in COMMITS.items() if revision in (n, commit)), None)
        folder = self.root / (name or "none") / repo
        if name is None or not folder.is_dir():
            return self.send(call, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if match[2] == "tree":
            sizes = [{"type": "file", "path": f, "oid": "0" * 40, "size": (folder / f).stat().st_size} for f in files]
            return self.send(call, 200, json.dumps(sizes).encode())
        if match[1]:
            facts = {"id": repo, "modelId": repo, "sha": COMMITS[name], "siblings": [{"rfilename": f} for f in files]}
            return self.send(call, 200, json.dumps(facts).encode())
        return self.send_file(call, folder / match[6], COMMITS[name])

    def send_file(self, call: BaseHTTPRequestHandler, path: Path, commit: str) -> None:
        if not path.is_file():
            return self.send(call, 404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        data = path.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes",
        }  # fmt: skip
        start = re.match(r"bytes=(\d+)-", call.headers.get("Range", ""))
        if start and call.command == "GET":
            self.ranges.append(start[0])
            first = int(start[1])
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            return self.send(call, 206, data[first:], headers)
        if self.cut_after is not None and call.command == "GET" and len(data) > self.cut_after:
            cut, self.cut_after = self.cut_after, None
            call.close_connection = True
            return self.send(call, 200, data[:cut], {**headers, "Content-Length": str(len(data))})
        return self.send(call, 200, data, headers)

    def send(
        self, call: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        call.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            call.send_header(key, value)
        call.end_headers()
        if call.command != "HEAD":
            call.wfile.write(body)


BIG = bytes(range(256)) * 1200


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    for name in COMMITS:
        folder = tmp_path / "served" / name / "org" / "model"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"revision": name}))
        (folder / "model.safetensors").write_bytes(BIG)
        (folder / "pytorch_model.bin").write_bytes(b"a pickle")
        (folder / "code.py").write_text("raise SystemExit")
    served = Hub(tmp_path / "served")
    yield served
    served.server.shutdown()


FETCH = """
import sys
from analogen.relsim.hub import HubError, fetch
try:
    print(fetch(sys.argv[1]))
except HubError as error:
    print("HubError:", error)
"""


def fetch(url: str, home: Path, name: str, **environment: str) -> str:
    """What a process prints that fetches `name` with `home` as its cache."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", FETCH, name],
        env={**inherited, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return lines[0]


def test_fetches_by_id_and_by_revision_without_pickles_and_code(hub: Hub, tmp_path: Path) -> None:
    newest = Path(fetch(hub.url, tmp_path / "home", "org/model"))
    assert sorted(path.name for path in newest.iterdir()) == ["config.json", "model.safetensors"]
    assert (newest / "model.safetensors").read_bytes() == BIG
    assert json.loads((newest / "config.json").read_text()) == {"revision": "main"}
    older = Path(fetch(hub.url, tmp_path / "home", "org/model@v1"))
    assert json.loads((older / "config.json").read_text()) == {"revision": "v1"}


def test_cache_serves_when_offline_and_when_the_hub_is_gone(hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = fetch(hub.url, home, "org/model")
    before = hub.requests
    assert fetch(hub.url, home, "org/model", HF_HUB_OFFLINE="1") == first
    assert hub.requests == before
    hub.server.shutdown()
    hub.server.server_close()
    assert fetch(hub.url, home, "org/model") == first


def test_interrupted_download_is_resumed(hub: Hub, tmp_path: Path) -> None:
    big = BIG * 40  # 12 MB: what arrives is written in pieces of 10 MiB
    (hub.root / "main" / "org" / "model" / "model.safetensors").write_bytes(big)
    hub.cut_after = 11_000_000
    folder = Path(fetch(hub.url, tmp_path / "home", "org/model"))
    assert (folder / "model.safetensors").read_bytes() == big
    assert hub.ranges == [f"bytes={10 * 2**20}-"]


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("org/model", (401, "GatedRepo"), "is gated (401): accept its terms at .*/org/model, then log in"),
        ("org/model", (403, "GatedRepo"), "is gated and your account has no access yet (403): ask for it"),
        (
            "org/model",
            (401, "RepoNotFound"),
            "no such folder here, and not on the hub, or private there (401): check the path, or log",
        ),
        ("org/model", (401, None), "(401).*log in"),
        ("org/model", (403, None), "the hub forbids it with your token (403)"),
        ("org/other", None, "no such folder here, and not on the hub, or private there (404): check the path"),
        ("org/model@v9", None, "has no revision 'v9': leave it out for the newest"),
    ],
)
def test_refusals_are_one_line_that_says_what_to_do(
    name: str, answer: tuple[int, str | None] | None, expected: str, hub: Hub, tmp_path: Path
) -> None:
    if answer is not None:
        hub.deny["org/model"] = answer
    line = fetch(hub.url, tmp_path / "home", name)
    assert line.startswith("HubError: org/")
    assert re.search(expected.replace("(", r"\(").replace(")", r"\)"), line), line


def test_no_network_is_one_line(tmp_path: Path) -> None:
    # A port that nobody listens at, with the retries of a refused connection cut short.
    line = fetch("http://127.0.0.1:9", tmp_path / "home", "org/model")
    assert "org/model: no such folder here, and as a hub id not wholly in the cache" in line
    assert "(http://127.0.0.1:9 cannot be reached): check the path, or your connection" in line
    line = fetch("http://127.0.0.1:9", tmp_path / "home", "org/model", HF_HUB_OFFLINE="1")
    assert "(HF_HUB_OFFLINE is set): check the path, or unset it to download" in line


def test_disk_permission_partial_and_proxy_are_told_apart(hub: Hub, tmp_path: Path) -> None:
    """Each is caused for real or raised where the library raises it; none is called another."""
    code = """
import errno, os, sys
import httpx
from analogen.relsim.hub import HubError, translate_hub_errors
CASES = {
    "full": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "forbidden": PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)),
    "unreachable": OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)),
    "partial": httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    "proxy": httpx.ProxyError("403 Forbidden"),
}
for name, cause in CASES.items():
    try:
        with translate_hub_errors("org/model"):
            raise OSError("cannot load") from cause
    except HubError as error:
        print(name, error)
"""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**inherited, "HF_HOME": str(tmp_path / "home"), "HTTPS_PROXY": "http://127.0.0.1:9"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "(no space left on device): free some space" in told["full"]
    assert f"cannot be stored in {tmp_path / 'home'}" in told["forbidden"]
    assert "(permission denied): make it writable" in told["forbidden"]
    for name in ("refused", "unreachable"):
        assert "cannot be reached through the proxy in HTTPS_PROXY): check the path, or your connection" in told[name]
    assert "the download broke off (peer closed connection" in told["partial"]
    assert "the proxy in HTTPS_PROXY does not let" in told["proxy"]


def test_a_cache_that_cannot_be_written_is_told_as_such(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root writes everywhere
        pytest.skip("this user may write in read-only folders")
    assert "make it writable" in fetch(hub.url, folder, "org/model")


def test_encoder_loads_by_id_with_its_base_then_offline(
    hub: Hub, tmp_path: Path, tiny_vlm_folder: Path, tiny_qwen_folder: Path, picture: Path
) -> None:
    shutil.copytree(tiny_vlm_folder, hub.root / "v1" / "org" / "base")
    # A revision of the base named in the checkpoint, which lies at another one itself.
    checkpoint = dataclasses.replace(read_checkpoint(tiny_qwen_folder), base_model="org/base", base_revision="v1")
    write_checkpoint(checkpoint, hub.root / "main" / "org" / "relsim", "authors")
    code = (
        "import sys; from analogen.cli import main;"
        "sys.exit(main(['similarity', *sys.argv[1:], '--encoder', 'org/relsim', '--device', 'cpu']))"
    )
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    for more in ({}, {"HF_HUB_OFFLINE": "1"}):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(picture), str(picture)],
            env={**inherited, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == f"{picture}  relation 1.000  attribute 1.000"


def test_filter_loads_by_id_of_an_adapter_and_of_a_base_then_offline(
    hub: Hub, tmp_path: Path, tiny_vlm_folder: Path, picture: Path
) -> None:
    shutil.copytree(tiny_vlm_folder, hub.root / "v1" / "org" / "base")
    folder = save_adapter(hub.root / "main" / "org" / "adapter", "org/base")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "revision": "v1"}))
    code = (
        "import sys; from analogen.cli import main; from analogen.relsim.vlm.loading import _load_vlm\n"
        "for name in ('org/adapter', 'org/base@v1'):\n"
        "    assert main(['filter', sys.argv[1], '--filter', name, '--device', 'cpu']) == 0\n"
        "assert _load_vlm.cache_info().misses == 1"
    )
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    seen = []
    for more in ({}, {"HF_HUB_OFFLINE": "1"}):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(picture.parent)],
            env={**inherited, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen.append(done.stdout.splitlines())
    assert seen[0] == seen[1]
    assert [line.endswith(str(picture)) for line in seen[0]] == [True, True]


@pytest.mark.parametrize("name", ["org/name", "org/name@v1", "a.b/c-d_e@refs/pr/1"])
def test_hub_ids_are_recognised(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize("name", ["mini", "a/b/c", "../x", "./x", "/x/y", "a b/c", "", "org/"])
def test_other_names_are_no_hub_ids(name: str) -> None:
    assert not is_hub_id(name)


def test_a_network_that_is_not_there_is_not_told_as_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import socket

    from huggingface_hub import constants

    from analogen.relsim.hub import HubError, translate_hub_errors

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for error in (
        socket.gaierror(-2, "Name or service not known"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
    ):
        with pytest.raises(HubError, match=r"cannot be reached\): check the path, or your connection"):  # noqa: SIM117
            with translate_hub_errors("org/model"):
                raise error
    for number, told in (
        (errno.ENOSPC, "free some space, or set HF_HOME"),
        (errno.EROFS, r"\): set HF_HOME to another"),
    ):
        with pytest.raises(HubError, match=told):  # noqa: SIM117
            with translate_hub_errors("org/model"):
                raise OSError(number, os.strerror(number))
