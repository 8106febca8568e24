"""Pages without a browser: Streamlit's AppTest on the main script."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from pkgutil import resolve_name

import pytest
from streamlit.testing.v1 import AppTest

from cellucid_core.serving import browser_owner, fingerprint
from cellucid_core.serving.jobs import jobs_of
from tests.patience import PATIENCE

MAIN = Path(__file__).parents[2] / "pages" / "home.py"


def ended(owner, kind):
    """Wait until the latest job of an owner has ended."""
    (job, *_) = jobs_of(owner, kind)
    until = time.monotonic() + PATIENCE
    while job.active and time.monotonic() < until:
        time.sleep(0.01)
    assert not job.active


@pytest.fixture
def me(monkeypatch):
    """Make all sessions those of one browser, and return how it is called; to be asked for before the others."""
    from pages.session import owner

    monkeypatch.setattr(owner, "browser_of", lambda cookies: "o" * 43)
    return browser_owner(fingerprint("o" * 43))


@pytest.fixture
def app(demo):
    """The dashboard on its start page, without a dataset."""
    os.environ["STREAMLIT_CLIENT_SHOW_ERROR_DETAILS"] = "full"
    test = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
    test.run()
    assert not test.exception
    return test


@pytest.fixture
def open_app(app, demo):
    """Return a function that opens a dataset in the session and shows a page."""

    def show(page, dataset=None):
        from pages.session.state import Workspace

        # What clicking "Open" does to the session, without the browser's upload.
        work = Workspace()
        work.open(dataset or demo)
        app.session_state["workspace"] = work
        app.switch_page(page)
        app.run()
        return app

    return show


@pytest.fixture(scope="session", autouse=True)
def _installed():
    """Have Streamlit look once, not for every test, which installed packages bring components: 0.6 s each."""
    scan = "streamlit.components.v2.manifest_scanner.scan_component_manifests"
    with pytest.MonkeyPatch.context() as patched:
        with suppress(ImportError, AttributeError):  # another Streamlit: it takes its time
            patched.setattr(scan, cache(resolve_name(scan)))
        yield


@pytest.fixture(autouse=True)
def _cookie(monkeypatch):
    """AppTest has no browser: give it the cookie that a browser would have."""
    from pages.widgets import download

    monkeypatch.setattr(download, "browser_of", lambda cookies: "m" * 43)
