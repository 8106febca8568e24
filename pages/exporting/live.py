"""Live links: the Cellucid viewer reads the dataset from this server, without a download."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import streamlit as st

from cellucid_core.configuration import format_duration, format_size, read_configuration
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.export import ExportSettings
from cellucid_core.serving.jobs import Job, live_job, submit
from cellucid_core.serving.live import LiveDataset, LiveLink, links_of, live_address, make_link, withdraw
from pages.exporting.result import settings_mark
from pages.session.jobs import follow, is_news, latest, my_job, told
from pages.session.keeping import keeper
from pages.session.owner import owner, who_may
from pages.session.state import counted, dataset_source, literal, show_error, workspace

_JOB, _ADDRESSES = "live_jobs", "live_addresses"
#: Settings of the page that a live link takes over.
_TAKEN = ("dataset_id", "name", "description", "source_name", "source_url", "source_citation", "launch")
_ENDS = {"When it is withdrawn": 0, "After a day": 86400, "After a week": 7 * 86400}


def live_panel(view: View, settings: ExportSettings | None, *, blocked: bool) -> None:
    """Draw what a live link does, the button that makes one, and the owner's links.

    Parameters
    ----------
    settings
        The settings of the page, None if they make no sense: then no link can be made.
    blocked
        Whether preflight blocks the export, and with it the link.
    """
    if read_configuration().live_links == "off":
        return
    with st.expander("Open in the viewer, without a download", icon=":material/sensors:"):
        st.caption(
            "The Cellucid viewer reads the dataset, with all its genes, from this server, piece by piece. Anyone who "
            "has the link can read it" + (", without signing in." if read_configuration().sign_in != "off" else ".")
        )
        if settings is not None and not blocked:
            ends = st.selectbox("The link ends", list(_ENDS), key="live_ends")
            if st.button("Make a live link", icon=":material/add_link:", key="live_make"):
                _start(view, settings, _ENDS[ends])
        elif blocked:
            st.caption("The errors that block the export also block a live link.")
        job = _job_of(view)
        if job is not None:
            _follow(job)
        for link in links_of(owner()):
            _show(link)


def _start(view: View, settings: ExportSettings, lifetime: int) -> None:
    # A link serves an AnnData with all genes, so the settings of the compact format do not matter.
    usual = ExportSettings(format="h5ad")
    wanted = replace(usual, **{name: getattr(settings, name) for name in _TAKEN})
    job = submit(
        live_job,
        {"source": dataset_source(), "mapping": workspace().mapping, "settings": wanted},
        owner=owner(),
        kind="live",
        title=f"Live link to {view.dataset.name}",
        about={"content_hash": view.dataset.content_hash, "lifetime": lifetime},
        key=f"live {view.dataset.content_hash} {settings_mark(view, wanted)}",
    )
    st.session_state.setdefault(_JOB, {})[view.dataset.content_hash] = job.id


def _job_of(view: View) -> Job | None:
    known: dict[str, str] = st.session_state.setdefault(_JOB, {})
    content = view.dataset.content_hash
    if content not in known:
        found = latest("live", lambda job: job.about.get("content_hash") == content)
        known[content] = "" if found is None else found.id
    job = my_job(known[content])
    return job if job is not None and is_news(job) else None


def _follow(job: Job) -> None:
    follow(job, "live", lambda progress: progress.what or "Starting …")
    try:
        if job.state == "cancelled":
            st.info("Cancelled. Nothing was left behind.", icon=":material/close:")
        else:
            made = job.result()
            dataset = LiveDataset(**{**made, "path": Path(made["path"])})
            token, link = make_link(dataset, owner(), int(job.about["lifetime"]), workspace=keeper().name)
            # The token is only in this session; on disk there is its hash.
            st.session_state.setdefault(_ADDRESSES, {})[link.key] = token
    except CellucidError as error:
        show_error(error)
    told(job)


def _show(link: LiveLink) -> None:
    """Draw one link: its address if this session made it, how often it is read, the button that withdraws it."""
    token = st.session_state.get(_ADDRESSES, {}).get(link.key)
    with st.container(border=True):
        left, right = st.columns([5, 3], vertical_alignment="center")
        words = [f"**{literal(link.dataset.name)}**", counted(link.dataset.n_cells, "cell")]
        words.append(f"{counted(link.reads, 'read')}, {format_size(link.sent)}" if link.reads else "not read yet")
        if link.last:
            words.append(f"last read {_ago(link.last)}")
        words.append(f"ends in {_about(link.ends - time.time())}" if link.ends else "")
        left.markdown(" · ".join(word for word in words if word))
        right.button(
            "Withdraw", key=f"withdraw {link.key}", icon=":material/link_off:", on_click=_withdraw, args=(link.key,)
        )
        if token is None:
            st.caption("The address was shown only when the link was made.")
            return
        address = _whole(live_address(token, str(st.get_option("server.baseUrlPath") or "")))
        st.caption("Paste this address into the viewer's remote box:")
        st.code(address, language=None, wrap_lines=True)
        file = f"{address}_cellucid/anndata/{link.dataset.id}.h5ad"
        st.caption("To read it in Python or in R:")
        st.code(
            f'import fsspec, h5py, anndata\nadata = anndata.io.read_elem(h5py.File(fsspec.open("{file}").open()))',
            language="python",
            wrap_lines=True,
        )
        st.code(
            f'download.file("{file}", "data.h5ad", mode = "wb")\nsce <- zellkonverter::readH5AD("data.h5ad")',
            "r",
            wrap_lines=True,
        )


def _whole(path: str) -> str:
    url = str(st.context.url or "")
    return "/".join(url.split("/")[:3]) + path if url.startswith("http") else path


def _ago(moment: float) -> str:
    seconds = time.time() - moment
    return "just now" if seconds < 60 else f"{_about(seconds)} ago"


def _about(seconds: float) -> str:
    """Return seconds in whole days from two days on, in hours from two hours on, else in minutes, at least one."""
    size = next((size for size in (86400, 3600) if seconds >= 2 * size), 60)
    return format_duration(max(1, round(seconds / size)) * size)


@who_may
def _withdraw(key: str) -> None:
    withdraw(key, owner())
