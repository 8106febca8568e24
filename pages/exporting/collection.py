"""The session's collection: finished exports in one folder, downloaded as one zip with ``datasets.json``."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from cellucid_core.cache import home_folder
from cellucid_core.configuration import format_size
from cellucid_core.errors import CellucidError
from cellucid_core.export import Collection, read_root, remove_from_root, write_datasets
from cellucid_core.serving.jobs import Job, gather_job, submit, zip_job
from cellucid_core.serving.workspaces import files_in_use
from pages.session.jobs import follow, is_news, latest, my_job, told
from pages.session.keeping import COLLECTION
from pages.session.owner import owner, who_may
from pages.session.state import counted, literal, show_error
from pages.widgets.download import download_link, offer

_ZIP, _ERROR = "collection_zip", "collection_error"
#: Session state: id of the job that works on the collection.
_JOB = "collection_job"
#: Seconds after its last change after which a collection that no workspace refers to is deleted.
_LIFETIME = 48 * 3600


@dataclass(frozen=True)
class _Zip:
    """A zip of the collection as it is now, and the token to download it (see `offer`)."""

    path: Path
    token: str | None


def collection_box(export: Path | None = None, dataset_id: str = "") -> None:
    """Draw the session's collection, with a button that adds a finished export to it.

    Parameters
    ----------
    export
        The finished export, a zip or a folder; None draws only what the collection holds already.
    dataset_id
        The id of the export's dataset.
    """
    with st.container(border=True, key="collection_box"):
        st.markdown("**Collection**")
        if error := st.session_state.pop(_ERROR, None):
            show_error(error)
        try:
            found = _collection()
        except CellucidError as error:
            show_error(error)
            return
        known = [] if found is None else [member.id for member in found.members]
        if not known:
            st.caption("Collect several exports in one folder, with the list that the viewer shows.")
        if export is not None:
            _add_button(export, dataset_id, replace=dataset_id in known)
        _follow()
        if found is not None and known:
            _show_members(found)
            _show_default(found)
            _show_zip(found)


def _add_button(export: Path, dataset_id: str, *, replace: bool) -> None:
    label = f"Replace {literal(dataset_id)} in the collection" if replace else "Add this export to the collection"
    icon = ":material/sync:" if replace else ":material/playlist_add:"
    if not st.button(label, key="collection_add", icon=icon, width="stretch"):
        return
    try:
        job = submit(
            gather_job,
            {"export": str(export), "root": str(_root()), "replace": replace},
            owner=owner(),
            kind="gather",
            title=f"{dataset_id} into the collection",
            about={"root": str(_root())},
            key=f"gather {_root()} {dataset_id}",
        )
    except CellucidError as error:
        st.session_state[_ERROR] = error
    else:
        st.session_state[_JOB] = job.id
    st.rerun()


def _follow() -> None:
    """Wait for the job that works on the collection, take over its result, and run the page again."""
    if _JOB not in st.session_state and COLLECTION in st.session_state:  # a new session goes on with earlier jobs
        root = st.session_state[COLLECTION]
        begun = [latest(kind, lambda job: job.about.get("root") == root) for kind in ("gather", "zip")]
        st.session_state[_JOB] = next((job.id for job in begun if job is not None), None)
    job = my_job(st.session_state.get(_JOB))
    if job is None or not is_news(job):
        return
    follow(job, "collection")
    told(job)
    if job.kind == "gather" and job.state == "done":
        _forget_zip()
    elif job.state == "done":
        path = Path(job.result()["path"])
        if _is_current(job):
            st.session_state[_ZIP] = _Zip(path, offer(path, "exports.zip"))
        else:
            path.unlink(missing_ok=True)
    elif job.state != "cancelled":
        try:
            job.result()
        except CellucidError as error:
            st.session_state[_ERROR] = error
    st.rerun()


def _is_current(made: Job) -> bool:
    """Tell whether a zip is of the collection as it is now."""
    changed = _root() / "datasets.json"
    return changed.is_file() and changed.stat().st_mtime <= made.record.created


def _show_members(found: Collection) -> None:
    for number, member in enumerate(found.members):
        text, remove = st.columns([6, 1], vertical_alignment="center")
        text.markdown(
            f"**{literal(member.name)}**  \n:small[{literal(member.id)} · {counted(member.n_cells, 'cell')} · "
            f"{counted(member.n_genes, 'gene')}]"
        )
        remove.button(
            "",
            key=f"collection_remove_{number}_{member.id}",
            icon=":material/delete:",
            type="tertiary",
            help=f"Remove {literal(member.id)} from the collection",
            on_click=_change,
            args=(lambda member=member: remove_from_root(member.id, found.root),),
        )


def _show_default(found: Collection) -> None:
    ids = [member.id for member in found.members]
    if len(ids) < 2:
        return
    # The key differs for every state of the list, so that the box always shows the choice on disk.
    key = f"collection_default_{found.default}_{'_'.join(ids)}"
    st.selectbox(
        "The viewer opens first",
        ids,
        index=ids.index(found.default),
        key=key,
        on_change=lambda: _change(lambda: write_datasets(found.root, st.session_state[key])),
    )


def _show_zip(found: Collection) -> None:
    made: _Zip | None = st.session_state.get(_ZIP)
    if made is None or not made.path.is_file():
        if not st.button(
            "Make one zip of all exports", key="collection_make", icon=":material/archive:", width="stretch"
        ):
            return
        try:
            job = submit(
                zip_job,
                {"root": str(found.root)},
                owner=owner(),
                kind="zip",
                title="The collection as one zip",
                about={"root": str(found.root)},
                key=f"zip {found.root}",
            )
        except CellucidError as error:
            show_error(error)
            return
        st.session_state[_JOB] = job.id
        st.rerun()
    size = format_size(made.path.stat().st_size)
    download_link(made.token, f"Download the collection ({size})", kind="secondary")


# ---- state ---------------------------------------------------------------------------------------------------------


def _root() -> Path:
    """Return the folder of the session's collection, with a random name that cannot be guessed."""
    if COLLECTION not in st.session_state:
        folder = home_folder("collections")
        _delete_old(folder)
        st.session_state[COLLECTION] = str(folder / secrets.token_hex(16))
    return Path(st.session_state[COLLECTION])


def _collection() -> Collection | None:
    """Return the session's collection, or None if nothing was gathered yet."""
    if COLLECTION not in st.session_state or not _root().is_dir():
        return None
    return read_root(_root())


@who_may
def _change(change: Callable[[], Collection]) -> None:
    """Carry out a change, and delete the zip, which no longer matches."""
    try:
        change()
    except CellucidError as error:
        st.session_state[_ERROR] = error
    else:
        _forget_zip()


def _forget_zip() -> None:
    made: _Zip | None = st.session_state.pop(_ZIP, None)
    if made is not None:
        made.path.unlink(missing_ok=True)
    job = my_job(st.session_state.get(_JOB))
    if job is not None and job.kind == "zip":  # it packs the collection as it was before
        job.cancel()


def _delete_old(folder: Path) -> None:
    in_use = {path.name for path in files_in_use()}
    for old in folder.iterdir():
        with suppress(OSError):  # another session deletes them, too
            changed = max((p.stat().st_mtime for p in (old, old / "datasets.json") if p.exists()), default=time.time())
            if old.name not in in_use and time.time() - changed > _LIFETIME:
                shutil.rmtree(old, ignore_errors=True)
