"""Links to live datasets: whoever has one reads the dataset, until it ends or is withdrawn.

The address holds 256 random bits; on the disk is only their hash, so that nobody who sees the folder can read through a
link. A record is a small JSON file. How often a link was read stands in another beside it: who counts must not write a
record again that was just withdrawn.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import home_folder
from cellucid_core.configuration import read_configuration
from cellucid_core.serving.live.answers import LiveDataset, answer, cross_origin

PREFIX = "live"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
#: Seconds between two writings of how often a link was read.
_NOTED = 5.0


@dataclass(frozen=True)
class LiveLink:
    """A link, as its owner sees it.

    Attributes
    ----------
    key
        Of its record; not what the address holds.
    owner
        Who made it, and may withdraw it.
    dataset
        What is read.
    made, ends, last
        Seconds since 1970: when it was made, when it ends (0: not by itself), when it was last read (0: never).
    reads, sent
        Answers with bytes of the file, and how many bytes.
    workspace
        In which it was made, and with which it goes; empty for none.
    """

    key: str
    owner: str
    dataset: LiveDataset
    made: float
    ends: float = 0.0
    last: float = 0.0
    reads: int = 0
    sent: int = 0
    workspace: str = ""


_counting = Lock()
_counts: dict[str, tuple[int, int, float]] = {}


def make_link(dataset: LiveDataset, owner: str, lifetime: float = 0.0, *, workspace: str = "") -> tuple[str, LiveLink]:
    """Return the token of a new link, and the link.

    Parameters
    ----------
    dataset
        What is read.
    owner
        As of jobs and workspaces.
    lifetime
        Seconds until it ends; 0: it lasts until it is withdrawn, or the file was not read for
        ``CELLUCID_TIME_TO_LIVE``.
    workspace
        Name of the workspace that it belongs to.
    """
    token, now = secrets.token_urlsafe(32), time.time()
    link = LiveLink(_key(token), owner, dataset, now, now + lifetime if lifetime else 0.0, workspace=workspace)
    _write(link)
    return token, link


def links_of(owner: str) -> list[LiveLink]:
    """Return somebody's links, the latest first."""
    return sorted((link for link in _every() if link.owner == owner), key=lambda link: link.made, reverse=True)


def withdraw(key: str, owner: str) -> None:
    """End a link at once; nothing happens if it is somebody else's."""
    link = _read(key)
    if link is not None and link.owner == owner:
        _end(key)


def withdraw_with(workspaces: Callable[[str], bool]) -> int:
    """End the links of the workspaces whose names a function is true for, and return how many there were."""
    gone = [link.key for link in _every() if link.workspace and workspaces(link.workspace)]
    for key in gone:
        _end(key)
    return len(gone)


def _every() -> list[LiveLink]:
    return [link for file in home_folder("links").glob("*.json") if (link := _read(file.stem)) is not None]


def _end(key: str) -> None:
    for file in (_record(key), _reads(key)):
        file.unlink(missing_ok=True)


def pass_links(source: str, target: str, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Give the links of one owner to another, and return their keys; see `claiming`."""
    passed = []
    for link in links_of(source):
        if only is None or link.key in only:
            _write(replace(link, owner=target))
            passed.append(link.key)
    return tuple(passed)


def live_address(token: str, base_path: str = "") -> str:
    """Return the path of a link on this server, below Streamlit's ``server.baseUrlPath``."""
    base = base_path.strip("/")
    return f"/{base + '/' if base else ''}{PREFIX}/{token}/"


async def live(request: Request) -> Response:
    """Answer what is read through a link; 404 for one that is unknown, has ended or was withdrawn."""
    configuration = read_configuration()
    token = request.path_params["token"]
    link = None
    if _TOKEN.fullmatch(token) and configuration.live_links == "on":
        link = await to_thread.run_sync(_read, _key(token))
    if link is None:
        sentence = "This link is not valid any more. Ask who sent it for another one."
        return PlainTextResponse(sentence, 404, cross_origin(request, configuration.viewer_origins))
    found = await answer(request, link.dataset, request.path_params["route"], configuration.viewer_origins)
    if request.method == "GET" and found.status_code in (200, 206) and "accept-ranges" in found.headers:
        await to_thread.run_sync(_count, link, int(found.headers.get("content-length", 0)))
    return found


def _count(link: LiveLink, sent: int) -> None:
    """Note a read; written down at most every few seconds, or reading would wait for the disk."""
    now = time.time()
    with _counting:
        reads, size, since = _counts.get(link.key, (0, 0, 0.0))
        reads, size = reads + 1, size + sent
        if now - since < _NOTED:
            _counts[link.key] = reads, size, since
            return
        _counts[link.key] = 0, 0, now
    with suppress(OSError):  # a full disk
        os.utime(link.dataset.path)  # it is in use
        counted = {"last": now, "reads": link.reads + reads, "sent": link.sent + size}
        with complete_or_absent(_reads(link.key), mode=0o600) as draft:
            draft.write_text(json.dumps(counted), encoding="utf-8")


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _record(key: str) -> Path:
    return home_folder("links") / f"{key}.json"


def _reads(key: str) -> Path:
    return home_folder("links") / f"{key}.reads"


def _write(link: LiveLink) -> None:
    content = asdict(link) | {"dataset": {**asdict(link.dataset), "path": str(link.dataset.path)}}
    with complete_or_absent(_record(link.key), mode=0o600) as draft:
        draft.write_text(json.dumps(content), encoding="utf-8")


def _read(key: str) -> LiveLink | None:
    try:
        content = json.loads(_record(key).read_text(encoding="utf-8"))
        if _reads(key).exists():
            content |= json.loads(_reads(key).read_text(encoding="utf-8"))
        about = content.pop("dataset")
        dataset = LiveDataset(**{**about, "path": Path(about["path"])})
        link = LiveLink(dataset=dataset, **content)
    except (OSError, ValueError, KeyError, TypeError):  # no such link, or a damaged record
        return None
    alive = (not link.ends or link.ends > time.time()) and dataset.path.is_file()
    return link if alive else None
