"""Downloads streamed from disk under links that cannot be guessed, expire, and work in one browser or for one user.

A link names a random token; the token's record is a small JSON file beside the other state, so a link outlives a
restart of the server and needs nothing global. Ranges and conditional requests are Starlette's.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Collection
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import home_folder
from cellucid_core.serving.browser_cookie import browser_of
from cellucid_core.serving.sign_in import holder_of

#: Seconds a link works.
LIFETIME = 12 * 3600
PREFIX = "cellucid/download"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def offer_download(path: Path, file_name: str, browser: str, lifetime: float = LIFETIME) -> str:
    """Return a token under which a file can be downloaded for a while.

    Parameters
    ----------
    path
        The file; it must stay where it is.
    file_name
        The name the browser gives it.
    browser
        Value of the cookie `browser_cookie.COOKIE` of the session that may download it; if somebody is signed in
        there, the link is theirs, and not the browser's.
    lifetime
        Seconds until the link expires.
    """
    token = secrets.token_urlsafe(32)
    folder = home_folder("downloads")
    _sweep(folder)
    record = {
        "path": str(path.resolve()),
        "file_name": file_name,
        "browser": holder_of(browser),
        "expires": time.time() + lifetime,
    }
    draft = folder / f".{token}"
    draft.write_text(json.dumps(record), encoding="utf-8")
    draft.replace(folder / f"{token}.json")
    return token


def pass_downloads(source: str, target: str, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Let the links of one holder work for another instead, and return the names of their records.

    Parameters
    ----------
    source, target
        As `sign_in.holder_of` names them.
    only
        The records that change; by default all.
    """
    passed = []
    for file in home_folder("downloads").glob("*.json"):
        record = _record(file.stem)
        if record is None or record["browser"] != source or (only is not None and file.stem not in only):
            continue
        with complete_or_absent(file) as draft:
            draft.write_text(json.dumps({**record, "browser": target}), encoding="utf-8")
        passed.append(file.stem)
    return tuple(passed)


def download_address(token: str, base_path: str = "") -> str:
    """Return the address of a download on this server, below Streamlit's ``server.baseUrlPath``."""
    base = base_path.strip("/")
    return f"/{base + '/' if base else ''}{PREFIX}/{token}"


async def download(request: Request) -> Response:
    """Stream the file a token stands for; 404 for tokens that are unknown or expired, 403 for others."""
    record = _record(request.path_params["token"])
    if record is None:
        return _expired()
    browser = browser_of(request.cookies)
    if browser is None or not secrets.compare_digest(holder_of(browser), record["browser"]):
        return PlainTextResponse(
            "This download link works only in the browser that made it, or for the user who was signed in there. "
            "Open the dashboard and make the file there.",
            403,
        )
    return _Download(
        record["path"],
        filename=record["file_name"],
        media_type=_media_type(record["file_name"]),
        headers={"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"},
    )


class _Download(FileResponse):
    """A file that may be deleted between looking it up and sending it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self.stat_result = await to_thread.run_sync(os.stat, self.path)
        except OSError:
            await _expired()(scope, receive, send)
            return
        self.set_stat_headers(self.stat_result)
        await super().__call__(scope, receive, send)


def _expired() -> Response:
    return PlainTextResponse("This download link has expired. Make the file again in the dashboard.", 404)


def _media_type(file_name: str) -> str:
    return "application/zip" if file_name.endswith(".zip") else "application/octet-stream"


def _record(token: str) -> dict[str, str] | None:
    if not _TOKEN.fullmatch(token):
        return None
    try:
        record: dict[str, str] = json.loads((home_folder("downloads") / f"{token}.json").read_text(encoding="utf-8"))
        alive = (
            float(record["expires"]) >= time.time()
            and Path(record["path"]).is_file()
            and isinstance(record["browser"], str)
        )
    except (OSError, ValueError, KeyError, TypeError):  # no such token, or a damaged record
        return None
    return record if alive else None


def _sweep(folder: Path) -> None:
    """Delete records that have expired."""
    for file in folder.glob("*.json"):
        try:
            if json.loads(file.read_text(encoding="utf-8"))["expires"] < time.time():
                file.unlink(missing_ok=True)
        except (OSError, ValueError, KeyError):
            continue
