"""Links to live datasets: whoever has one can read the dataset until the link ends or is withdrawn.

The address holds 256 random bits, and the database only their hash, so that nobody who reads the database can use a
link.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Row, delete, insert, select, update
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from cellucid_core.configuration import read_configuration
from cellucid_core.database import DatabaseRefused, links, owner_mark, pass_rows, reading, workspaces, writing
from cellucid_core.errors import WorkRefused
from cellucid_core.serving.live.answers import LiveDataset, answer, cross_origin

PREFIX = "live"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
#: Seconds after which the reads of a link are written to the database again.
_NOTED = 5.0


@dataclass(frozen=True)
class LiveLink:
    """A link, as its owner sees it.

    Attributes
    ----------
    key
        Key of its row, the hash of the token in the address.
    dataset
        The dataset.
    made, ends, last
        Seconds since 1970: when it was made, when it ends (0: not by itself), when it was last read (0: never).
    reads, sent
        Number of answers with bytes of the file, and of these bytes.
    """

    key: str
    dataset: LiveDataset
    made: float
    ends: float = 0.0
    last: float = 0.0
    reads: int = 0
    sent: int = 0


@dataclass
class _Reads:
    """Reads of a link that are not in the database yet: their number and bytes, the last one, the last writing."""

    path: Path
    n: int = 0
    sent: int = 0
    last: float = 0.0
    written: float = 0.0


_counting = Lock()
#: Key of a link → its reads.
_counts: dict[str, _Reads] = {}


def make_link(dataset: LiveDataset, owner: str, lifetime: float = 0.0, *, workspace: str = "") -> tuple[str, LiveLink]:
    """Return the token of a new link, and the link.

    Parameters
    ----------
    dataset
        The dataset.
    owner
        Owner of the link, such as ``user-…``.
    lifetime
        Seconds until it ends; 0: it lasts until it is withdrawn, or was not read for ``CELLUCID_TIME_TO_LIVE``.
    workspace
        Name of the workspace that it belongs to and is deleted with; empty: none.

    Raises
    ------
    WorkRefused
        If the workspace is gone, or the database cannot be used.
    """
    token, now = secrets.token_urlsafe(32), time.time()
    ends = now + lifetime if lifetime else 0.0
    link = LiveLink(_key(token), dataset, now, ends)
    row = asdict(link) | {
        "dataset": {**asdict(dataset), "path": str(dataset.path)},
        "owner": owner_mark(owner),
        "workspace": workspace or None,
    }
    with writing() as connection:
        there = select(workspaces.c.name).where(workspaces.c.name == workspace).with_for_update(read=True)
        if workspace and connection.scalar(there) is None:
            raise WorkRefused("This workspace was deleted in another tab.", "Make the link again, in a new one.")
        connection.execute(insert(links).values(**row))
    return token, link


def links_of(owner: str) -> list[LiveLink]:
    """Return an owner's links that have not ended and whose file is there, the latest first."""
    _write_counts()
    with reading() as connection:
        query = select(links).where(links.c.owner == owner_mark(owner)).order_by(links.c.made.desc())
        rows = connection.execute(query).all()
    return [link for row in rows if (link := _link(row)) is not None]


def withdraw(key: str, owner: str) -> None:
    """Delete a link at once; does nothing if it belongs to another owner."""
    with writing() as connection:
        connection.execute(delete(links).where(links.c.key == key, links.c.owner == owner_mark(owner)))


def pass_links(
    connection: Connection, source: str, target: str, only: Collection[str] | None = None
) -> tuple[str, ...]:
    """Give the links of one owner that have not ended to another; see `database.pass_rows`."""
    lasting = (links.c.ends == 0) | (links.c.ends > time.time())
    return pass_rows(connection, links, source, target, only, lasting)


def sweep_links(now: float | None = None) -> int:
    """Delete links that have ended, or that nobody read for ``CELLUCID_TIME_TO_LIVE``; return how many.

    A link whose file is missing is not deleted earlier: a folder that is not mounted now may be mounted in an hour.
    """
    _write_counts()
    now = time.time() if now is None else now
    since = now - read_configuration().time_to_live
    ended = (links.c.ends > 0) & (links.c.ends < now)
    unread = (links.c.made < since) & (links.c.last < since)
    with writing() as connection:
        return int(connection.execute(delete(links).where(ended | unread)).rowcount)


def live_address(token: str, base_path: str = "") -> str:
    """Return the path of a link on this server, below Streamlit's ``server.baseUrlPath``."""
    base = base_path.strip("/")
    return f"/{base + '/' if base else ''}{PREFIX}/{token}/"


async def live(request: Request) -> Response:
    """GET, HEAD, OPTIONS: answer through a link; 404 if it is unknown, has ended or was withdrawn."""
    configuration = read_configuration()
    token = request.path_params["token"]
    link = None
    if _TOKEN.fullmatch(token) and configuration.live_links == "on":
        link = await to_thread.run_sync(_find, _key(token))
    if link is None:
        sentence = "This link is not valid any more. Ask whoever sent it for a new one."
        return PlainTextResponse(sentence, 404, cross_origin(request, configuration.viewer_origins))
    found = await answer(request, link.dataset, request.path_params["route"], configuration.viewer_origins)
    if request.method == "GET" and found.status_code in (200, 206) and "accept-ranges" in found.headers:
        await to_thread.run_sync(_count, link, int(found.headers.get("content-length", 0)))
    return found


def _count(link: LiveLink, sent: int) -> None:
    """Count a read; the database is written only every few seconds, so that reading does not wait for the disk.

    What is left is written when somebody looks at links or sweeps them.
    """
    with _counting:
        reads = _counts.setdefault(link.key, _Reads(link.dataset.path))
        reads.n, reads.sent, reads.last = reads.n + 1, reads.sent + sent, time.time()
        if reads.last - reads.written < _NOTED:
            return
        _counts[link.key] = _Reads(reads.path, written=reads.last)
    _write(link.key, reads)


def _write_counts() -> None:
    """Write all reads that are not in the database yet."""
    with _counting:
        waiting = dict(_counts)
        _counts.clear()
    for key, reads in waiting.items():
        if reads.n:
            _write(key, reads)


def _write(key: str, reads: _Reads) -> None:
    counted = {"last": reads.last, "reads": links.c.reads + reads.n, "sent": links.c.sent + reads.sent}
    with suppress(OSError, DatabaseRefused):  # a full disk
        os.utime(reads.path)  # shows `starting.sweep` that it is in use
        with writing() as connection:
            connection.execute(update(links).where(links.c.key == key).values(**counted))


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _find(key: str) -> LiveLink | None:
    with reading() as connection:
        row = connection.execute(select(links).where(links.c.key == key)).first()
    return None if row is None else _link(row)


def _link(row: Row[Any]) -> LiveLink | None:
    """Return the link of a row, or None if it has ended or its file is gone."""
    try:
        dataset = LiveDataset(**{**row.dataset, "path": Path(row.dataset["path"])})
    except (KeyError, TypeError):  # written by another version
        return None
    link = LiveLink(row.key, dataset, row.made, row.ends, row.last, row.reads, row.sent)
    alive = (not link.ends or link.ends > time.time()) and dataset.path.is_file()
    return link if alive else None
