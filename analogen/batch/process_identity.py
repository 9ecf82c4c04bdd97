"""Identifies processes, so that the job store can tell whether the holder of a job still runs."""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any


def new_identity() -> str:
    """This process as text that other processes can check; different for each call."""
    found: dict[str, Any] = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
    with suppress(OSError, IndexError):
        found |= {"system": _system(), "started": _started(os.getpid())}
    return json.dumps(found, sort_keys=True)


def has_ended(identity: str) -> bool:
    """Whether the process of an identity is known to have ended; False if that cannot be told from here."""
    try:
        found = json.loads(identity)
        if found["system"] != _system():
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    try:
        return bool(_started(found["pid"]) != found["started"])
    except (OSError, IndexError):
        return True


def _system() -> str:
    """The boot of the kernel and the namespace of process ids, within which id and start time identify a process."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + f" {os.stat('/proc/self/ns/pid').st_ino}"


def _started(pid: int) -> str:
    """When a process started, in ticks since the boot. Raises OSError if there is no such process, or only a zombie."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        raise ProcessLookupError(pid)
    return fields[19]
