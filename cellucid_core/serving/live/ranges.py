"""Answer requests for a file: all of it, one range, or nothing if the browser has it (RFC 9110, sections 13 and 14).

A file is opened once, and its size and time are read once: if it is replaced meanwhile, the answer still holds the old
content, and the ETag of the next answer differs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

#: Bytes that are read and sent at a time.
_PIECE = 2**20


async def file_answer(
    request: Request, path: Path, headers: dict[str, str], done: Callable[[], None] = lambda: None
) -> Response:
    """Return the answer with a file or a range of it; 304 if it is known, 404 if it is gone, 416 for a wrong range.

    Parameters
    ----------
    request
        GET or HEAD, perhaps with ``Range``, ``If-Range`` and ``If-None-Match``.
    path
        The file.
    headers
        Headers to add to every answer.
    done
        Called when sending bytes of the file has ended, however it ended.
    """
    try:
        file = await to_thread.run_sync(lambda: path.open("rb", buffering=0))
    except OSError:
        return PlainTextResponse("This file is not here any more.", 404, headers)
    status = os.fstat(file.fileno())
    size, tag = status.st_size, f'"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"'
    headers = {**headers, "Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, no-cache"}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
    if tag in known or "*" in known:
        file.close()
        return Response(None, 304, headers)
    asked = request.headers.get("Range")
    if request.headers.get("If-Range", tag) != tag:
        asked = None  # the range is of another content, so all of this one is sent
    bounds = None if asked is None else _bounds(asked, size)
    if asked is not None and bounds is None:
        file.close()
        return PlainTextResponse("There is no such range.", 416, {**headers, "Content-Range": f"bytes */{size}"})
    start, stop = bounds or (0, size)
    headers["Content-Length"] = str(stop - start)
    if bounds is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if request.method == "HEAD":
        file.close()
        return Response(None, 206 if bounds else 200, headers, media_type="application/octet-stream")

    return _Part(file, start, stop, 206 if bounds else 200, headers, done)


class _Part(Response):
    """A part of an open file, which is closed when sending has ended, however it ended."""

    def __init__(
        self, file: RawIOBase, start: int, stop: int, status: int, headers: dict[str, str], done: Callable[[], None]
    ) -> None:
        super().__init__(None, status, headers, media_type="application/octet-stream")
        self._file, self._start, self._stop, self._done = file, start, stop, done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        at, number = self._start, self._file.fileno()
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while at < self._stop:
                piece = await to_thread.run_sync(os.pread, number, min(_PIECE, self._stop - at), at)
                if not piece:  # the file was shortened; the reader sees that the answer is too short
                    break
                at += len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._file.close()
            self._done()


def _bounds(text: str, size: int) -> tuple[int, int] | None:
    """Return the start and stop of a range; None for several ranges, no range, or one outside the file."""
    unit, _, what = text.partition("=")
    first, dash, last = what.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not (first + last).isdecimal() or not (first + last).isascii():
        return None
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    return (start, stop) if start < stop else None
