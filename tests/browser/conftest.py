"""A real server and a real Chromium. Tests are skipped without Chromium, unless ``CELLUCID_BROWSER=required``."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests import patience
from tests.programs import Program

ROOT = Path(__file__).parents[2]
#: The one time-out, in milliseconds: so long that a test runs into it only if something is broken.
PATIENCE = 1000 * patience.PATIENCE
expect.set_options(timeout=PATIENCE)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Return the browser's path: ``CHROMIUM``, else the first one on the PATH; the headless shell is the fastest."""
    named = os.environ.get("CHROMIUM")
    known = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return named or next(filter(None, map(shutil.which, known)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    path = chromium()
    if path is None:
        if os.environ.get("CELLUCID_BROWSER") == "required":
            pytest.fail("Chromium is required but was not found; install it or set CHROMIUM to its path.")
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS, headless=True)
        running.new_context, running.new_page = _patient(running.new_context), _patient(running.new_page)
        yield running
        asyncio._set_running_loop(running._loop)
        running.close()


@pytest.fixture(autouse=True)
def closed_afterwards(browser: Any) -> Iterator[None]:
    """Close what a test opened: a page whose server has gone tries to reach it again until the run ends.

    Playwright's loop counts as this thread's running one between its calls, also for the tests of others that follow
    here and run loops of their own.
    """
    asyncio._set_running_loop(browser._loop)
    yield
    for context in browser.contexts:
        context.close()
    asyncio._set_running_loop(None)


def _patient(make: Callable[..., Any]) -> Callable[..., Any]:
    """Give the pages and contexts that a browser opens the same time-out."""

    def made(**options: Any) -> Any:
        opened = make(**options)
        opened.set_default_timeout(PATIENCE)
        return opened

    return made


_HELD = Path(__file__).parent / "held"
#: What `streamlit run` does, in a process that has imported the packages already. `test_walk` and `test_wheel` start
#: the dashboard as users do.
_SERVER = f"""
import atexit, os, runpy, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.dup2(log, 1), os.dup2(log, 2)
runpy.run_path({str(_HELD / "sitecustomize.py")!r})
from streamlit.web.cli import main
sys.argv[:2] = ["streamlit", "run", "app.py"]
try:
    main()
finally:
    atexit._run_exitfuncs()
"""


@contextmanager
def serve(home: Path, log: str = "server.log", *, fresh: bool = False, **environment: str) -> Iterator[str]:
    """Start the dashboard, with its log in the home, and yield its address; `fresh` is that of `Program`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log_file = home / log
    options = ["--server.headless=true", f"--server.port={port}", "--server.address=127.0.0.1"]
    server = Program(
        _SERVER,
        log_file,
        *options,
        folder=ROOT,
        fresh=fresh,
        PYTHONPATH=os.pathsep.join(filter(None, [str(_HELD), os.environ.get("PYTHONPATH")])),
        HOLD_JOBS_WHILE=str(_gate(home)),
        CELLUCID_HOME=str(home),
        **environment,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(PATIENCE // 100):
            try:
                urllib.request.urlopen(f"{address}/healthz", timeout=1)
                break
            except OSError:
                assert server.running, log_file.read_text()
                time.sleep(0.1)
        else:
            raise AssertionError(f"the server did not start:\n{log_file.read_text()}")
        yield address
    finally:
        server.terminate()


def wait_until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for something that the page does not show, such as a file on the server's disk."""
    end = time.monotonic() + PATIENCE / 1000
    while not holds():
        assert time.monotonic() < end, "what was waited for did not come"
        page.wait_for_timeout(50)


def at_rest(page: Page) -> None:
    """Wait until the page's script has ended, so that the work is kept, and until all that it drew is there."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)  # the code of an element is loaded on first use


def press(button: Locator) -> None:
    """Click a button once the page is at rest and shows it once: that of the run before may still be there, too."""
    at_rest(button.page)
    expect(button).to_have_count(1)
    button.click()


def choose(page: Page, label: str, option: str, *, exact: bool = True) -> None:
    """Choose from a list by typing. If a rerun of the page closes the open list, open it again."""
    box = page.get_by_role("combobox", name=label)
    found = page.get_by_role("option", name=option, exact=exact)
    end = time.monotonic() + PATIENCE / 1000
    while True:
        at_rest(page)
        box.click()
        box.fill(option)
        try:
            found.click(timeout=5_000)
        except PlaywrightTimeoutError:
            assert time.monotonic() < end, f"{option} is not in the list {label}"
            page.keyboard.press("Escape")
        else:
            return at_rest(page)


def record_of(page: Page) -> dict[str, Any]:
    """Download the record of the score that is shown."""
    at_rest(page)
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Record (JSON)").click()
    record: dict[str, Any] = json.loads(saved.value.path().read_text(encoding="utf-8"))
    return record


def _gate(home: Path) -> Path:
    return home / "jobs-are-held"


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the jobs of a served home at their first report of progress until the block ends."""
    _gate(home).touch()
    try:
        yield
    finally:
        _gate(home).unlink()


@pytest.fixture(scope="session")
def address(home: Path, demo: object) -> Iterator[str]:
    """Serve the dashboard with the test run's cache folder, which holds the demo."""
    with serve(home) as running:
        yield running


@pytest.fixture
def page(browser, address):
    """Open the start page of the dashboard; fail if a traceback reached the user."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    tab = context.new_page()
    tab.goto(address)
    tab.get_by_role("heading", name="Check, export and score single-cell data").wait_for()
    yield tab
    assert tab.get_by_test_id("stException").count() == 0
    context.close()
