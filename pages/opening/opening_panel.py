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

#: Session state: the box whose upload has arrived, and its tokens; the box and the source that is being opened. Both
#: survive a click elsewhere, which ends the run.
_ARRIVED, _PENDING = "arrived", "opening"


@st.cache_resource(show_spinner=False, max_entries=32)
def _shared_dataset(source: DatasetSource, stamp: str) -> Dataset:
    """Open a file once for all sessions, until its stamp changes."""
    return source.open()


def _stamp(source: DatasetSource) -> str:
    """Return a text that changes when one of the source's files or folders changes."""
    return " ".join(stamp_of(Path(path)) for path in source.paths)


@st.cache_resource(show_spinner=False)
def _proven() -> set[tuple[DatasetSource, str]]:
    """Return the sources (with their stamps) that a worker opened safely, so that this process may open them, too."""
    return {(DatasetSource(DEMO), "")}  # the demo is our own file


def open_source(source: DatasetSource, asked: str = "") -> None:
    """Open a dataset in this session, showing progress, with the choices that were made on it before.

    A worker opens it first, in a process with limits on time and memory, and keeps slow results (the gene-major store)
    on disk. This process then finds them there, or makes them again if they were deleted since.

    Parameters
    ----------
    asked
        As for `recall`.

    Raises
    ------
    CellucidError
        If it cannot be opened; the session keeps the dataset that was open.
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
        keeper().keep()  # the last changes on the dataset that was open until now
        workspace().open(dataset, source, found)
        keeper().automatic = False
        progress.empty()
        try:
            recall(asked)
        except BaseException:  # such as a click, which ends the run: half-recalled choices must not be kept
            workspace().put_down()
            raise
    finally:
        progress.empty()


def _give_up() -> None:
    """Forget the dataset that was about to be opened."""
    st.session_state.pop(_PENDING, None)
    keeper().pending = ""


def arrange_matrix() -> None:
    """Let a worker build the gene-major store of a newly chosen matrix, showing progress, before the page reads it.

    If that is cancelled, or would take too much, the dataset goes back to the default choices, without fixes; in the
    second case the preflight page says why. A matrix that cannot be read stays chosen: the page that reads it says so.
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
    except InputError:  # the page shows the same error when it reads the matrix
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
        if job.state != "cancelled":  # cancelled in another tab (here, the click would have ended this run): try again
            break
    job.result()


def forget(source: DatasetSource) -> None:
    """Drop a dataset from memory whose files are about to be deleted."""
    _shared_dataset.clear(source, _stamp(source))


def try_source(source: DatasetSource, asked: str = "") -> bool:
    """Open a dataset as `open_source` does and tell whether it worked; an error is shown as a sentence."""
    try:
        open_source(source, asked)
    except CellucidError as error:
        show_error(error)
        return False
    return True


def keep_upload(upload: object) -> Path:
    """Write a file of Streamlit's uploader to disk, named by the hash of its bytes, and return its path."""
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
        The source of the open dataset: uploaded files are added to its samples. None opens them as a new dataset.
    """
    arrived = None
    try:
        title = "Drop a file here, or several samples" if more_of is None else "Drop one or more samples here"
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
            st.rerun()  # so that the box takes another file
    if (error := st.session_state.get(f"{key}_error")) is not None:
        show_error(error)
    return False


def _receive(key: str, tokens: str, more_of: DatasetSource | None) -> None:
    """Note the source of an upload as the one to open; if a click ends this run, the next one does it again."""
    try:
        st.session_state[_PENDING] = (key, _uploaded([take(token) for token in tokens.split()], more_of))
    except CellucidError:
        _received(tokens)
        raise
    _received(tokens)


def _uploaded(files: list[tuple[Path, str]], more_of: DatasetSource | None) -> DatasetSource:
    """Return the source of files that were uploaded together: samples of one dataset, or the files of one matrix."""
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
    name = st.selectbox("A file on this server", list(files), key=key, index=None, placeholder="Choose a file …")
    if name is None or not st.button("Open it", key=f"{key}_open", icon=":material/folder_open:", width="stretch"):
        return False
    path = server_path(files[name].root, files[name].relative)
    return try_source(DatasetSource(str(path), PurePath(str(path)).stem))
