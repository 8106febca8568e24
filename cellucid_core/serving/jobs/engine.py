"""Start a process for a job. Pebble runs, stops and watches it; where it is forked from is prepared here."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from pebble import concurrent

from cellucid_core.serving.jobs.running import carry_out

_PRELOADED = ["scanpy", "anndata", "h5py", "zarr", "scipy.stats"]
_PRELOADED += ["cellucid_core.reading.formats", "cellucid_core.serving.jobs", "cellucid_core.serving.jobs.loaded"]
#: A process that has imported everything once and is forked for each job: a job begins in milliseconds, with nothing
#: of the job before it. Where that is not possible (Windows) each job imports everything itself.
_BASE: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
_STARTING = threading.Lock()


class _Process(_BASE.Process):  # type: ignore[misc]
    """A process that does not import the main module: under Streamlit that is the page's script."""

    @staticmethod
    def _Popen(process: Any) -> Any:  # noqa: N802 - multiprocessing's name
        with _STARTING, _main_left_out():
            return _BASE.Process._Popen(process)


class _Context(type(_BASE)):  # type: ignore[misc]
    Process = _Process


_CONTEXT = _Context()


@contextmanager
def _main_left_out() -> Iterator[None]:
    # There is no setting for it.
    original = spawn.get_preparation_data

    def prepared(name: str) -> dict[str, Any]:
        data = original(name)
        return {key: value for key, value in data.items() if not key.startswith("init_main_")}

    spawn.get_preparation_data = prepared
    try:
        yield
    finally:
        spawn.get_preparation_data = original


def warm_up() -> None:
    """Begin to import what workers need, in the background."""
    if _BASE.get_start_method() == "forkserver":
        from multiprocessing import forkserver

        _BASE.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


def start(folder: Path, *, memory: int, limit: float, yielding: bool) -> Future[None]:
    """Start a job's process.

    Parameters
    ----------
    folder
        The job's, with its order.
    memory
        Bytes that it may allocate.
    limit
        Seconds that it may take.
    yielding
        Whether it gives way to the server and to jobs that do not.

    Returns
    -------
    concurrent.futures.Future
        Raises `TimeoutError` if the time was up, another exception if the process died; cancelling ends the process.
    """
    environment = {
        name: value for name, value in os.environ.items() if name.startswith("CELLUCID_") or name == "SOURCE_DATE_EPOCH"
    }
    in_process: Any = concurrent.process  # its annotations name the context otherwise than it is called
    run = in_process(timeout=limit, context=_CONTEXT, daemon=True)(carry_out)
    future: Future[None] = run(str(folder), environment, memory, yielding)
    _let_cancelling_win(future)
    return future


def _let_cancelling_win(future: Future[None]) -> None:
    """Let a job that is cancelled in the moment it ends be cancelled: Pebble's thread would raise at its result."""
    for name in ("set_result", "set_exception"):
        tell = getattr(future, name)

        def told(outcome: Any, tell: Any = tell) -> None:
            with suppress(InvalidStateError):
                tell(outcome)

        setattr(future, name, told)
