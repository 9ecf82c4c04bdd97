"""Promises of the judge behind an endpoint, against a small server on this machine."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.evaluation.endpoint_judge import EndpointError, EndpointJudge, key_from

PICTURES = [Image.fromarray(np.full((30, 2000, 3), value, np.uint8)) for value in (40, 200)]


class Server(ThreadingHTTPServer):
    """Answers each question by the next of `script`, (status, body, headers), the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, Any, dict[str, str]]] = [(200, answer("7"), {})]
        self.models_status = 200
        self.seen: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.answer(self.server.models_status if self.path == "/v1/models" else 404, {"data": []}, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append((dict(self.headers), body))
            script = self.server.script
            status, told, headers = script.pop(0) if len(script) > 1 else script[0]
        if callable(told):
            status, told = told(body)
        self.answer(status, told, headers)

    def answer(self, status: int, told: Any, headers: dict[str, str]) -> None:
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def answer(text: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def judge_at(server: Server, **settings: Any) -> tuple[EndpointJudge, list[float]]:
    pauses: list[float] = []
    return EndpointJudge(server.url, "vlm", sleep=pauses.append, **settings), pauses


def test_pictures_and_question_are_sent_at_temperature_zero(server: Server) -> None:
    judge, _ = judge_at(server, key="secret", max_side_px=100)
    assert judge.ask(PICTURES, "How alike?") == "7"
    headers, body = server.seen[0]
    assert headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["temperature"]) == ("vlm", 0)
    content = body["messages"][0]["content"]
    assert content[0] == {"type": "text", "text": "How alike?"}
    for part, sent in zip(content[1:], PICTURES, strict=True):
        kind, data = part["image_url"]["url"].split(",")
        shown = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (kind, shown.size) == ("data:image/jpeg;base64", (100, 2))
        assert np.asarray(shown).mean() == pytest.approx(np.asarray(sent).mean(), abs=3)


def test_no_key_sends_no_header(server: Server) -> None:
    judge_at(server)[0].ask([], "?")
    assert "Authorization" not in server.seen[0][0]


@pytest.mark.parametrize(
    ("content", "expected"), [(None, ""), ("x", "x"), ([{"type": "text", "text": "a"}, {"text": "b"}], "ab")]
)
def test_every_form_of_answer_is_text(server: Server, content: Any, expected: str) -> None:
    server.script = [(200, answer(content), {})]
    assert judge_at(server)[0].ask([], "?") == expected


def test_busy_and_broken_servers_are_retried_with_growing_pauses(server: Server) -> None:
    server.script = [(503, {}, {}), (429, {}, {"Retry-After": "7"}), (500, b"oops", {}), (200, answer("3"), {})]
    judge, pauses = judge_at(server)
    assert judge.ask([], "?") == "3"
    assert pauses == [1.0, 7.0, 4.0]


def test_retries_end_with_an_error(server: Server) -> None:
    server.script = [(503, {"error": {"message": "over\nloaded"}}, {})]
    judge, pauses = judge_at(server, retries=2)
    with pytest.raises(EndpointError, match="status 503: over loaded"):
        judge.ask([], "?")
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("status", "text"),
    [(401, "a key is needed"), (403, "choose another model"), (404, "knows no 'vlm'"), (400, "status 400: bad picture"),
     (302, "points to another address")],
)  # fmt: skip
def test_refusals_say_what_to_do_and_are_not_repeated(server: Server, status: int, text: str) -> None:
    server.script = [(status, {"error": {"message": "bad picture"}}, {"Location": "http://127.0.0.1:9/"})]
    with pytest.raises(EndpointError, match=text):
        judge_at(server)[0].ask([], "?")
    assert len(server.seen) == 1


def test_limit_by_its_newer_name_is_learnt_once_by_all_workers(server: Server) -> None:
    def pick(body: dict[str, Any]) -> tuple[int, Any]:
        if "max_tokens" in body:
            return 400, {"error": {"message": "Use 'max_completion_tokens' instead."}}
        return 200, answer("5")

    server.script = [(0, pick, {})]
    judge, pauses = judge_at(server)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: judge.ask([], "?"), range(8))) == ["5"] * 8
    assert pauses == []
    assert "max_completion_tokens" in server.seen[-1][1]


def test_something_else_than_an_endpoint_is_said_so(server: Server) -> None:
    server.script = [(200, b"<html>", {})]
    with pytest.raises(EndpointError, match="does not answer as an OpenAI-compatible endpoint"):
        judge_at(server)[0].ask([], "?")


def test_check_finds_a_wrong_key_and_an_absent_server(server: Server) -> None:
    judge_at(server)[0].check()
    server.models_status = 404  # lists no models
    judge_at(server)[0].check()
    server.models_status = 401
    with pytest.raises(EndpointError, match="key is not accepted"):
        judge_at(server, key="wrong")[0].check()
    with pytest.raises(EndpointError, match=r"cannot be reached \(connection refused\)"):
        EndpointJudge("http://127.0.0.1:9/v1", "vlm").check()


@pytest.mark.parametrize(
    ("url", "key", "text"),
    [
        ("localhost:8000", None, "expected the URL of an endpoint"),
        ("file:///etc/passwd", None, "expected the URL of an endpoint"),
        ("http://example.org/v1", "secret", "unencrypted"),
        ("https://user:secret@example.org/v1", None, "password"),
    ],
)
def test_unusable_urls_are_refused_and_no_secret_is_repeated(url: str, key: str | None, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        EndpointJudge(url, "vlm", key)
    assert "secret" not in str(caught.value)


def test_name_says_what_changes_answers_and_no_key(server: Server) -> None:
    judge = EndpointJudge(server.url, "vlm", "secret")
    assert "vlm" in judge.name
    assert server.url in judge.name
    assert "secret" not in judge.name + repr(judge)


def test_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    assert key_from("SOME_KEY") is None
    monkeypatch.setenv("SOME_KEY", " abc\n")
    assert key_from("SOME_KEY") == "abc"
    monkeypatch.setenv("SOME_KEY", "a b")
    with pytest.raises(ValueError, match=r"\$SOME_KEY holds spaces"):
        key_from("SOME_KEY")
