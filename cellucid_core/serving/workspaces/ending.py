"""The end of a workspace: asked for, or because nobody opened it for long; and what it keeps alive until then."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cellucid_core.cache import cellucid_home, entries_of, home_folder, note_of, turned_hash
from cellucid_core.configuration import read_configuration
from cellucid_core.database import owner_mark
from cellucid_core.errors import InputError
from cellucid_core.serving.incoming import Upload, forget_kept, owner_of
from cellucid_core.serving.jobs import delete_jobs
from cellucid_core.serving.live import withdraw_with
from cellucid_core.serving.workspaces.files import is_alive, last_opened, read_workspace
from cellucid_core.serving.workspaces.owned import listed_names, marked_names, owners_of, owners_workspaces
from cellucid_core.serving.workspaces.schema import KeptDataset, KeptWorkspace
from cellucid_core.serving.workspaces.tokens import is_name, workspaces_folder

#: Folders of what is made from a dataset, in names that hold the beginning of its hash.
_MADE = ("unpacked", "rewritten", "stores")
_HASH_IN_NAME = 40


def delete_workspace(name: str, owner: str | None = None) -> None:
    """Delete a workspace at once: its links, its exports and those of its uploads that no other workspace refers to.

    What was made from such an upload (stores, unpacked files) goes too, and jobs that work or worked with what is
    deleted, with the exports they wrote. Files of the server's own folders stay, and an upload that somebody else has
    sent, too, and may be opening just now.

    Parameters
    ----------
    name
        Of the workspace.
    owner
        Who deletes it, besides those who have it.
    """
    folder = workspaces_folder() / name
    if not is_name(name) or not folder.is_dir():
        return
    try:
        kept, _ = read_workspace(name)
    except InputError:  # damaged: what it used expires by itself
        kept = None
    whose = owners_of(name) | ({owner_mark(owner)} if owner else set())
    aside = workspaces_folder() / f".{name}.deleted"
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    (workspaces_folder() / f".{name}.lock").unlink(missing_ok=True)
    withdraw_with(name.__eq__)
    if kept is not None:
        _delete_used(kept, whose)


def _delete_used(kept: KeptWorkspace, whose: set[str]) -> None:
    others = dict(_living())
    in_use = {path for other in others.values() for path in _files(other)}
    uploads = home_folder("uploads").resolve()

    def is_mine(upload: Upload) -> bool:
        return owner_mark(owner_of(upload)) in whose

    unused = _files(kept) - in_use
    wanted = {path for path in unused if path.parent == uploads and not forget_kept(path.name, is_mine)}
    gone = unused - wanted
    # Another workspace of theirs goes on with what they have done to the same data.
    theirs = {name for mark in whose for name in marked_names(mark)} & others.keys()
    contents = kept.datasets.keys() - {content for name in theirs for content in others[name].datasets}
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
    mine -= {key for other in others.values() for key in _keys(*other.datasets.items())}  # from wherever they opened it
    for place in _MADE:
        for path in entries_of(cellucid_home() / place):
            if any(key in path.name for key in mine):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def owner_keeps(upload: Upload) -> bool:
    """Tell whether a living workspace of who sent a finished upload refers to it."""
    path = home_folder("uploads").resolve() / upload.kept
    for name in owners_workspaces(owner_of(upload)):
        with suppress(InputError):
            if path in _files(read_workspace(name)[0]):
                return True
    return False


def files_in_use() -> set[Path]:
    """Return the uploads, exports and collections that living workspaces refer to."""
    return {path for _, kept in _living() for path in _files(kept)}


def sweep_workspaces(now: float | None = None) -> int:
    """Delete workspaces that nobody opened for ``CELLUCID_TIME_TO_LIVE``, and owners' records as old; return how many.

    What they used is left to `starting.sweep`, which goes by its own age.
    """
    now = time.time() if now is None else now
    lifetime = read_configuration().time_to_live
    gone = 0
    for folder in entries_of(cellucid_home() / "workspaces"):
        if folder.name.endswith(".deleted"):  # killed while it was deleted
            shutil.rmtree(folder, ignore_errors=True)
        elif is_name(folder.name) and not is_alive(folder.name, now):
            opened = max(last_opened(folder), folder.lstat().st_mtime)  # one that is just being made has no files yet
            if now - opened > lifetime:
                shutil.rmtree(folder, ignore_errors=True)
                (folder.parent / f".{folder.name}.lock").unlink(missing_ok=True)
                gone += 1
    withdraw_with(lambda name: not (workspaces_folder() / name).is_dir())
    for record in entries_of(cellucid_home() / "workspaces" / "owners"):
        with suppress(OSError):
            if now - record.lstat().st_mtime > lifetime and not _lists_living(record):
                record.unlink()
    return gone


def _lists_living(record: Path) -> bool:
    return record.suffix == ".json" and any(is_alive(name) for name in listed_names(record))


def _living() -> Iterator[tuple[str, KeptWorkspace]]:
    for folder in entries_of(cellucid_home() / "workspaces"):
        if is_alive(folder.name):
            with suppress(InputError):
                yield folder.name, read_workspace(folder.name)[0]


def _files(kept: KeptWorkspace) -> set[Path]:
    """Return what a workspace refers to below the home folder; only names that lie right where they should."""
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
    """Return what names of files made from datasets hold, of each given its content hash and what it is."""
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
