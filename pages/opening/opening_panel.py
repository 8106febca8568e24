"""Open a dataset from the browser: upload, a file on the server, or the demo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

import streamlit as st

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import bytes_hash, home_folder, stamp_of
from cellucid_core.dataset import (
    DEMO,
    Dataset,
    DatasetSource,
    Mapping,
    View,
    default_mapping,
    joined_name,
)
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.names import unique
from cellucid_core.preflight import preflight
from cellucid_core.reading import is_matrix_market
from cellucid_core.serving import pack_uploads, server_files, server_path, upload_suffix
from cellucid_core.serving.jobs import JobProgress, open_job, submit
from pages.opening.upload import finish, take, uploaded_tokens
from pages.session.jobs import follow
from pages.session.keeping import keeper
from pages.session.owner import owner
from pages.session.recalling import recall
from pages.session.state import show_error, workspace

#: The box whose upload has arrived, and its token; then the box and what is being opened: a click elsewhere loses
#: neither.
_ARRIVED, _PENDING = "arrived", "opening"


@st.cache_resource(show_spinner=False, max_entries=32)
def _shared_dataset(source: DatasetSource, stamp: str) -> Dataset:
    """Open a file once for all sessions, as long as it stays the same."""
    return source.open()


def _stamp(source: DatasetSource) -> str:
    """Return what changes with a file or folder of the server; uploads are named by their content."""
    return " ".join(stamp_of(Path(path)) for path in source.paths)


@st.cache_resource(show_spinner=False)
def _proven() -> set[tuple[DatasetSource, str]]:
    """What was opened in a process of its own, so that it can be opened in this one."""
    return {(DatasetSource(DEMO), "")}  # nothing in it is a stranger's


def open_source(source: DatasetSource, asked: str = "") -> None:
    """Open a dataset, showing progress, and make it this session's, with what was chosen there before.

    It is opened in a process of its own first, which may neither take for ever nor all memory, and keeps on disk what
    takes long; this process then finds it there, or makes it again if it was deleted since.

    Raises
    ------
    CellucidError
        If it cannot be opened; the session keeps what it had.
    """
    stamp = _stamp(source)
    if (source, stamp) not in _proven():
        _open_elsewhere(source, _give_up)
        if _stamp(source) != stamp:
            raise InputError(
                f"{source.name or 'The file'} was changed while it was opened.", "Open it again when it is complete."
            )
        _proven().add((source, stamp))
    progress = st.progress(0.0, text="Reading the tables …")
    try:
        dataset = _shared_dataset(source, stamp)

        def report(share: float) -> None:
            progress.progress(min(1.0, share), text=f"Arranging the matrix by gene … {share:.0%}")

        # Preflight reads the matrix, which builds its store on first use.
        found = preflight(View(dataset, default_mapping(dataset), report))
        keeper().keep()  # what was done on the dataset that was open until now
        workspace().open(dataset, source, found)
        keeper().automatic = False
        progress.empty()
        try:
            recall(asked)
        except BaseException:  # a click ended it: what is half taken up must not be kept as if it were meant
            workspace().put_down()
            raise
    finally:
        progress.empty()


def _give_up() -> None:
    """Forget what was to be opened."""
    st.session_state.pop(_PENDING, None)
    keeper().pending = ""


def arrange_matrix() -> None:
    """Have a matrix that was chosen just now arranged by gene, showing progress, before the page reads it.

    Where that takes too much, or is cancelled, the dataset is as it was opened, and the preflight page says why.
    """
    work = workspace()
    if work.dataset is None or work.source is None or work.source.path == DEMO or work.mapping.matrix is None:
        return
    dataset, source = work.dataset, work.source
    arranged: set[tuple[str, str, str]] = st.session_state.setdefault("arranged", set())
    wanted = (dataset.content_hash, work.mapping.matrix, work.mapping.turn)
    if wanted in arranged or wanted[1:] == (default_mapping(dataset).matrix, ""):
        return

    def back() -> None:
        work.open(dataset, source)

    try:
        _open_elsewhere(source, back, dataset.content_hash, work.mapping)
    except InputError:  # the page says the same where it reads the matrix
        arranged.add(wanted)
    except CellucidError as error:
        st.session_state["fix_error"] = error
        back()
    else:
        arranged.add(wanted)


def _open_elsewhere(
    source: DatasetSource, on_cancel: Callable[[], object], content_hash: str = "", mapping: Mapping | None = None
) -> None:
    known = replace(source, content_hash=content_hash)

    def words(progress: JobProgress) -> str:
        share = f" {progress.share:.0%}" if progress.share else ""
        return f"{progress.what or 'Reading the tables'} …{share}"

    for _ in range(2):
        job = submit(
            open_job,
            {"source": known, "mapping": mapping},
            owner=owner(),
            kind="open",
            title=source.name or "A dataset",
            key=f"open {known} {mapping.digest() if mapping else ''}",
        )
        follow(job, "opening", words, on_cancel)
        if job.state != "cancelled":  # else another tab did: a click on this one's button begins another run
            break
    job.result()


def forget(source: DatasetSource) -> None:
    """Drop what is held in memory of a file that is about to be deleted."""
    _shared_dataset.clear(source, _stamp(source))


def try_source(source: DatasetSource, asked: str = "") -> bool:
    """Open a dataset as `open_source` and tell whether it worked; an error is shown as a sentence."""
    try:
        open_source(source, asked)
    except CellucidError as error:
        show_error(error)
        return False
    return True


def keep_upload(upload: object) -> Path:
    """Write an uploaded file to disk under the hash of its bytes and return its path."""
    data: memoryview = upload.getbuffer()  # type: ignore[attr-defined]
    suffix = upload_suffix(str(upload.name))  # type: ignore[attr-defined]
    folder = home_folder("uploads")
    target = folder / f"{bytes_hash(data)}{suffix}"
    if not target.exists():
        with complete_or_absent(target) as draft:
            draft.write_bytes(data)
    return target


def upload_box(key: str, more_of: DatasetSource | None = None) -> bool:
    """Draw the upload box; tell whether a dataset was opened from it in this run.

    Parameters
    ----------
    more_of
        What is open: what is uploaded joins its samples.
    """
    arrived = None
    try:
        title = "Drop a file here, or several samples" if more_of is None else "Drop a sample here, or several"
        tokens = uploaded_tokens(key, title)
        if tokens is not None:
            st.session_state[_ARRIVED] = (key, tokens)
        box, waiting = st.session_state.get(_ARRIVED, ("", None))
        if box == key and waiting is not None:
            arrived = waiting
            _receive(key, arrived, more_of)
        box, source = st.session_state.get(_PENDING, ("", None))
        if box == key and source is not None:
            try:
                open_source(source)
            except CellucidError:
                st.session_state.pop(_PENDING, None)
                raise
            st.session_state.pop(_PENDING, None)
            st.session_state.pop(f"{key}_error", None)
            return True
    except CellucidError as refused:
        # Kept, so that the message stays until something else is uploaded.
        st.session_state[f"{key}_error"] = refused
        if arrived is not None:
            st.rerun()  # so that the box is drawn free again
    if (error := st.session_state.get(f"{key}_error")) is not None:
        show_error(error)
    return False


def _receive(key: str, tokens: str, more_of: DatasetSource | None) -> None:
    """Take an upload from the box; if a click ends this, the next run takes it up again."""
    try:
        st.session_state[_PENDING] = (key, _uploaded([take(token) for token in tokens.split()], more_of))
    except CellucidError:
        _received(tokens)
        raise
    _received(tokens)


def _uploaded(files: list[tuple[Path, str]], more_of: DatasetSource | None) -> DatasetSource:
    """Return how files that were uploaded together are opened: as samples, or the files of a matrix as one."""
    if len(files) > 1 and any(is_matrix_market(name) for _, name in files):
        files = [(pack_uploads(files), "samples.zip")]
    named = [DatasetSource(str(path), name.removesuffix("".join(path.suffixes)) or name) for path, name in files]
    if more_of is None and len(named) == 1:
        return named[0]
    dataset = workspace().dataset
    before = () if more_of is None or dataset is None else more_of.as_parts(dataset)
    parts = (*before, *named)
    names = unique(str(part.name) for part in parts)
    parts = tuple(replace(part, name=name) for part, name in zip(parts, names, strict=True))
    joined = DatasetSource("", joined_name(names), parts=parts)
    return joined if more_of is None else replace(joined, join=more_of.join, sample_column=more_of.sample_column)


def _received(tokens: str) -> None:
    st.session_state.pop(_ARRIVED, None)
    finish(tokens)


def demo_button(key: str, *, primary: bool = False) -> bool:
    """Draw the button that opens the demo; tell whether it was opened in this run."""
    clicked = st.button(
        "Open the demo",
        key=key,
        icon=":material/play_arrow:",
        type="primary" if primary else "secondary",
        width="stretch",
    )
    return clicked and try_source(DatasetSource(DEMO))


def server_box(key: str) -> bool:
    """Draw the list of files that the operator offers, if any; tell whether one was opened in this run."""
    files = {file.shown: file for file in server_files()}
    if not files:
        return False
    name = st.selectbox("On this server", list(files), key=key, index=None, placeholder="Choose a file …")
    if name is None or not st.button("Open it", key=f"{key}_open", icon=":material/folder_open:", width="stretch"):
        return False
    path = server_path(files[name].root, files[name].relative)
    return try_source(DatasetSource(str(path), PurePath(str(path)).stem))
