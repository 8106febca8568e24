"""Read and write a workspace: a row of the database, complete or as it was before."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import insert, select, update

from cellucid_core.cache import entries_of
from cellucid_core.configuration import read_configuration
from cellucid_core.database import DatabaseRefused, reading, workspaces, writing
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

#: Seconds after which a workspace that stays open is marked as used again, and a file that it no longer names goes.
_AGAIN = 3600.0


class Gone(InputError):
    """The workspace was deleted meanwhile, by another tab or because nobody had opened it for long."""

    def __init__(self) -> None:
        super().__init__("This workspace was deleted.", "What you do from now on is kept in a new one.")


def create_workspace(content: dict[str, Any]) -> tuple[str, str]:
    """Make room for a workspace and return its name and its token.

    Parameters
    ----------
    content
        As `schema.workspace_to_json` returns it; it gets its seed here.
    """
    content["seed"] = new_seed()
    token = token_of(content["seed"])
    name = name_of(token)
    with writing() as connection:
        connection.execute(insert(workspaces).values(name=name, revision=0, opened=time.time()))
    return name, token


def find_workspace(token: object) -> str | None:
    """Return the name of the workspace that a link leads to; None for no token, or one unknown, deleted or expired."""
    if not is_token(token):
        return None
    name = name_of(str(token))
    return name if is_alive(name) else None


def is_alive(name: str, now: float | None = None) -> bool:
    """Tell whether a workspace is there and was opened within ``CELLUCID_TIME_TO_LIVE``."""
    if not is_name(name):
        return False
    with reading() as connection:
        found = select(workspaces.c.name).where(workspaces.c.name == name, workspaces.c.opened >= oldest_opening(now))
        return connection.scalar(found) is not None


def oldest_opening(now: float | None = None) -> float:
    """Return when a workspace must have been opened last, at the latest, to be alive; seconds since 1970."""
    return (time.time() if now is None else now) - read_configuration().time_to_live


def mark_opened(name: str) -> None:
    """Note that a workspace is in use; writes at most once an hour, or ten times in a lifetime of less."""
    now = time.time()
    since = now - min(_AGAIN, read_configuration().time_to_live / 10)
    old = (workspaces.c.name == name) & (workspaces.c.opened < since)
    with suppress(DatabaseRefused):
        with reading() as connection:
            if connection.scalar(select(workspaces.c.name).where(old)) is None:
                return
        with writing() as connection:
            connection.execute(update(workspaces).where(old).values(opened=now))


def stamp_of(name: str) -> int | None:
    """Return what changes whenever a workspace is written; None if it is gone."""
    with reading() as connection:
        written = workspaces.c.content.is_not(None)
        return connection.scalar(select(workspaces.c.revision).where(workspaces.c.name == name, written))


def read_workspace(name: str) -> KeptWorkspace:
    """Return a workspace.

    Raises
    ------
    Gone
        If there is none of this name, or it was never written.
    InputError
        If a newer version wrote it, or what was taken over from an old home cannot be read.
    """
    with reading() as connection:
        content = connection.scalar(select(workspaces.c.content).where(workspaces.c.name == name))
    if content is None:
        raise Gone
    return _checked(content)


def save_workspace(name: str, base: dict[str, Any], mine: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Write what changed since `base`, merged with what others wrote meanwhile; return it all, and its stamp.

    Two tabs (or two people with the link) do not lose each other's work: what only one of them changed is taken from
    that one, down to single choices, widgets and pages; where both changed the same, the later writer wins
    (`merging.merge`).

    Parameters
    ----------
    name
        Of the workspace.
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
    try:
        with writing() as connection:
            query = select(workspaces.c.content).where(workspaces.c.name == name).with_for_update()
            found = connection.execute(query).first()
            if found is None:
                raise Gone
            theirs = workspace_to_json(_checked(found.content)) if found.content is not None else {}
            merged: dict[str, Any] = merge(base, mine, theirs) if theirs else dict(mine)
            merged["revision"] = max(int(mine.get("revision", 0)), int(theirs.get("revision", 0))) + 1
            _forget_oldest(merged)
            # What is written is what will be read: numbers that JSON does not know are refused here.
            written = workspace_from_json(json.loads(json.dumps(merged, allow_nan=False)))
            kept = workspace_to_json(written)
            row = {"content": kept, "revision": written.revision, "opened": time.time()}
            connection.execute(update(workspaces).where(workspaces.c.name == name).values(**row))
    except DatabaseRefused as error:
        raise InputError(
            f"Your work could not be kept. {error.what}",
            "It goes on here, but would be lost with a reload. Ask the server's operator to free some disk space.",
        ) from error
    _tidy(name, written)
    return kept, written.revision


def _checked(content: Any) -> KeptWorkspace:
    try:
        return workspace_from_json(content)
    except Damaged as error:
        raise InputError("This workspace is damaged and cannot be read.", "Begin a new one.") from error


def _forget_oldest(content: dict[str, Any]) -> None:
    datasets = content["datasets"]
    for key in sorted(datasets, key=lambda key: -float(datasets[key]["opened"]))[MAX_DATASETS:]:
        del datasets[key]


def _tidy(name: str, kept: KeptWorkspace) -> None:
    """Delete files that nothing names any more; another tab may be about to name those that are new."""
    named = {file for one in kept.datasets.values() for file in one.files}
    for path in entries_of(workspaces_folder() / name):
        with suppress(OSError):
            if path.name not in named and time.time() - path.stat().st_mtime > _AGAIN:
                path.unlink()
