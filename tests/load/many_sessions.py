"""Many people at once: each opens the demo, scores signatures of their own and exports; nobody sees another's.

    python tests/load/many_sessions.py --sessions 20 --signatures 10 [--think 2]

Starts the dashboard itself. Every session is a browser of its own (`session`), and everything it is shown is checked:
the means of its scores against numpy, its export against the name it gave. Prints what a score took, what went wrong,
and the server's memory before, at its highest, and after all have left; ends with status 1 if the aims are missed:
no error, p95 of a score under 2 s, and in the end not over 120 % of the memory at the start.

Before the measurement one session walks the whole way, so that what is loaded only once (libraries, the demo) counts
as the start, as it does on a server that has run for a day.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from tests.load.server import Server  # noqa: E402
from tests.load.session import PageError, Session, frame_named  # noqa: E402
from tests.patience import PATIENCE  # noqa: E402

MOST_SECONDS, MOST_MEMORY = 2.0, 1.2
#: Streamlit keeps a session that left for so long, in case it comes back (``server.disconnectedSessionTTL``).
KEPT = 10


@dataclass
class Oracle:
    """The demo as scanpy ships it: what a score must be, without a line of the dashboard's."""

    genes: list[str]
    values: Any
    groups: Any

    @classmethod
    def read(cls) -> Oracle:
        """Read the demo."""
        import scanpy

        source = scanpy.datasets.pbmc68k_reduced()
        # The dashboard scores on the log-normalized values, which scanpy keeps in raw.
        values = source.raw.X.toarray().astype(np.float64)
        return cls([str(gene) for gene in source.raw.var_names], values, source.obs["bulk_labels"].astype(str))

    def means(self, genes: list[str]) -> dict[str, float]:
        """Return each cell type's mean score: the mean over cells of the mean over genes."""
        score = self.values[:, [self.genes.index(gene) for gene in genes]].mean(axis=1)
        return {name: float(score[(self.groups == name).to_numpy()].mean()) for name in sorted(set(self.groups))}


@dataclass
class Findings:
    """What all sessions together found; written by their threads."""

    scores: list[float] = field(default_factory=list)
    others: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    links: dict[int, str] = field(default_factory=dict)

    def took(self, what: str, seconds: float) -> None:
        """Note how long a step took."""
        self.others.setdefault(what, []).append(seconds)


def walk(number: int, session: Session, oracle: Oracle, signatures: int, think: float, found: Findings) -> None:
    """Do what a visitor does, and check all that they see."""
    rng = np.random.default_rng(number)
    found.took("open the demo", session.click("Open the demo"))
    found.took("Gene Signature", session.go("Gene Signature"))
    for _ in range(signatures):
        time.sleep(think * 2 * rng.random())
        genes = [str(gene) for gene in rng.choice(oracle.genes, int(rng.integers(3, 12)), replace=False)]
        found.scores.append(session.write("Signature genes", ", ".join(genes)))
        check_score(session, genes, oracle)
    name = f"session-{number}"
    found.took("Export", session.go("Export"))
    session.write("Id", name)
    found.took("write an export", session.click("Export"))
    link = session.link("Download …")
    check_export(session.fetch(link), name)
    found.links[number] = link


def check_score(session: Session, genes: list[str], oracle: Oracle) -> None:
    """Check that a page shows the scores of these genes and no others."""
    shown = frame_named(session, "page", "mean").set_index("page")["mean"]
    expected = oracle.means(genes)
    if set(shown.index) != set(expected):
        raise PageError(f"pages {sorted(shown.index)}")
    for page, mean in expected.items():
        if not np.isclose(shown[page], mean, rtol=1e-4, atol=1e-6):
            raise PageError(f"{page} of {genes} scores {shown[page]}, not {mean}")
    text = session.text()
    if f"{len(genes)} found" not in text or not all(gene in text for gene in genes):
        raise PageError(f"the genes {genes} are not on the page")


def check_export(answer: Any, name: str) -> None:
    """Check that a download is this session's."""
    if answer.status_code != 200:
        raise PageError(f"the download of {name} answers {answer.status_code}")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        if damaged := archive.testzip():
            raise PageError(f"{damaged} is damaged")
        identity = next(entry for entry in archive.namelist() if entry.endswith("dataset_identity.json"))
        if json.loads(archive.read(identity))["id"] != name:
            raise PageError(f"the export of {name} is somebody else's")


def visit(
    server: Server, oracle: Oracle, *, sessions: int, signatures: int, think: float = 0.0, first: int = 0
) -> Findings:
    """Let sessions walk at once; nobody leaves before all have tried the others' links."""
    found = Findings()
    ready, done, tried = (threading.Barrier(sessions) for _ in range(3))

    def run(number: int) -> None:
        try:
            with Session(server.address) as session:
                ready.wait(PATIENCE)
                walk(number, session, oracle, signatures, think, found)
                done.wait(600)
                for other, link in found.links.items():
                    if other != number and (status := session.fetch(link).status_code) != 403:
                        raise PageError(f"the download of session {other} answers session {number} with {status}")
                tried.wait(600)
        except threading.BrokenBarrierError:
            pass  # another session failed, and says why
        except BaseException as error:  # what was found, whatever it is
            where = traceback.extract_tb(error.__traceback__)[-1]
            found.errors.append(f"session {number}: {type(error).__name__}: {error} ({where.name}:{where.lineno})")
            for barrier in (ready, done, tried):
                barrier.abort()

    threads = [threading.Thread(target=run, args=(first + number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def alone(server: Server, oracle: Oracle, scores: int = 20) -> None:
    """Print what a score takes where nobody else is."""
    rng = np.random.default_rng(20_000)
    with Session(server.address) as session:
        session.click("Open the demo")
        session.go("Gene Signature")
        lists = [", ".join(rng.choice(oracle.genes, 7, replace=False)) for _ in range(scores)]
        used = server.seconds()
        seconds = [session.write("Signature genes", genes) for genes in lists]
        used = server.seconds() - used
    print(f"alone, a score takes {np.median(seconds):.3f} s, {used / scores:.3f} s of a processor")


class Watch:
    """Looks at the server's memory while others work.

    Attributes
    ----------
    highest
        Bytes.
    """

    def __init__(self, server: Server) -> None:
        self._server, self._ended, self.highest = server, threading.Event(), 0
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._ended.wait(0.25):
            self.highest = max(self.highest, self._server.memory())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def settled(server: Server, most: float, seconds: float) -> int:
    """Wait until the server's memory is below a bound, or for so long; return what it is then."""
    until = time.monotonic() + seconds
    while (memory := server.memory()) > most and time.monotonic() < until:
        time.sleep(1)
    return memory


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--signatures", type=int, default=10)
    parser.add_argument("--think", type=float, default=0.0, help="mean seconds a person looks at a result")
    parser.add_argument("--rounds", type=int, default=1, help="how often all come, leave and are measured")
    options = parser.parse_args()
    oracle = Oracle.read()
    missed = False
    with (
        tempfile.TemporaryDirectory() as home,
        Server(
            Path(home) / "home", STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL=str(KEPT), CELLUCID_FREE_SPACE="0"
        ) as server,
    ):
        first = visit(server, oracle, sessions=1, signatures=1, first=10_000)
        if not first.errors:
            alone(server, oracle)
        before = settled(server, 0, KEPT + 20)
        for round_ in range(options.rounds):
            used = server.seconds()
            began = time.monotonic()
            with Watch(server) as watch:
                found = visit(
                    server,
                    oracle,
                    sessions=options.sessions,
                    signatures=options.signatures,
                    think=options.think,
                    first=round_ * options.sessions,
                )
            took, used = time.monotonic() - began, server.seconds() - used
            after = settled(server, MOST_MEMORY * before, 120)
            errors = [*first.errors, *found.errors]
            missed |= report(options, found, errors, (before, watch.highest, after), took, used)
        if missed:
            print(server.log()[-3000:])
    return 1 if missed else 0


def report(
    options: Any, found: Findings, errors: list[str], memory: tuple[int, int, int], took: float, used: float
) -> bool:
    """Print what was measured; tell whether an aim was missed."""
    print(f"{options.sessions} sessions, {options.signatures} signatures each, {options.think:g} s between scores")
    steps = {"a score": found.scores, **found.others}
    print(f"{'seconds':>18} {'p50':>7} {'p95':>7} {'max':>7} {'times':>6}")
    for what, seconds in steps.items():
        if seconds:
            p50, p95, most = np.quantile(seconds, [0.5, 0.95, 1.0])
            print(f"{what:>18} {p50:7.2f} {p95:7.2f} {most:7.2f} {len(seconds):6}")
    before, highest, after = (size / 1e6 for size in memory)
    print(f"memory: {before:.0f} MB before, {highest:.0f} MB at its highest, {after:.0f} MB after all left")
    print(f"        {(highest - before) / options.sessions:.1f} MB per session")
    print(f"processor: {used:.1f} s in {took:.1f} s, machine load {os.getloadavg()[0]:.1f}")
    print(f"errors: {len(errors)}")
    for error in errors[:20]:
        print(f"  {error}")
    slow = not found.scores or float(np.quantile(found.scores, 0.95)) >= MOST_SECONDS
    return bool(errors) or slow or after > MOST_MEMORY * before


if __name__ == "__main__":
    sys.exit(main())
