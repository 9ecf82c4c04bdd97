"""A judge behind an OpenAI-compatible endpoint: a hosted model, or your own server such as vLLM."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

KEY_VARIABLE = "ANALOGEN_JUDGE_KEY"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MAX_ANSWER_BYTES = 4 * 2**20
_MAX_WAIT_SECONDS = 60.0


class EndpointError(RuntimeError):
    """The endpoint did not answer as expected; the message is one line that says what to do."""


class EndpointJudge:
    """A Judge. base_url: what comes before /chat/completions, as in https://api.openai.com/v1.

    key: sent as a bearer token, never over plain http to another machine. max_side_px: pictures are sent as JPEG of
    at most this. retries: of timeouts, of 429 and of 5xx, with growing pauses.
    Raises ValueError for a URL that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        key: str | None = None,
        *,
        workers: int = 4,
        timeout_seconds: float = 120.0,
        retries: int = 4,
        max_side_px: int = 768,
        max_tokens: int = 256,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"judge {base_url!r}: expected the URL of an endpoint, such as http://localhost:8000/v1")
        if address.username or address.password or address.query or address.fragment:
            raise ValueError("the judge's URL holds a password or a query: put the key into the environment instead")
        local = address.hostname in _LOOPBACK
        if key and address.scheme == "http" and not local:
            raise ValueError(f"judge {base_url!r}: the key would travel unencrypted: use https")
        if not model:
            raise ValueError(f"judge {base_url!r}: names no model: add --judge-model")
        self.base_url, self.model, self.workers = base_url.rstrip("/"), model, workers
        self.name = f"{model} at {self.base_url}, {max_side_px} px"
        self.timeout_seconds, self.retries, self.max_side_px = timeout_seconds, retries, max_side_px
        self._key, self._sleep = key, sleep
        self._limit = {"max_tokens": max_tokens}
        # No redirects: they would carry the key elsewhere. And no proxy between two programs of one machine.
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if local:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def check(self) -> None:
        """Checks, at no cost, that the endpoint answers and accepts the key. Raises EndpointError."""
        try:
            self._once("GET", "/models", None)
        except _Refused as refused:
            # Some endpoints do not list their models; that says nothing about their answers.
            if refused.status in (401, 403):
                raise self._explained(refused) from None
        except OSError as error:
            raise self._unreachable(error) from error

    def ask(self, images: Sequence[Image.Image], question: str) -> str:
        """The answer, or "" if it is empty or a refusal. Raises EndpointError if the endpoint gives no answer."""
        shown = [{"type": "image_url", "image_url": {"url": _data_url(i, self.max_side_px)}} for i in images]
        content = [{"type": "text", "text": question}, *shown]
        failures = 0
        while True:
            limit = self._limit
            body = {
                "model": self.model,
                "temperature": 0,
                **limit,
                "messages": [{"role": "user", "content": content}],
            }
            try:
                return _answer_of(self._once("POST", "/chat/completions", body))
            except _Refused as refused:
                if refused.status == 400 and "max_completion_tokens" in refused.text and "max_tokens" in limit:
                    # Newer models of one vendor know the limit by this name only.
                    self._limit = {"max_completion_tokens": limit["max_tokens"]}
                    continue
                if failures == self.retries or (refused.status != 429 and refused.status < 500):
                    raise self._explained(refused) from None
                pause = refused.retry_after
            except OSError as error:
                if failures == self.retries:
                    raise self._unreachable(error) from error
                pause = None
            except ValueError as error:
                raise EndpointError(
                    f"{self.base_url}: does not answer as an OpenAI-compatible endpoint ({error}): check the URL"
                ) from error
            self._sleep(min(_MAX_WAIT_SECONDS, 2.0**failures if pause is None else pause))
            failures += 1

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=self.timeout_seconds) as answer:
                return bytes(answer.read(_MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise _Refused(error.code, error.read(4096), error.headers.get("Retry-After")) from None
        except urllib.error.URLError as error:
            raise error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason)) from error
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: the answer breaks off") from error

    def _explained(self, refused: _Refused) -> EndpointError:
        status, where = refused.status, self.base_url
        if status == 401:
            what = "the key is not accepted" if self._key else "a key is needed"
            return EndpointError(f"{where}: {what} (401): put it into the environment variable of --judge-key-env")
        if status == 403:
            return EndpointError(f"{where}: the key may not use {self.model!r} (403): choose another model")
        if status == 404:
            return EndpointError(f"{where}: knows no {self.model!r}, or the URL is wrong (404): check both")
        if status == 429:
            return EndpointError(f"{where}: asks to slow down (429): go on later, what was answered is kept")
        if 300 <= status < 400:
            return EndpointError(f"{where}: points to another address ({status}): name that one")
        said = f": {refused.text}" if refused.text else ""
        return EndpointError(f"{where}: answered with status {status}{said}")

    def _unreachable(self, error: OSError) -> EndpointError:
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        return EndpointError(f"{self.base_url}: cannot be reached ({reason}): check the URL and the connection")


def key_from(variable: str) -> str | None:
    """Reads the key from an environment variable; None if it is not set. Raises ValueError if it cannot be a key."""
    key = os.environ.get(variable, "").strip()
    if any(not 32 < ord(sign) < 127 for sign in key):
        raise ValueError(f"${variable} holds spaces or signs that no key has: set it anew")
    return key or None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Refused(Exception):
    """A status other than 200. text: the endpoint's message in one short line."""

    def __init__(self, status: int, body: bytes, retry_after: str | None) -> None:
        super().__init__(status)
        self.status = status
        self.text = " ".join(_message(body).split())[:160]
        try:
            self.retry_after = max(0.0, float(retry_after)) if retry_after else None
        except ValueError:  # a date
            self.retry_after = None


def _message(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        error = found.get("error", found)
        return str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, AttributeError):
        return text


def _answer_of(body: bytes) -> str:
    """The text of the first choice. Raises ValueError if the response has another format."""
    try:
        content = json.loads(body)["choices"][0]["message"].get("content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no choices[0].message: {type(error).__name__}") from error
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content)


def _data_url(image: Image.Image, max_side_px: int) -> str:
    small = image.convert("RGB")
    small.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    with io.BytesIO() as file:
        small.save(file, "JPEG", quality=92)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
