"""Downloads streamed from disk under links that cannot be guessed, expire, and work in one browser or for one user.

A link holds a random token, and the database its hash, so that a link outlives a restart of the server. Starlette
answers ranges and conditional requests.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Row, delete, insert, select
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from cellucid_core.database import downloads, owner_mark, pass_rows, reading, writing
from cellucid_core.serving.browser_cookie import browser_of
from cellucid_core.serving.sign_in import owner_of_browser

#: Seconds for which a link works.
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
        The name that the browser saves it under.
    browser
        Value of the cookie `browser_cookie.COOKIE` of the browser that may download it; if somebody is signed in there,
        the link works for them instead.
    lifetime
        Seconds until the link expires.

    Raises
    ------
    DatabaseRefused
        If the database cannot be written.
    """
    token = secrets.token_urlsafe(32)
    now = time.time()
    row = {
        "key": _key(token),
        "path": str(path.resolve()),
        "file_name": file_name,
        "owner": owner_mark(owner_of_browser(browser)),
        "expires": now + lifetime,
    }
    with writing() as connection:
        connection.execute(delete(downloads).where(downloads.c.expires < now))
        connection.execute(insert(downloads).values(**row))
    return token


def pass_downloads(
    connection: Connection, source: str, target: str, only: Collection[str] | None = None
) -> tuple[str, ...]:
    """Let the download links of one owner work for another instead; see `database.pass_rows`."""
    return pass_rows(connection, downloads, source, target, only)


def download_address(token: str, base_path: str = "") -> str:
    """Return the address of a download on this server, below Streamlit's ``server.baseUrlPath``."""
    base = base_path.strip("/")
    return f"/{base + '/' if base else ''}{PREFIX}/{token}"


async def download(request: Request) -> Response:
    """GET, HEAD: stream the file of a token; 404 if it is unknown or expired, 403 for another browser or user."""
    record = await to_thread.run_sync(_find, request.path_params["token"])
    if record is None:
        return _expired()
    browser = browser_of(request.cookies)
    owner = None if browser is None else await to_thread.run_sync(owner_of_browser, browser)
    if owner is None or not secrets.compare_digest(owner_mark(owner), record.owner):
        return PlainTextResponse(
            "This download link works only in the browser that made it, or for the user who was signed in there. "
            "Open the dashboard and make the file there.",
            403,
        )
    return _Download(
        record.path,
        filename=record.file_name,
        media_type=_media_type(record.file_name),
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


def _find(token: str) -> Row[Any] | None:
    if not _TOKEN.fullmatch(token):
        return None
    with reading() as connection:
        alive = (downloads.c.key == _key(token)) & (downloads.c.expires >= time.time())
        found = connection.execute(select(downloads).where(alive)).first()
    return found if found is not None and Path(found.path).is_file() else None


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
