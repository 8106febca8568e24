"""The workspaces that a browser or a signed-in user has."""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from cellucid_core.database import owner_mark, reading, upsert, workspace_owners, workspaces, writing
from cellucid_core.serving.workspaces.files import oldest_opening

#: Largest number of workspaces that are listed for an owner; links to older ones still work.
MAX_LISTED = 200
#: Seconds between the times of use of workspaces that are given to another owner, which keep their order this way.
_STEP = 1e-6
_OWNED = workspace_owners.c


def owners_workspaces(owner: str) -> list[str]:
    """Return the names of an owner's workspaces that are alive, the one used last first."""
    with reading() as connection:
        return _living(connection, owner_mark(owner))


def latest_workspace(owner: str) -> str | None:
    """Return the name of the workspace that an owner used last, or None."""
    return next(iter(owners_workspaces(owner)), None)


def note_workspace(owner: str, name: str) -> None:
    """Note that an owner has a workspace and used it last; does nothing if the workspace is gone."""
    mark = owner_mark(owner)
    latest = select(_OWNED.workspace).where(_OWNED.owner == mark).order_by(_OWNED.used.desc())
    with reading() as connection:
        if connection.scalar(latest.limit(1)) == name:
            return
    with writing() as connection:
        there = select(workspaces.c.name).where(workspaces.c.name == name).with_for_update(read=True)
        if connection.scalar(there) is not None:
            upsert(connection, workspace_owners, {"owner": mark, "workspace": name, "used": time.time()})
            beyond = list(connection.scalars(latest.offset(MAX_LISTED)))
            connection.execute(delete(workspace_owners).where(_OWNED.owner == mark, _OWNED.workspace.in_(beyond)))


def pass_workspaces(
    connection: Connection, source: str, target: str, only: Collection[str] | None = None
) -> tuple[str, ...]:
    """Give the workspaces of one owner to another, who then has used them last.

    Parameters
    ----------
    connection
        The transaction in which rows are changed.
    source, target
        The owners that have the workspaces before and after.
    only
        Names of the workspaces to give; by default all.

    Returns
    -------
    tuple
        Names of those that the target did not have before.
    """
    here, there = owner_mark(source), owner_mark(target)
    if here == there:
        return ()
    theirs = _living(connection, there)
    going = [name for name in _living(connection, here) if only is None or name in only]
    now = time.time()
    for place, name in enumerate(going):  # in their order, as used later than the target's own
        upsert(connection, workspace_owners, {"owner": there, "workspace": name, "used": now - place * _STEP})
    connection.execute(delete(workspace_owners).where(_OWNED.owner == here, _OWNED.workspace.in_(going)))
    return tuple(name for name in going if name not in theirs)


def owners_of(connection: Connection, name: str) -> set[str]:
    """Return the marks (`owner_mark`) of the owners that have a workspace."""
    return set(connection.scalars(select(_OWNED.owner).where(_OWNED.workspace == name)))


def marked_names(connection: Connection, marks: Collection[str]) -> set[str]:
    """Return the names of the workspaces of owners, given by their marks."""
    return set(connection.scalars(select(_OWNED.workspace).where(_OWNED.owner.in_(marks))))


def _living(connection: Connection, mark: str) -> list[str]:
    query = (
        select(_OWNED.workspace)
        .join(workspaces)
        .where(_OWNED.owner == mark, workspaces.c.opened >= oldest_opening())
        .order_by(_OWNED.used.desc(), _OWNED.workspace)
    )
    return list(connection.scalars(query))
