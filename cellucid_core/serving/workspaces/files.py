"""Read and save workspaces, each a row of the database that is changed completely or not at all."""

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

#: Seconds after which a workspace that stays open is marked as used again, and a file that it does not use is deleted.
_AGAIN = 3600.0


class Gone(InputError):
    """The workspace was deleted meanwhile, in another tab or because nobody had opened it for long."""

    def __init__(self) -> None:
        super().__init__("This workspace was deleted.", "What you do from now on is kept in a new one.")


def create_workspace(content: dict[str, Any]) -> tuple[str, str]:
    """Add a row for a new workspace, without its content, and return its name and its token.

    Parameters
    ----------
    content
        As `workspace_to_json` returns it. Its ``seed`` is set here; `save_workspace` writes it.

    Raises
    ------
    DatabaseRefused
        If the database cannot be written.
    """
    content["seed"] = new_seed()
    token = token_of(content["seed"])
    name = name_of(token)
    with writing() as connection:
        connection.execute(insert(workspaces).values(name=name, revision=0, opened=time.time()))
    return name, token


def find_workspace(token: object) -> str | None:
    """Return the name of the workspace with a token; None if it is no token, or the workspace is not alive."""
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
    """Return the time, in seconds since 1970, since when a workspace must have been opened to be alive."""
    return (time.time() if now is None else now) - read_configuration().time_to_live


def mark_opened(name: str) -> None:
    """Note that a workspace is in use; writes once an hour at most, or every tenth of ``CELLUCID_TIME_TO_LIVE``."""
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
    """Return the revision of a workspace, which changes with every save; None if it is gone or was never saved."""
    with reading() as connection:
        written = workspaces.c.content.is_not(None)
        return connection.scalar(select(workspaces.c.revision).where(workspaces.c.name == name, written))


def read_workspace(name: str) -> KeptWorkspace:
    """Return a workspace.

    Raises
    ------
    Gone
        If there is none of this name, or it was never saved.
    InputError
        If a newer version wrote it, or it is damaged.
    """
    with reading() as connection:
        content = connection.scalar(select(workspaces.c.content).where(workspaces.c.name == name))
    if content is None:
        raise Gone
    return _checked(content)


def save_workspace(name: str, base: dict[str, Any], mine: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Save what changed since `base`, merged with what others saved meanwhile.

    Two tabs (or two people with the link) do not lose each other's work: what only one of them changed is taken from
    that one, down to single choices, widgets and pages; where both changed the same, the later one is kept
    (`merging.merge`).

    Parameters
    ----------
    name
        Name of the workspace.
    base
        The content when this session last read or saved it; empty for a workspace that was never saved.
    mine
        The content now, as `workspace_to_json` returns it.

    Returns
    -------
    dict
        The merged content.
    int
        Its revision.

    Raises
    ------
    Gone
        If the workspace was deleted.
    InputError
        If a newer version wrote it meanwhile, what is there is damaged, or the database cannot be written.
    ValueError
        If the merged content cannot be read back (`Damaged`), or holds numbers that JSON does not know.
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
            # Read back what will be written, so that nothing unreadable is saved.
            written = workspace_from_json(json.loads(json.dumps(merged, allow_nan=False)))
            kept = workspace_to_json(written)
            row = {"content": kept, "revision": written.revision, "opened": time.time()}
            connection.execute(update(workspaces).where(workspaces.c.name == name).values(**row))
    except DatabaseRefused as error:
        raise InputError(
            f"Your work could not be kept. {error.what}",
            "You can go on here, but reloading the page would lose your latest changes. Ask the server's operator to "
            "free some disk space.",
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
    """Delete files that the workspace does not use; another tab may be about to use those that are new."""
    named = {file for one in kept.datasets.values() for file in one.files}
    for path in entries_of(workspaces_folder() / name):
        with suppress(OSError):
            if path.name not in named and time.time() - path.stat().st_mtime > _AGAIN:
                path.unlink()
