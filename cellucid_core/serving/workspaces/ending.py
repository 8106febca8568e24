"""Delete workspaces, when somebody asks for it or after nobody opened them for long, and know which files they use."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import delete, select

from cellucid_core.cache import cellucid_home, entries_of, home_folder, note_of, turned_hash
from cellucid_core.configuration import read_configuration
from cellucid_core.database import owner_mark, reading, workspace_owners, workspaces, writing
from cellucid_core.errors import InputError
from cellucid_core.serving.jobs import delete_jobs
from cellucid_core.serving.kept_uploads import forget_kept
from cellucid_core.serving.workspaces.files import oldest_opening
from cellucid_core.serving.workspaces.owned import marked_names, owners_of
from cellucid_core.serving.workspaces.schema import KeptDataset, KeptWorkspace
from cellucid_core.serving.workspaces.tokens import is_name, workspaces_folder
from cellucid_core.serving.workspaces.workspace_json import Damaged, workspace_from_json

#: Folders of what is made from a dataset, and how many digits of the dataset's hash are in the names there.
_MADE = ("unpacked", "rewritten", "stores")
_HASH_IN_NAME = 40


def delete_workspace(name: str, owner: str | None = None) -> None:
    """Delete a workspace at once, with its links and with the exports and uploads that no other workspace refers to.

    What was made from these uploads (stores, unpacked files) is deleted too, and so are jobs that use what is deleted,
    with the exports they wrote. Files in the server's own folders stay, and so does an upload that somebody else has
    also sent and may be opening now.

    Parameters
    ----------
    name
        Name of the workspace.
    owner
        Owner who deletes it, besides the owners that have it.

    Raises
    ------
    DatabaseRefused
        If the database cannot be used.
    """
    with writing() as connection:
        whose = owners_of(connection, name) | ({owner_mark(owner)} if owner else set())
        found = connection.execute(
            delete(workspaces).where(workspaces.c.name == name).returning(workspaces.c.content)
        ).first()
        if found is None:
            return
        theirs = marked_names(connection, whose)
    shutil.rmtree(workspaces_folder() / name, ignore_errors=True)
    try:
        kept = workspace_from_json(found.content)
    except (Damaged, InputError):  # `starting.sweep` deletes what it used later
        return
    _delete_used(kept, whose, theirs)


def _delete_used(kept: KeptWorkspace, whose: set[str], theirs: set[str]) -> None:
    others = dict(_living())
    in_use = {path for other in others.values() for path in _files(other)}
    uploads = home_folder("uploads").resolve()

    unused = _files(kept) - in_use
    wanted = {path for path in unused if path.parent == uploads and not forget_kept(path.name, whose)}
    gone = unused - wanted
    # Jobs on data that another workspace of the same owners holds are kept for that one.
    contents = kept.datasets.keys() - {content for name in theirs & others.keys() for content in others[name].datasets}
    paths = {str(path) for path in gone}
    delete_jobs(lambda job: bool(paths & {*job.uses} or (job.owner in whose and contents & {*job.uses})))
    for path in gone:
        if path.parent == uploads:
            note = note_of(path)
            for one in note.parent.glob(f"{note.stem}.*"):
                one.unlink(missing_ok=True)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    made = ((content, one) for content, one in kept.datasets.items() if _uploaded(one, uploads))
    mine = _keys(*((content, one) for content, one in made if not _uploaded(one, uploads) <= wanted))
    mine -= {key for other in others.values() for key in _keys(*other.datasets.items())}  # from anywhere
    for place in _MADE:
        for path in entries_of(cellucid_home() / place):
            if any(key in path.name for key in mine):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def owner_keeps(owner: str, kept: str) -> bool:
    """Tell whether a living workspace of an owner, given by the mark, refers to a finished upload."""
    path = home_folder("uploads").resolve() / kept
    return any(path in _files(one) for _, one in _living(owner))


def files_in_use() -> set[Path]:
    """Return the uploads, exports and collections that living workspaces refer to."""
    return {path for _, kept in _living() for path in _files(kept)}


def sweep_workspaces(now: float | None = None) -> int:
    """Delete workspaces that nobody opened for ``CELLUCID_TIME_TO_LIVE``, with their links; return how many.

    The files that they used are left to `starting.sweep`, which looks at when each was last used.
    """
    now = time.time() if now is None else now
    folders = entries_of(cellucid_home() / "workspaces")  # before the rows: a folder is created after its row
    with writing() as connection:
        old = delete(workspaces).where(workspaces.c.opened < oldest_opening(now))
        gone = set(connection.scalars(old.returning(workspaces.c.name)))
        names = set(connection.scalars(select(workspaces.c.name)))
    for folder in folders:
        with suppress(OSError):
            if is_name(folder.name) and folder.name not in names:
                # Old folders only: a server with the wrong database must not delete those of the right one.
                left = now - folder.stat().st_mtime > read_configuration().time_to_live
                if folder.name in gone or left:
                    shutil.rmtree(folder, ignore_errors=True)
    return len(gone)


def _living(owner: str | None = None) -> Iterator[tuple[str, KeptWorkspace]]:
    """Yield (name, workspace) of those that are alive, of all owners or of one given by the mark."""
    query = select(workspaces.c.name, workspaces.c.content).where(workspaces.c.opened >= oldest_opening())
    if owner is not None:
        query = query.join(workspace_owners).where(workspace_owners.c.owner == owner)
    with reading() as connection:
        rows = connection.execute(query).all()
    for name, content in rows:
        with suppress(Damaged, InputError):
            yield name, workspace_from_json(content)


def _files(kept: KeptWorkspace) -> set[Path]:
    """Return the uploads, exports and collection that a workspace refers to; only paths directly in their folders."""
    uploads, exports = home_folder("uploads").resolve(), home_folder("exports").resolve()
    found = set()
    for one in kept.datasets.values():
        for path in one.source.paths:
            if Path(path).parent.resolve() == uploads and Path(path).name not in ("", ".", ".."):
                found.add(uploads / Path(path).name)
        file = one.export.get("file") if one.export else None
        if isinstance(file, str) and file and file == Path(file).name and file != "..":
            found.add(exports / file)
    if kept.collection:
        found.add(home_folder("collections").resolve() / kept.collection)
    return found


def _keys(*datasets: tuple[str, KeptDataset]) -> set[str]:
    """Return the beginnings of hashes that the names of files made from datasets hold."""
    keys = set()
    for content, one in datasets:
        contents = (content, *(part.content_hash for part in one.source.parts))
        places = (Path(path).name.split(".")[0] for path in one.source.files)
        digests = (*contents, *map(turned_hash, contents), *places)
        keys |= {digest[:_HASH_IN_NAME] for digest in digests}
    return {key for key in keys if len(key) == _HASH_IN_NAME}


def _uploaded(one: KeptDataset, uploads: Path) -> set[Path]:
    places = (Path(path).parent.resolve() / Path(path).name for path in one.source.files)
    return {place for place in places if place.parent == uploads}
