"""What happens in a job's process: limits are set, the work is done, and its outcome is written.

Arguments and outcome are files in the job's folder: if they went through a pipe, a process that is killed while it
reads or writes would leave the other end waiting.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from cellucid_core.configuration import format_size
from cellucid_core.errors import CellucidError, Unforeseen, WorkRefused
from cellucid_core.serving.jobs.progress import Reporter
from cellucid_core.serving.jobs.record import LOCK, tell

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: A job's work: called with ``folder``, ``report`` and its arguments (`asking.submit`); returns JSON.
Work = Callable[..., Any]
ORDER, OUTCOME = "order.pickle", "outcome.json"
#: File that another server puts into a job's folder to cancel the job.
STOP = ".stop"
#: Score (−1000 to 1000) by which the kernel ends processes when memory is short: workers before the server.
_OOM_SCORE = 500
#: With this niceness a process gets a tenth of a core while a page computes on it, and all of it otherwise.
_NICE = 10


class Stopped(BaseException):
    """Raised in a cancelled job's work; a `BaseException`, so that no reader takes it for a broken file."""


def stop_if_asked(folder: Path) -> None:
    """Raise `Stopped` if another server was asked to cancel the job of a folder."""
    if (folder / STOP).exists():
        raise Stopped


def place_order(folder: Path, work: Work, arguments: Mapping[str, Any]) -> None:
    """Write a job's work and arguments into its folder, for `carry_out`."""
    with (folder / ORDER).open("wb") as file:
        pickle.dump((work, dict(arguments)), file, protocol=pickle.HIGHEST_PROTOCOL)


def carry_out(folder: str, environment: dict[str, str], memory: int, yielding: bool) -> None:
    """Do the work of a job's folder; this is the main function of a job's process.

    Parameters
    ----------
    folder
        The job's folder.
    environment
        Environment variables that configure the server.
    memory
        Bytes that the work may allocate.
    yielding
        Whether to lower the priority.
    """
    for name in [name for name in os.environ if name.startswith("CELLUCID_")]:
        del os.environ[name]  # those of the process that this one was forked from
    os.environ.update(environment)
    place = Path(folder)
    if not place.is_dir():  # deleted before it began; the lock would make it again, and the process may be killed then
        return
    with FileLock(place / LOCK):  # shows others that the process lives
        _end_with_parent()
        if yielding and hasattr(os, "nice"):
            os.nice(_NICE)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # so that it also ends within a C library that loops
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")
        limit_memory(memory)
        try:
            with (place / ORDER).open("rb") as file:
                work, arguments = pickle.load(file)
            (place / ORDER).unlink()
        except FileNotFoundError:  # deleted this moment, and the lock made the folder again
            shutil.rmtree(place, ignore_errors=True)
            return
        with suppress(Stopped):  # there is no outcome then; `workers` sees why
            perform(place, work, arguments, memory=memory, stop=lambda: stop_if_asked(place))


def perform(
    folder: Path,
    work: Work,
    arguments: Mapping[str, Any],
    *,
    memory: int = 0,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Do the work and write its outcome, a result or an error, into the job's folder.

    Parameters
    ----------
    folder
        The job's folder.
    work, arguments
        What is to be done.
    memory
        Limit in bytes, for the error; 0: none.
    stop
        Called with every report; raises `Stopped` to end the work, which is passed on.

    Raises
    ------
    OSError
        If not even the outcome can be written.
    """
    outcome: dict[str, Any] = {}
    try:
        outcome["result"] = work(folder=folder, report=Reporter(folder, stop), **arguments)
    except MemoryError:
        outcome["error"] = tell(too_large(memory))
    except CellucidError as error:
        outcome["error"] = tell(error)
    except OSError as error:
        outcome["error"] = tell(disk_refused(error))
    except Exception as error:  # an error in this program; the server's log says where
        unforeseen = Unforeseen(error)
        outcome["error"], outcome["unforeseen"] = tell(unforeseen), unforeseen.facts
    draft = folder / f".{OUTCOME}"
    draft.write_text(json.dumps(outcome), encoding="utf-8")
    draft.replace(folder / OUTCOME)


def read_outcome(folder: Path) -> dict[str, Any] | None:
    """Return the outcome: ``result`` or ``error``, perhaps ``unforeseen``; None if the work did not end."""
    try:
        found: dict[str, Any] = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def too_large(memory: int) -> WorkRefused:
    """Return the error of work that needs more memory than it may have."""
    amount = f"more than the {format_size(memory)} of memory that one job may take" if memory else "too much memory"
    return WorkRefused(
        f"This needed {amount}, and nothing was kept.",
        "Ask for fewer genes or cells, or raise CELLUCID_WORKER_MEMORY on a larger machine.",
    )


def disk_refused(error: OSError) -> WorkRefused:
    """Return the error of work that could not read or write what it needs."""
    return WorkRefused(
        f"The server's disk cannot be used ({error.strerror or type(error).__name__}), and nothing was kept.",
        "Free some space on it, or ask for less, and try again.",
    )


def limit_memory(memory: int) -> None:
    """Limit the bytes that this process allocates from now on; mapped files do not count (Linux only)."""
    if sys.platform != "linux":
        return
    import resource

    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    already = int(fields["VmData"].split()[0]) * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = already + memory
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _end_with_parent() -> None:
    """Have the kernel end this process when the server ends, since nobody waits for its outcome then."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None or fcntl is None:
        return
    end = parent.sentinel
    signal.signal(signal.SIGIO, signal.SIG_DFL)  # ends a process
    fcntl.fcntl(end, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([end], [], [], 0)[0]:  # the server has ended already
        os._exit(1)
