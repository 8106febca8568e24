"""What a server does besides answering: import early what is slow to import, and sweep what nobody needs any more.

Swept is what killed processes left and what nobody has opened for long.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from anyio import to_thread

from cellucid_core.cache import cellucid_home, entries_of, note_of
from cellucid_core.configuration import read_configuration
from cellucid_core.database import leave
from cellucid_core.serving.incoming import sweep_incoming
from cellucid_core.serving.jobs import Workers, set_workers, sweep_jobs
from cellucid_core.serving.live import sweep_links
from cellucid_core.serving.logs import LOGGER, log_error
from cellucid_core.serving.sign_in import sweep_sign_ins
from cellucid_core.serving.workspaces import files_in_use, owner_keeps, sweep_workspaces

#: Drafts (hidden names) that nothing was written to for so long belong to no living process.
_DRAFT_SECONDS = 3600.0
#: Folders whose files can be made again from an upload, and uploads themselves.
_USED_UP = (
    "uploads",
    "unpacked",
    "rewritten",
    "stores",
    "hashes",
    "computed",
    "exports",
    "live",
    "collections",
    "scratch",
)
#: Folders of what lasts, in which only drafts are deleted.
_LASTING = ("incoming", "library", "library/*", "demo", "demo/*", "collections/*")
#: Folders in which `tempfile` makes others; elsewhere a name may begin as theirs do.
_TEMPORARY = ("unpacked", "scratch")
_PAUSE = 3600.0
#: Packages that charts and tests need, and that the command line and a page without data do without.
_FIRST_NEEDED = ("altair", "scipy.stats")


def sweep(now: float | None = None, *, draft_seconds: float = _DRAFT_SECONDS) -> int:
    """Delete half-made files, expired uploads, old jobs, and what nobody has opened for ``CELLUCID_TIME_TO_LIVE``.

    Jobs that a server left when it died are marked as interrupted.

    What a living workspace refers to counts as used.

    Parameters
    ----------
    now
        Seconds since 1970; by default the time.
    draft_seconds
        How long a draft must have been left alone.

    Returns
    -------
    int
        How many files and folders went.
    """
    now = time.time() if now is None else now
    home, lifetime = cellucid_home(), read_configuration().time_to_live
    gone = sweep_incoming(now, owner_keeps) + sweep_sign_ins(now) + sweep_workspaces(now) + sweep_jobs(now)
    gone += sweep_links(now)
    in_use = {(path.parent.name, path.name) for path in files_in_use()}
    for name in _USED_UP:
        entries = entries_of(home / name)
        used: dict[str, float] = {}
        for path in entries:  # files that belong together are told by the beginning of their names
            used[_group(path)] = max(used.get(_group(path), 0), _last_used(path), _last_hashed(path))
            if (name, path.name) in in_use:
                used[_group(path)] = now
        for path in entries:
            if path.suffix == ".lock":  # deleting a lock that is held would let two in
                continue
            if now - used[_group(path)] > (draft_seconds if _is_draft(path) else lifetime):
                _delete(path)
                gone += 1
    for pattern in _LASTING:
        for path in home.glob(f"{pattern}/.*"):
            if now - _last_used(path) > draft_seconds:
                _delete(path)
                gone += 1
    return gone


def _is_draft(path: Path) -> bool:
    # `complete_or_absent` and stores begin hidden; folders of `tempfile` are where zips are unpacked to.
    return path.name.startswith(".") or (path.name.startswith("tmp") and path.parent.name in _TEMPORARY)


def _group(path: Path) -> str:
    return path.name if _is_draft(path) else path.name.split(".")[0]


def _last_hashed(path: Path) -> float:
    """Return when `content_hash` last knew a file: opening leaves the file itself as it is."""
    with suppress(OSError):
        return note_of(path).stat().st_mtime
    return 0.0


def _last_used(path: Path) -> float:
    """Return when something was last written or marked as used, of a folder also any file in it."""
    latest = 0.0
    for file in (path, *(entries_of(path) if path.is_dir() and not path.is_symlink() else ())):
        with suppress(OSError):
            latest = max(latest, file.lstat().st_mtime)
    return latest


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Start the workers; sweep when the server starts and every hour; for ``st.App(lifespan=…)``."""
    # What was half-made when the last server died has nobody left to finish it once this one alone runs here; others
    # may share the folder, so drafts still get their hour.
    tasks = [asyncio.create_task(_sweep_again_and_again()), asyncio.create_task(to_thread.run_sync(warm_up))]
    crew = Workers()
    set_workers(crew)
    LOGGER.info("started")
    try:
        yield
    finally:
        set_workers(None)
        await to_thread.run_sync(crew.close)
        await to_thread.run_sync(leave)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        LOGGER.info("stopped")


def warm_up() -> None:
    """Import what the first chart and the first test would otherwise wait for, about a second."""
    for name in _FIRST_NEEDED:
        try:
            import_module(name)
        except Exception as error:  # whoever needs it will say so
            log_error(error, "warm-up")


async def _sweep_again_and_again() -> None:
    while True:
        try:
            gone = await to_thread.run_sync(sweep)
            if gone:
                LOGGER.info("swept", extra={"facts": {"files": gone}})
        except Exception as error:  # a disk that fails now may work in an hour; serving goes on
            log_error(error, "sweep")
        await asyncio.sleep(_PAUSE)
