"""Which workspaces a browser, or a signed-in user, has: a small record for each, named by the owner's hash."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from filelock import FileLock

from cellucid_core.atomic import complete_or_absent
from cellucid_core.database import owner_mark
from cellucid_core.serving.workspaces.files import is_alive
from cellucid_core.serving.workspaces.tokens import is_name, workspaces_folder

#: Workspaces that a record lists; links to older ones work as ever.
MAX_LISTED = 200


def owners_workspaces(owner: str) -> list[str]:
    """Return the names of an owner's workspaces that are still there, the one used last first."""
    return [name for name in listed_names(_file(owner)) if is_alive(name)]


def latest_workspace(owner: str) -> str | None:
    """Return the workspace that an owner used last."""
    return next(iter(owners_workspaces(owner)), None)


def note_workspace(owner: str, name: str) -> None:
    """Note that an owner has a workspace and used it last."""
    file = _file(owner)
    if listed_names(file)[:1] == [name]:
        return
    with FileLock(file.with_suffix(".lock"), mode=0o600):
        _write(file, [name, *(other for other in listed_names(file) if other != name)])


def pass_workspaces(source: str, target: str, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Give another owner the workspaces of one, as those used last, and return the names of those that went.

    Parameters
    ----------
    source, target
        The owners.
    only
        The names that go; by default all.
    """
    here, there = _file(source), _file(target)
    if here == there or not here.exists():
        return ()
    first, second = sorted((here, there))  # the same order for who passes back
    with (
        FileLock(first.with_suffix(".lock"), mode=0o600),
        FileLock(second.with_suffix(".lock"), mode=0o600),
    ):
        mine, theirs = listed_names(here), listed_names(there)
        going = [name for name in mine if is_alive(name) and (only is None or name in only)]
        if going:  # a kill between the two leaves them with both, and the next time finds them here
            _write(there, [*going, *(name for name in theirs if name not in going)])
            _write(here, [name for name in mine if name not in going])
    return tuple(name for name in going if name not in theirs)


def _write(file: Path, names: list[str]) -> None:
    with complete_or_absent(file, mode=0o600) as draft:
        draft.write_text(json.dumps({"schema": 1, "workspaces": names[:MAX_LISTED]}), encoding="utf-8")


def _file(owner: str) -> Path:
    return workspaces_folder("owners") / f"{owner_mark(owner)}.json"


def owners_of(name: str) -> set[str]:
    """Return the marks (`owner_mark`) of the owners who have a workspace."""
    return {file.stem for file in workspaces_folder("owners").glob("*.json") if name in listed_names(file)}


def marked_names(mark: str) -> list[str]:
    """Return the names of workspaces in the record of an owner whose mark is known."""
    return listed_names(workspaces_folder("owners") / f"{mark}.json")


def listed_names(file: Path) -> list[str]:
    """Return the names of workspaces in an owner's record, whether they are still there or not."""
    try:
        content = json.loads(file.read_bytes())
        names = content["workspaces"] if content["schema"] == 1 else []
        return [name for name in names if is_name(name)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []  # a list that is lost costs links, no work
