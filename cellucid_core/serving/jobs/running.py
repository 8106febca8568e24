"""What happens in a job's process: limits, the work itself, and its outcome as a file.

Arguments and outcome travel as files in the job's folder. A pipe that a killed process half read or half wrote would
leave its other end waiting.
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

#: A job's work: told where its files may go and whom to report to, with its arguments; returns JSON.
Work = Callable[..., Any]
ORDER, OUTCOME = "order.pickle", "outcome.json"
#: Put into a job's folder by another server than its own, to have it cancelled.
STOP = ".stop"
#: Of the kernel's reckoning (−1000 … 1000) whom to end when memory is short: a worker rather than the server.
_OOM_SCORE = 500
#: Beside a page that computes, a process gets a tenth of a core by it; alone, all of it.
_NICE = 10


class Stopped(BaseException):
    """Raised in a job's thread when the job is cancelled; no reader takes it for a broken file."""


def stop_if_asked(folder: Path) -> None:
    """Raise `Stopped` where another server was asked to cancel the job of a folder."""
    if (folder / STOP).exists():
        raise Stopped


def place_order(folder: Path, work: Work, arguments: Mapping[str, Any]) -> None:
    """Leave what is to be done in a job's folder, for `carry_out`."""
    with (folder / ORDER).open("wb") as file:
        pickle.dump((work, dict(arguments)), file, protocol=pickle.HIGHEST_PROTOCOL)


def carry_out(folder: str, environment: dict[str, str], memory: int, yielding: bool) -> None:
    """Do in a process of its own what is ordered in a folder.

    Parameters
    ----------
    folder
        The job's.
    environment
        Variables that configure the server.
    memory
        Bytes that the work may allocate.
    yielding
        Whether the priority is lowered.
    """
    for name in [name for name in os.environ if name.startswith("CELLUCID_")]:
        del os.environ[name]  # what the process that this one was forked from began with
    os.environ.update(environment)
    place = Path(folder)
    with FileLock(place / LOCK):  # told from outside by it: the process lives
        _end_with_parent()
        if yielding and hasattr(os, "nice"):
            os.nice(_NICE)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # so that it ends also within a C library that loops
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")
        limit_memory(memory)
        try:
            with (place / ORDER).open("rb") as file:
                work, arguments = pickle.load(file)
            (place / ORDER).unlink()
        except FileNotFoundError:  # deleted before it began, and the lock made the folder again
            shutil.rmtree(place, ignore_errors=True)
            return
        with suppress(Stopped):  # whoever reads the outcome finds why there is none
            perform(place, work, arguments, memory=memory, stop=lambda: stop_if_asked(place))


def perform(
    folder: Path,
    work: Work,
    arguments: Mapping[str, Any],
    *,
    memory: int = 0,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Do the work and leave its outcome in the job's folder; no error of the work passes, except that of `stop`.

    Parameters
    ----------
    folder
        The job's.
    work, arguments
        What is to be done.
    memory
        Its limit, for the message.
    stop
        Called with every report; raises to end the work.

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
    except Exception as error:  # a mistake of ours; the server's log says where
        unforeseen = Unforeseen(error)
        outcome["error"], outcome["unforeseen"] = tell(unforeseen), unforeseen.facts
    draft = folder / f".{OUTCOME}"
    draft.write_text(json.dumps(outcome), encoding="utf-8")
    draft.replace(folder / OUTCOME)


def read_outcome(folder: Path) -> dict[str, Any] | None:
    """Return what the work came to, or None if its process did not come to an end."""
    try:
        found: dict[str, Any] = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def too_large(memory: int) -> WorkRefused:
    """Return the error of work that wants more memory than it may have."""
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
    """Limit what this process allocates from now on; files that are mapped do not count (Linux only)."""
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
    """Have the kernel end this process with the server, wherever it computes: nobody would wait for what it makes."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None or fcntl is None:
        return
    end = parent.sentinel
    signal.signal(signal.SIGIO, signal.SIG_DFL)  # ends a process
    fcntl.fcntl(end, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([end], [], [], 0)[0]:  # it ended before
        os._exit(1)
