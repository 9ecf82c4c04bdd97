"""Downloads checkpoints from the Hugging Face hub by id and revision; without a network, the cache is used.

What a hub answers instead of files becomes one line that says what to do.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

# Never *.bin, *.pth or *.py: no pickles and no code are downloaded. The one .pt file of the authors' layout is read as
# plain tensors only.
TEXTS = ("*.json", "*.jinja", "*.txt", "LICENSE*", "README.md")
BASE_FILES = ("*.safetensors", *TEXTS)
# The errors of a disk. Those of a network are of the same class, with numbers of their own: -2 for an unknown name.
_STORE_ERRORS = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENAMETOOLONG,
    errno.ENOTDIR, errno.EMFILE,
})  # fmt: skip
CHECKPOINT_FILES = (*BASE_FILES, "projection_and_config.pt")


class HubError(ValueError):
    """The hub could not provide a checkpoint; the message is one line that says what to do."""


def is_hub_id(name: str) -> bool:
    """Whether `name` can be a hub id: organisation/name, with an optional @revision."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name) is not None and not name.startswith(".")


def fetch(
    name: str,
    revision: str | None = None,
    files: tuple[str, ...] = CHECKPOINT_FILES,
    cache_dir: str | Path | None = None,
) -> Path:
    """Downloads a hub id, "org/name" or "org/name@revision", and returns its folder; resumes interrupted downloads.

    Without a network, what the cache holds is used. Raises HubError with one line for anything that stands in the way.
    """
    repo, _, named = name.partition("@")
    revision = revision or named or None
    with translate_hub_errors(repo, revision):
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(files), cache_dir=cache_dir))


def check_reachable(name: str) -> None:
    """Raises HubError for a hub id that is neither in the cache nor allowed to be downloaded."""
    repo, _, revision = name.partition("@")
    cached = any(
        isinstance(try_to_load_from_cache(repo, file, revision=revision or None), str)
        for file in ("model_index.json", "config.json", "adapter_config.json")
    )
    if constants.HF_HUB_OFFLINE and not cached:
        raise HubError(_explain(repo, revision or None, OfflineModeIsEnabled()))


def is_cached(base: str) -> bool:
    """Whether the hub's cache holds the pipeline, or a part of it."""
    indexes = ("model_index.json", "modular_model_index.json")
    repo = base.partition("@")[0]
    return "/" in base and any(isinstance(try_to_load_from_cache(repo, index), str) for index in indexes)


@contextmanager
def translate_hub_errors(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turns errors of a library's download of `repo` into a HubError with one line."""
    try:
        yield
    except (OSError, HFValidationError) as error:  # the hub's errors are subclasses of these
        raise HubError(_explain(repo, revision, error)) from error


def _explain(repo: str, revision: str | None, error: BaseException) -> str:
    chain = list(_causes(error))
    for found in chain:
        status = found.response.status_code if isinstance(found, HfHubHTTPError) and found.response is not None else 0
        if isinstance(found, GatedRepoError):
            where = f"{constants.ENDPOINT}/{repo}"
            if status == 403:
                return f"{repo} is gated and your account has no access yet (403): ask for it at {where}"
            return f"{repo} is gated ({status}): accept its terms at {where}, then log in with: hf auth login"
        if isinstance(found, RevisionNotFoundError):
            return f"{repo} has no revision {revision!r}: leave it out for the newest, or check its name on the hub"
        if isinstance(found, RepositoryNotFoundError):
            return (
                f"{repo}: no such folder here, and not on the hub, or private there ({status}): check the path, or "
                "log in with: hf auth login"
            )
        if status == 401:
            return f"{repo}: the hub does not know your token (401): log in anew with: hf auth login"
        if status == 403:
            return f"{repo}: the hub forbids it with your token (403): give the token read access, or log in anew"
        if status == 429:
            return f"{repo}: the hub asks to slow down (429): wait some minutes, or log in with: hf auth login"
        if status:
            return f"{repo}: the hub answered with status {status}: try again later"
        if isinstance(found, HFValidationError):
            return f"{repo!r} is no hub id: expected organisation/name"
    # "models/relsim" may be a hub id, or a mistyped path.
    absent = f"{_named(repo, revision)}: no such folder here, and as a hub id not wholly in the cache"
    if any(isinstance(found, OfflineModeIsEnabled) for found in chain) or constants.HF_HUB_OFFLINE:
        return f"{absent} (HF_HUB_OFFLINE is set): check the path, or unset it to download"
    full = next((found for found in chain if isinstance(found, OSError) and found.errno in _STORE_ERRORS), None)
    if full is not None and full.strerror:
        space = "free some space, or " if full.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        write = "make it writable, or " if full.errno in (errno.EACCES, errno.EPERM) else ""
        place = "" if space else f" in {constants.HF_HUB_CACHE}"
        return f"{repo} cannot be stored{place} ({full.strerror.lower()}): {space}{write}set HF_HOME to another place"
    partial = next((found for found in chain if _is_partial(found)), None)
    if partial is not None:
        reason = " ".join(str(partial).split())[:120] or type(partial).__name__
        return f"{repo}: the download broke off ({reason}): run it again, and it goes on where it stopped"
    where = constants.ENDPOINT
    proxies = [name for name in _PROXIES if os.environ.get(name)]
    if any("proxy" in f"{type(found).__name__} {found}".lower() for found in chain) and proxies:
        return f"{absent} (the proxy in {proxies[0]} does not let {where} through): check it, or unset {proxies[0]}"
    through = f" through the proxy in {proxies[0]}" if proxies else ""
    return f"{absent} ({where} cannot be reached{through}): check the path, or your connection"


_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def _is_partial(error: BaseException) -> bool:
    """Whether a download ended before its file did."""
    said = f"{type(error).__name__} {error}".lower()
    return any(words in said for words in ("incomplete", "consistency check failed", "peer closed", "remoteprotocol"))


def _named(repo: str, revision: str | None) -> str:
    return f"{repo}@{revision}" if revision else repo


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, because libraries wrap the hub's error once or twice."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
