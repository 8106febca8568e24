"""Kill the server at random moments of a person's work: after a restart nothing half-made is listed, and all works.

    python tests/load/kill_the_server.py --times 50 --seed 0

A person uploads a file, opens it (which builds its store), fixes it, exports it, gathers the export and builds a
library entry. At a random moment of a random step the whole process group dies by SIGKILL, and where the server has
worker processes, every other time one of these dies first, alone. Then the server starts again on the same folder, and

- it is alive and ready,
- every store, rewritten file, export, collection and library entry that is there is whole,
- the upload goes on where it stopped, and the same person does everything from there, to the end,
- after a sweep nothing is left of what was half-made, neither in the server's folder nor in the system's temporary one.

Every time the file is another one, so that nothing is there from before. Prints each kill and what was found, and ends
with status 1 if something was.
"""

from __future__ import annotations

import argparse
import io
import os
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
from websockets.exceptions import WebSocketException

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from tests.load.server import Server  # noqa: E402
from tests.load.session import PageError, Session, Upload  # noqa: E402
from tests.patience import PATIENCE  # noqa: E402
from tests.state import rows  # noqa: E402

#: What a client sees of a server that dies: connections that break, and whatever an open page was waiting for.
DIED = (httpx2.TransportError, WebSocketException, OSError, EOFError)
KINDS = ("h5ad", "csv", "zarr.zip")


class Person:
    """Someone with a file of their own, and what they do with it, step by step.

    Parameters
    ----------
    server
        The dashboard.
    number
        Makes the file another one.
    n_cells
        Of the file.
    """

    def __init__(self, server: Server, number: int, n_cells: int) -> None:
        self.name = f"file{number}"
        kind = KINDS[number % len(KINDS)]
        self._file = Upload(make_file(kind, number, n_cells), f"{self.name}.{kind}")
        self._server = server
        self._cookies: httpx2.Cookies | None = None
        self._begun = threading.Condition()
        self._step, self._ended = "", False
        self.steps = {
            "upload": self.upload,
            "open": self.open,
            "fix": self.fix,
            "export": self.export,
            "gather": self.gather,
            "build": self.build,
        }
        if kind == "csv":  # has no embedding; computing one takes longer than all the rest
            self.steps = {name: self.steps[name] for name in ("upload", "open", "build")}
        self.seconds: dict[str, float] = {}

    def work(self) -> None:
        """Do it all; again after a restart, going on with what was uploaded."""
        try:
            self._work()
        finally:
            with self._begun:
                self._ended = True
                self._begun.notify_all()

    def _work(self) -> None:
        with Session(self._server.address, self._cookies) as session:
            self._cookies = session.http.cookies
            for name, do in self.steps.items():
                with self._begun:
                    self._step = name
                    self._begun.notify_all()
                began = time.monotonic()
                do(session)
                self.seconds[name] = time.monotonic() - began

    def wait_for(self, step: str, seconds: float = 120) -> None:
        """Wait until a step has begun."""
        with self._begun:
            self._begun.wait_for(lambda: self._step == step or self._ended, seconds)

    def upload(self, session: Session) -> None:
        """Send the file."""
        self._token = self._file.send(session.http)

    def open(self, session: Session) -> None:
        """Open it, which rewrites some formats and turns the matrix."""
        session.tell("cellucid_upload", "uploaded", self._token)

    def fix(self, session: Session) -> None:
        """Fix what preflight found."""
        if any(button.label == "Fix" for button in session.elements("button")):
            session.click("Fix")

    def export(self, session: Session) -> None:
        """Export it and download the export."""
        session.go("Export")
        session.write("Id", self.name)
        session.click("Export")
        # Its workspace may have the collection's zip already, from before the kill.
        links = [one for one in session.elements("link_button") if one.label.startswith("Download ")]
        [made] = [one for one in links if not one.label.startswith("Download the collection")]
        answer = session.fetch(made.url)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            if damaged := archive.testzip():
                raise PageError(f"{damaged} of the download is damaged")

    def gather(self, session: Session) -> None:
        """Put the export into a collection and zip that."""
        # Its workspace may have the export in the collection already, from before the kill.
        labels = [str(button.label) for button in session.elements("button")]
        session.click(next(label for label in labels if label.startswith(("Add this export", "Replace "))))
        session.click("Make one zip of all exports")

    def build(self, session: Session) -> None:
        """Build a library entry."""
        session.go("Signature Library")
        session.number("Generations", 5)
        session.click("Build")
        if f"{self.name} was added to the library" not in session.text():
            raise PageError(f"no entry of {self.name}: {session.text()[:300]}")


def make_file(kind: str, number: int, n_cells: int) -> bytes:
    """Return a file that is its number's own, with something to fix where the format can hold it."""
    import anndata

    from tests.making import make_adata

    parts = [make_adata(200, 120, seed=n_cells * number + part) for part in range(n_cells // 200)]
    adata = anndata.concat(parts, index_unique="-")
    adata.obsm["X_umap"][0] = np.nan
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"data.{kind}"
        if kind == "h5ad":
            adata.write_h5ad(path)
        elif kind == "csv":
            table = adata.to_df()
            table["cell_type"] = adata.obs["cell_type"].astype(str)
            table.to_csv(path)
        else:
            store = Path(folder) / "data.zarr"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the format's next version
                adata.write_zarr(store)
            with zipfile.ZipFile(path, "w") as archive:
                for file in sorted(store.rglob("*")):
                    if file.is_file():
                        archive.write(file, file.relative_to(store))
        return path.read_bytes()


def half_made(home: Path) -> Iterator[str]:
    """Yield what is listed in a server's folder and is not whole."""
    from cellucid_core.cache.seals import is_sound
    from cellucid_core.database import reading
    from cellucid_core.errors import CellucidError
    from cellucid_core.export import read_root, verify
    from cellucid_core.library import list_entries, read_signature
    from cellucid_core.library.entries import entry_file
    from cellucid_core.serving.workspaces import read_workspace
    from cellucid_core.store.gene_major import Store

    for folder in listed(home / "stores"):
        if not folder.is_dir():
            continue
        if not is_sound(folder / "seal.json"):
            yield f"the store {folder.name} is not what was sealed"
        elif Store(folder).stats.total.shape != (Store(folder).n_genes,):
            yield f"the store {folder.name} is not whole"
    for file in listed(home / "exports"):
        collection = file.name.startswith("collection-")
        if collection:
            with zipfile.ZipFile(file) as archive:
                if damaged := archive.testzip():
                    yield f"{damaged} of {file.name} is damaged"
        elif not (report := verify(file, threads=1)).ok:
            yield f"the export {file.name}: {report.problems}"
    for folder in listed(home / "collections"):
        try:
            for member in read_root(folder).members:
                if not (report := verify(folder / member.folder, threads=1)).ok:
                    yield f"{member.id} of a collection: {report.problems}"
        except CellucidError as error:
            yield f"a collection: {error}"
    entries = list_entries()
    for entry in entries:
        try:
            read_signature(entry_file(entry.id), "entry.h5")
        except CellucidError as error:
            yield f"the entry {entry.id}: {error}"
    if strangers := {folder.name for folder in listed(home / "library")} - {entry.id for entry in entries}:
        yield f"in the library, but no entries: {strangers}"
    with reading():  # makes the database where there is none
        pass
    for row in rows(home, "workspaces"):
        try:
            if row["content"] is not None:
                read_workspace(row["name"])
        except CellucidError as error:
            yield f"a workspace: {error}"
    connection = sqlite3.connect(home / "state.db", timeout=PATIENCE)
    for check in ("integrity_check", "foreign_key_check"):
        if (found := connection.execute(f"PRAGMA {check}").fetchall()) not in ([], [("ok",)]):
            yield f"the database: {found}"
    connection.close()


def listed(folder: Path) -> list[Path]:
    """Return what users are shown of a folder: all but drafts."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


#: What says of a job whether it lives; a finished job's goes with the job, a day later.
_LOCKS = (".alive",)
#: Where Python's own fork server has its socket; an empty folder stays when it is killed.
_FORK_SERVER = "pymp-"


#: What people are told of a job that died with its server.
_INTERRUPTED = "The server was restarted while this was being done"


def remains(home: Path, temporary: Path) -> Iterator[str]:
    """Yield what a sweep should have taken: drafts, data without a record, and temporary files."""
    from cellucid_core.serving.starting import sweep

    sweep(time.time() + 120, draft_seconds=0)  # what is younger than a minute may be about to get its record
    for path in home.rglob("*"):
        temporary_too = path.name.startswith("tmp") and path.parent.name in ("unpacked", "scratch")
        lock = path.suffix == ".lock" or (path.name in _LOCKS and path.relative_to(home).parts[0] == "jobs")
        if (path.name.startswith(".") or temporary_too) and not lock:
            yield f"{path.relative_to(home)} is left"
    known = {row["id"] for row in rows(home, "uploads")}
    for data in (home / "incoming").glob("*.data"):
        if data.stem not in known:
            yield f"{data.name} belongs to nobody"
    for path in temporary.iterdir():
        if not path.name.startswith(_FORK_SERVER):
            yield f"{path.name} is left in the temporary folder"


def alive(server: Server) -> Iterator[str]:
    """Yield what a server says of itself that is not well."""
    for route in ("/healthz", "/healthz/ready"):
        answer = httpx2.get(server.address + route, timeout=PATIENCE)
        if answer.status_code != 200:
            yield f"{route} answers {answer.status_code}: {answer.text[:200]}"


def kill_once(server: Server, person: Person, step: str, delay: float, child: float | None) -> Iterator[str]:
    """Kill while a person works, start again, let them finish; yield everything that is not as it should be."""
    surprises: list[str] = []

    def run() -> None:
        try:
            person.work()
        except DIED:
            pass
        except PageError as error:
            # A worker alone may die, and the page says so in a sentence.
            if "exception:" in str(error) or child is None:
                surprises.append(f"before the kill: {error}")
        except Exception:
            surprises.append(f"before the kill: {traceback.format_exc(limit=3)}")

    worker = threading.Thread(target=run)
    worker.start()
    person.wait_for(step)
    time.sleep(delay)
    if child is not None and server.kill_child(child):
        worker.join(PATIENCE)
    server.kill()
    worker.join(PATIENCE)
    if worker.is_alive():
        surprises.append("the client still waits for a server that is dead")
    yield from surprises
    server.start()
    yield from alive(server)
    yield from half_made(server.home)
    try:
        try:
            person.work()
        except PageError as told:
            if _INTERRUPTED not in str(told):
                raise
            person.work()  # who comes back is told once what the kill interrupted, and starts it again
    except Exception:
        yield f"afterwards: {traceback.format_exc(limit=3)}"
    yield from half_made(server.home)
    yield from remains(server.home, server.temporary)


def kill_often(home: Path, times: int, seed: int, n_cells: int) -> list[str]:
    """Kill a server on this folder again and again; return what was found."""
    rng = np.random.default_rng(seed)
    os.environ["CELLUCID_HOME"] = str(home)  # the checks look where the server keeps its things
    found = []
    with Server(home, CELLUCID_FREE_SPACE="0") as server:
        undisturbed = Person(server, len(KINDS) * (10**4 + seed), n_cells)
        undisturbed.work()
        for number in range(times):
            person = Person(server, number, n_cells)
            step = str(rng.choice(list(person.steps)))
            delay = float(rng.uniform(0, 1.1)) * undisturbed.seconds[step]
            child = float(rng.random()) if rng.random() < 0.5 else None
            began = time.monotonic()
            problems = list(kill_once(server, person, step, delay, child))
            took = time.monotonic() - began
            print(f"{number}: killed {delay:.2f} s into {step!r} ({took:.0f} s)", *problems, sep="\n  ", flush=True)
            found += [f"{number} ({step}, {delay:.2f} s): {problem}" for problem in problems]
        found += [f"log: {line}" for line in server.log().splitlines() if "Traceback" in line]
    return found


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", type=int, default=4000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(Path(folder) / "home", options.times, options.seed, options.cells)
    print(f"killed {options.times} times, {len(found)} things were wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
