"""How long a user waits, in Chromium: the first score of a session, another chart, the plan of an export.

    python tests/benchmarks/bench_felt.py [--cells 100000 1000000] [--sessions 3]

A dataset of 200 genes, about 10 % non-zero, with a column of 12 cell types and a UMAP, is opened by the server before
the clock runs. A score is 50 genes, from Ctrl+Enter to the drawn violins. Each time is the median of all sessions and
the longest; the first session of a server, which loads code, stands by itself. CHROMIUM names the browser if it is not
on the PATH.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, sync_playwright
from scipy import sparse

from cellucid_core import charts
from tests.browser.conftest import FLAGS, PATIENCE, at_rest, chromium, serve

_GENES, _SIGNATURE = 200, 50
_DRAWN = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg.marks"
#: Seconds that were promised; the score's by cells.
GOALS = {"another chart": 0.3, "plan of the export": 1.0}
SCORE_GOALS = {100_000: 1.0, 1_000_000: 2.0}


def write_dataset(path: Path, n: int) -> None:
    """Write an ``.h5ad``."""
    rng = np.random.default_rng(0)
    counts = sparse.random(n, _GENES, density=0.1, format="csr", dtype=np.float32, rng=rng)
    counts.data = np.log1p(np.ceil(counts.data * 20)).astype(np.float32)
    obs = pd.DataFrame({"cell_type": pd.Categorical(rng.choice([f"type {i}" for i in range(12)], n))})
    obs.index = [f"c{i}" for i in range(n)]
    made = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(_GENES)]))
    made.obsm["X_umap"] = rng.normal(size=(n, 2)).astype(np.float32)
    made.write_h5ad(path)


@contextmanager
def drawn(page: Page, words: str, into: list[float]) -> Iterator[None]:
    """Note the seconds from the block's beginning until these words stand and every chart on the page is a new one."""
    page.evaluate("query => document.querySelectorAll(query).forEach(one => one.dataset.before = '')", _DRAWN)
    began = time.perf_counter()
    yield
    page.wait_for_function(
        """([query, words]) => {
            const found = [...document.querySelectorAll(query)];
            const isNew = found.length && found.every(one => !('before' in one.dataset));
            return isNew && document.body.innerText.includes(words);
        }""",
        arg=[_DRAWN, words],
    )
    into.append(time.perf_counter() - began)
    at_rest(page)


def go(page: Page, name: str) -> None:
    """Click a page in the navigation."""
    page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()


def walk(browser: Browser, address: str, into: dict[str, list[float]]) -> None:
    """Open a session, score twice, look at every chart, and plan an export."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    page.get_by_test_id("stSidebar").get_by_text("ready").first.wait_for()
    at_rest(page)
    go(page, "Gene Signature")
    page.locator(_DRAWN).first.wait_for()
    at_rest(page)
    genes = page.get_by_role("textbox", name="Signature genes")
    for name, first in (("first score of a session", 0), ("another score", 100)):
        genes.fill(" ".join(f"g{i}" for i in range(first, first + _SIGNATURE)))
        with drawn(page, charts.VIOLIN_CAPTION, into[name]):
            genes.press("Control+Enter")
    captions = {"Box": charts.BOX_CAPTION, "Histogram": charts.HISTOGRAM_CAPTION, "Violin": charts.VIOLIN_CAPTION}
    for kind, caption in captions.items():
        with drawn(page, caption, into["another chart"]):
            page.get_by_role("radio", name=kind, exact=True).click()
    began = time.perf_counter()
    go(page, "Export")
    page.get_by_test_id("stMetric").filter(has_text="Files").wait_for()
    into["plan of the export"].append(time.perf_counter() - began)
    at_rest(page)
    context.close()


def main(cells: list[int], sessions: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, headless=True)
        for n in cells:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "felt.h5ad"
                write_dataset(path, n)
                home = Path(folder) / "home"
                home.mkdir()
                alone: dict[str, list[float]] = defaultdict(list)
                times: dict[str, list[float]] = defaultdict(list)
                with serve(home, fresh=True, CELLUCID_OPEN=str(path)) as address:
                    walk(browser, address, alone)
                    for _ in range(sessions):
                        walk(browser, address, times)
            print(f"{n:,} cells, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            for name, seconds in times.items():
                goal = SCORE_GOALS.get(n) if "score" in name else GOALS[name]
                print(
                    f"{name:24} {np.median(seconds):.2f} s, longest {max(seconds):.2f} s; in the first session of the "
                    f"server {max(alone[name]):.2f} s" + (f" (goal {goal:g} s)" if goal else "")
                )
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[100_000, 1_000_000], metavar="N")
    parser.add_argument("--sessions", type=int, default=3, metavar="N")
    given = parser.parse_args()
    main(given.cells, given.sessions)
