"""The token in a workspace's link: whoever has it can open the workspace; only its hash is kept, as the name.

A token is an HMAC of the workspace's random seed with the server's key, so that the link can be shown to its owner
again although it is kept nowhere. Without the key (``home/workspaces/key``) nobody can make links from a copy of the
database.
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
    """Return the folder of all workspaces, or one below it; created if missing, for the server's account only."""
    folder = home_folder("workspaces", *parts)
    for one in dict.fromkeys([folder, home_folder("workspaces")]):
        if one.stat().st_mode & 0o077:
            one.chmod(0o700)
    return folder


def is_token(text: object) -> bool:
    """Tell whether something has the form of a token; there need not be a workspace with it."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def is_name(text: object) -> bool:
    """Tell whether something has the form of a workspace's name, which is also its folder's."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def new_seed() -> str:
    """Return a random seed for a token, 64 hexadecimal digits."""
    return secrets.token_hex(32)


def token_of(seed: str) -> str:
    """Return the token of a workspace's seed on this server, 43 characters: base64 of HMAC-SHA-256."""
    digest = hmac.new(_server_key(), seed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def name_of(token: str) -> str:
    """Return the name of the workspace with a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def _server_key() -> bytes:
    path = workspaces_folder() / "key"
    for _ in range(2):
        with suppress(FileNotFoundError):
            key = path.read_bytes()
            if len(key) == _KEY_BYTES:
                return key
            path.unlink()  # incomplete, so no token was made with it
        handle, draft = tempfile.mkstemp(prefix=".key.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # of two servers that start at once, the first one's key is used
            os.link(draft, path)
        Path(draft).unlink()
    return path.read_bytes()
