"""Read and write a workspace: complete or not at all, with the last good copy beside it."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from cellucid_core.atomic import complete_or_absent
from cellucid_core.configuration import read_configuration
from cellucid_core.errors import InputError
from cellucid_core.serving.workspaces.merging import merge
from cellucid_core.serving.workspaces.schema import KeptWorkspace
from cellucid_core.serving.workspaces.tokens import is_name, is_token, name_of, new_seed, token_of, workspaces_folder
from cellucid_core.serving.workspaces.workspace_json import (
    MAX_DATASETS,
    Damaged,
    workspace_from_json,
    workspace_to_json,
)

FILE, LAST_GOOD, OPENED = "workspace.json", "last-good.json", "opened"
_MAX_BYTES = 32 * 2**20
#: Seconds after which a workspace that stays open is marked as used again, and a file that it no longer names goes.
_AGAIN = 3600.0
Stamp = tuple[int, int, int]


class Gone(InputError):
    """The workspace was deleted meanwhile, by another tab or because nobody had opened it for long."""

    def __init__(self) -> None:
        super().__init__("This workspace was deleted.", "What you do from now on is kept in a new one.")


def create_workspace(content: dict[str, Any]) -> tuple[str, str]:
    """Make a folder for a workspace and return its name and its token.

    Parameters
    ----------
    content
        As `schema.workspace_to_json` returns it; it gets its seed here.
    """
    content["seed"] = new_seed()
    token = token_of(content["seed"])
    name = name_of(token)
    folder = workspaces_folder() / name
    folder.mkdir(mode=0o700)
    mark_opened(name)
    return name, token


def find_workspace(token: object) -> str | None:
    """Return the name of the workspace that a link leads to; None for no token, or one unknown, deleted or expired."""
    if not is_token(token):
        return None
    name = name_of(str(token))
    return name if is_alive(name) else None


def is_alive(name: str, now: float | None = None) -> bool:
    """Tell whether a workspace is there and was opened within ``CELLUCID_TIME_TO_LIVE``."""
    now = time.time() if now is None else now
    if not is_name(name):
        return False
    return now - last_opened(workspaces_folder() / name) <= read_configuration().time_to_live


def last_opened(folder: Path) -> float:
    """Return when a workspace was last opened or written, in seconds since 1970; minus infinity if there is none."""
    latest = float("-inf")
    for file in (folder / OPENED, folder / FILE):
        with suppress(OSError):
            latest = max(latest, file.stat().st_mtime)
    return latest


def mark_opened(name: str) -> None:
    """Note that a workspace is in use; writes at most once an hour, or ten times in a lifetime of less."""
    note = workspaces_folder() / name / OPENED
    try:
        if time.time() - note.stat().st_mtime > min(_AGAIN, read_configuration().time_to_live / 10):
            os.utime(note)
    except FileNotFoundError:
        with suppress(OSError):
            os.close(os.open(note, os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        return


def stamp_of(name: str) -> Stamp | None:
    """Return what changes whenever a workspace is written; None if it is gone."""
    try:
        status = (workspaces_folder() / name / FILE).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_workspace(name: str) -> tuple[KeptWorkspace, str]:
    """Return a workspace, and a sentence where its last good copy had to stand in (else an empty one).

    Raises
    ------
    Gone
        If there is none of this name.
    InputError
        If a newer version wrote it, or nothing of it can be read.
    """
    folder = workspaces_folder() / name
    if not is_name(name) or not folder.is_dir():
        raise Gone
    try:
        return _read(folder / FILE), ""
    except Damaged:
        pass
    try:
        return (
            _read(folder / LAST_GOOD),
            "The newest copy of this workspace was damaged, so the one before it was taken.",
        )
    except Damaged as error:
        raise InputError("This workspace is damaged and cannot be read.", "Begin a new one.") from error


def _read(path: Path) -> KeptWorkspace:
    try:
        if path.is_symlink() or path.stat().st_size > _MAX_BYTES:
            raise Damaged("file")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged("file") from error
    return workspace_from_json(content)


def save_workspace(name: str, base: dict[str, Any], mine: dict[str, Any]) -> tuple[dict[str, Any], Stamp | None]:
    """Write what changed since `base`, merged with what others wrote meanwhile; return it all, and its stamp.

    Two tabs (or two people with the link) do not lose each other's work: what only one of them changed is taken from
    that one, down to single choices, widgets and pages; where both changed the same, the later writer wins
    (`merging.merge`).

    Parameters
    ----------
    name
        Of the workspace, whose folder is there.
    base
        What this session knew when it last read or wrote; empty for a workspace that was never written.
    mine
        What it is now.

    Raises
    ------
    Gone
        If the workspace was deleted.
    InputError
        If a newer version wrote it meanwhile, or the disk is full.
    """
    folder = workspaces_folder() / name
    try:
        with FileLock(workspaces_folder() / f".{name}.lock", mode=0o600):
            if not folder.is_dir():
                raise Gone
            theirs = workspace_to_json(read_workspace(name)[0]) if (folder / FILE).exists() or base else {}
            merged: dict[str, Any] = merge(base, mine, theirs) if theirs else dict(mine)
            merged["revision"] = max(int(mine.get("revision", 0)), int(theirs.get("revision", 0))) + 1
            _forget_oldest(merged)
            text = json.dumps(merged, allow_nan=False)
            kept = workspace_to_json(workspace_from_json(json.loads(text)))
            _keep_last_good(folder)
            with complete_or_absent(folder / FILE, mode=0o600) as draft:
                draft.write_text(text, encoding="utf-8")
            stamp = stamp_of(name)
            _tidy(folder, workspace_from_json(kept))
    except OSError as error:
        raise InputError(
            f"Your work could not be kept ({error.strerror or error}).",
            "It goes on here, but would be lost with a reload. Ask the server's operator to free some disk space.",
        ) from error
    return kept, stamp


def _forget_oldest(content: dict[str, Any]) -> None:
    datasets = content["datasets"]
    for key in sorted(datasets, key=lambda key: -float(datasets[key]["opened"]))[MAX_DATASETS:]:
        del datasets[key]


def _keep_last_good(folder: Path) -> None:
    try:
        _read(folder / FILE)
        text = (folder / FILE).read_bytes()
    except (Damaged, InputError, OSError):
        return  # what is there is no good copy
    with complete_or_absent(folder / LAST_GOOD, mode=0o600) as draft:
        draft.write_bytes(text)


def _tidy(folder: Path, kept: KeptWorkspace) -> None:
    """Delete files that nothing names any more; another tab may be about to name those that are new."""
    named = {file for one in kept.datasets.values() for file in one.files}
    with suppress(Damaged, InputError):
        named |= {file for one in _read(folder / LAST_GOOD).datasets.values() for file in one.files}
    for path in folder.iterdir():
        if path.name in named or path.name in (FILE, LAST_GOOD, OPENED):
            continue
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _AGAIN:
                path.unlink()
