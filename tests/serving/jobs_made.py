"""Jobs made to order, for tests of what does them; a worker imports them from here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from cellucid_core.errors import InputError


def answer(*, folder, report, value=None, file="", source=None, export=None, root=None):
    """Return a value and this process's id, after writing a file."""
    report("Answering", 1, 2)
    if file:
        (folder / file).write_text("written")
    return {"value": value, "pid": os.getpid(), "nice": os.nice(0)}


def last(*, folder, report, until, note=None, name="", source=None):
    """Go on until a file is there; note where this runs, and leave a draft."""
    if note is not None:
        with Path(note).open("a") as file:
            file.write(f"{name or os.getpid()}\n")
    (folder / ".draft.partial").write_text("half")
    steps = 0
    while not Path(until).exists():
        steps += 1
        report("Lasting", min(steps, 50), 100)
        time.sleep(0.01)
    return {"name": name}


def hang(*, folder, report, note):
    """Compute for ever where no signal handler and no other thread of Python gets a turn."""
    (folder / ".draft.partial").write_text("half")
    Path(note).write_text(str(os.getpid()))
    sum(range(10**15))


def refuse(*, folder, report):
    (folder / "left").write_text("x")
    raise InputError("This is wrong.", "Fix it.")


def stumble(*, folder, report):
    raise KeyError("CD3D of cell AAACCTG-1")


def full_disk(*, folder, report):
    raise OSError(28, "No space left on device", "/secret/path")


def fill_up(*, folder, report):
    """Leave no room for the outcome."""
    import resource

    (folder / "left").write_text("x")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def devour(*, folder, report, size):
    """Allocate, without touching it all."""
    import numpy as np

    (folder / "left").write_text("x")
    return {"sum": float(np.ones(size, np.uint8).sum())}


def die(*, folder, report):
    (folder / "left").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)


def derive(*, folder, report, key, note, until):
    """Compute a result that is kept, noting that it is computed, until a file is there."""
    import numpy as np

    from cellucid_core.dataset.computed import Derived, derived

    def make():
        with Path(note).open("a") as file:
            file.write(f"{os.getpid()}\n")
        while not Path(until).exists():
            report("Computing", 0, 1)
            time.sleep(0.01)
        return Derived({"found": np.arange(5)}, ["done"])

    found = derived(key, "It", make, waiting=lambda: report("Waiting for somebody else", 0, 1))
    return {"sum": int(found.arrays["found"].sum()), "words": list(found.words)}
