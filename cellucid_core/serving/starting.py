"""What a server does besides answering: it starts workers, imports slow packages early, and sweeps the home folder.

It sweeps what killed processes left and what nobody has opened for long.
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

#: Seconds after which a draft (a hidden name) that nothing was written to belongs to no living process.
_DRAFT_SECONDS = 3600.0
#: Folders in which everything is deleted that was not used for long: uploads, and what is made from datasets.
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
#: Folders in which only drafts are deleted.
_LASTING = ("incoming", "library", "library/*", "demo", "demo/*", "collections/*")
#: Folders in which names with ``tmp`` are made by `tempfile`; elsewhere such a name means nothing.
_TEMPORARY = ("unpacked", "scratch")
#: Seconds between two sweeps.
_PAUSE = 3600.0
#: Packages for charts and tests, which the command line and a page without data do not need.
_FIRST_NEEDED = ("altair", "scipy.stats")


def sweep(now: float | None = None, *, draft_seconds: float = _DRAFT_SECONDS) -> int:
    """Delete half-made files, expired uploads, old jobs, and what nobody has opened for ``CELLUCID_TIME_TO_LIVE``.

    What a living workspace refers to counts as used. Jobs whose server is gone are marked as interrupted.

    Parameters
    ----------
    now
        Seconds since 1970; by default the present time.
    draft_seconds
        Seconds for which a draft must not have been written to.

    Returns
    -------
    int
        How many files, folders and rows (uploads, browsers, workspaces, jobs, links) were deleted.
    """
    now = time.time() if now is None else now
    home, lifetime = cellucid_home(), read_configuration().time_to_live
    gone = sweep_incoming(now, owner_keeps) + sweep_sign_ins(now) + sweep_workspaces(now) + sweep_jobs(now)
    gone += sweep_links(now)
    in_use = {(path.parent.name, path.name) for path in files_in_use()}
    for name in _USED_UP:
        entries = entries_of(home / name)
        used: dict[str, float] = {}
        for path in entries:  # the names of files that belong together begin alike
            used[_group(path)] = max(used.get(_group(path), 0), _last_used(path), _last_hashed(path))
            if (name, path.name) in in_use:
                used[_group(path)] = now
        for path in entries:
            if path.suffix == ".lock":  # if a held lock were deleted, two could hold it
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
    # Files of `complete_or_absent` and stores have hidden names at first; zips are unpacked to folders of `tempfile`.
    return path.name.startswith(".") or (path.name.startswith("tmp") and path.parent.name in _TEMPORARY)


def _group(path: Path) -> str:
    return path.name if _is_draft(path) else path.name.split(".")[0]


def _last_hashed(path: Path) -> float:
    """Return when `content_hash` was last asked for a file, in seconds since 1970; opening does not touch the file."""
    with suppress(OSError):
        return note_of(path).stat().st_mtime
    return 0.0


def _last_used(path: Path) -> float:
    """Return when a file, or a folder or a file in it, was last written or marked as used, in seconds since 1970."""
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
    """Start the workers, and sweep when the server starts and every hour; for ``st.App(lifespan=…)``."""
    # Drafts of a server that died keep their hour even now: another server may share the folder.
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
    """Import what the first chart and the first test would otherwise wait for, for about a second."""
    for name in _FIRST_NEEDED:
        try:
            import_module(name)
        except Exception as error:  # whoever needs it reports the error
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
