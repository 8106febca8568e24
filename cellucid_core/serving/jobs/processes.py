"""Start a process for a job; Pebble watches and stops it. Here the process that it is forked from is prepared."""

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

from cellucid_core.serving.jobs.in_process import carry_out

_PRELOADED = ["scanpy", "anndata", "h5py", "zarr", "scipy.stats"]
_PRELOADED += ["cellucid_core.reading.formats", "cellucid_core.serving.jobs", "cellucid_core.serving.jobs.preloaded"]
#: With ``forkserver``, a process that has imported everything once is forked for each job: a job starts in milliseconds
#: and shares nothing with other jobs. On Windows, where that is not possible, each job imports everything itself.
_BASE: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
_STARTING = threading.Lock()


class _Process(_BASE.Process):  # type: ignore[misc]
    """A process that does not import the main module, which under Streamlit is the page's script."""

    @staticmethod
    def _Popen(process: Any) -> Any:  # noqa: N802 - multiprocessing's name
        with _STARTING, _main_left_out():
            return _BASE.Process._Popen(process)


class _Context(type(_BASE)):  # type: ignore[misc]
    Process = _Process


_CONTEXT = _Context()


@contextmanager
def _main_left_out() -> Iterator[None]:
    # multiprocessing has no setting for this.
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
    """Begin to import the packages of jobs, in the process that they are forked from."""
    if _BASE.get_start_method() == "forkserver":
        from multiprocessing import forkserver

        _BASE.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


def start(folder: Path, *, memory: int, limit: float, yielding: bool) -> Future[None]:
    """Start a job's process.

    Parameters
    ----------
    folder
        The job's folder, with its order (`running.place_order`).
    memory
        Bytes that it may allocate.
    limit
        Seconds that it may take.
    yielding
        Whether it runs at a lower priority than the server and quick jobs.

    Returns
    -------
    concurrent.futures.Future
        Its result raises `TimeoutError` if the time was up, or another exception if the process died. Cancelling it
        ends the process.
    """
    environment = {
        name: value for name, value in os.environ.items() if name.startswith("CELLUCID_") or name == "SOURCE_DATE_EPOCH"
    }
    in_process: Any = concurrent.process  # its annotations name the argument wrongly
    run = in_process(timeout=limit, context=_CONTEXT, daemon=True)(carry_out)
    future: Future[None] = run(str(folder), environment, memory, yielding)
    _let_cancelling_win(future)
    return future


def _let_cancelling_win(future: Future[None]) -> None:
    """Ignore the result of a job that is cancelled at the moment it ends; Pebble's thread would raise an error."""
    for name in ("set_result", "set_exception"):
        tell = getattr(future, name)

        def told(outcome: Any, tell: Any = tell) -> None:
            with suppress(InvalidStateError):
                tell(outcome)

        setattr(future, name, told)
