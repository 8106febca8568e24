"""The token in a workspace's link: whoever has it has the workspace; on disk there is only its hash.

A token is an HMAC of the workspace's random seed under the server's key, so that its owner can be shown the link again
although it is kept nowhere. Without the key (``home/workspaces/key``), a copy of the workspaces' files opens no link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from cellucid_core.cache import home_folder

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[0-9a-f]{64}")
_KEY_BYTES = 32


def workspaces_folder(*parts: str) -> Path:
    """Return the folder of all workspaces, or one below it, made if missing, for the server's account only."""
    folder = home_folder("workspaces", *parts)
    for one in dict.fromkeys([folder, home_folder("workspaces")]):
        if one.stat().st_mode & 0o077:
            one.chmod(0o700)
    return folder


def is_token(text: object) -> bool:
    """Tell whether something can be a token, which says nothing about whether a workspace has it."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def is_name(text: object) -> bool:
    """Tell whether something can be the name of a workspace's folder."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def new_seed() -> str:
    """Return a random seed for a token, 64 hexadecimal digits."""
    return secrets.token_hex(32)


def token_of(seed: str) -> str:
    """Return the token that belongs to a workspace's seed on this server, 43 characters."""
    digest = hmac.new(_server_key(), seed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def name_of(token: str) -> str:
    """Return the name of the folder of the workspace with a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _server_key() -> bytes:
    path = workspaces_folder() / "key"
    for _ in range(2):
        with suppress(FileNotFoundError):
            key = path.read_bytes()
            if len(key) == _KEY_BYTES:
                return key
            path.unlink()  # cut off: it never made a token that anybody has
        handle, draft = tempfile.mkstemp(prefix=".key.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # of two servers that start at once, the first one's counts
            os.link(draft, path)
        Path(draft).unlink()
    return path.read_bytes()
