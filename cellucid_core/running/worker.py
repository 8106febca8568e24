"""Run one call on a Dask worker, in the folder that the machines share."""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellucid_core.errors import InputError

#: Seconds between two checks whether the result is still wanted.
_LOOK_EVERY = 0.2
#: ``CELLUCID_HOME`` that the worker was started with, if any.
_OWN = os.environ.get("CELLUCID_HOME", "")


@dataclass(frozen=True)
class Errand:
    """What a worker has to know besides the call itself.

    Attributes
    ----------
    home
        Path of the shared folder, the same on every machine.
    mark
        Content of its file ``cluster/id``; in a folder of the same name that is not shared it differs.
    wanted
        Path of a file that exists as long as the result is wanted.
    versions
        The caller's `own_versions`.
    """

    home: str
    mark: str
    wanted: str
    versions: tuple[str, str]


class NotWanted(InputError):
    """The result is not wanted any more."""


def own_versions() -> tuple[str, str]:
    """Return the versions of Python (such as ``"3.12"``) and of this package."""
    import cellucid_core

    return ".".join(platform.python_version_tuple()[:2]), cellucid_core.__version__


def carry_out(errand: Errand, function: Callable[..., Any], call: tuple[Any, ...]) -> Any:
    """Run one call in the shared folder and return its result.

    Raises
    ------
    InputError
        If this machine has other versions or not the folder, or if the result is not wanted any more. What the function
        raises is passed on.
    """
    for name, theirs, ours in zip(("Python", "cellucid_core"), errand.versions, own_versions(), strict=True):
        if theirs != ours:
            raise InputError(
                f"The worker on {socket.gethostname()} has {name} {ours}, and here it is {theirs}.",
                "Install the same version everywhere.",
            )
    with _at_home(errand):
        looked = 0.0

        def report(share: float) -> None:
            nonlocal looked
            if time.monotonic() - looked > _LOOK_EVERY:
                looked = time.monotonic()
                if not Path(errand.wanted).exists():
                    raise NotWanted("This was cancelled.", "Start it again.")

        report(0.0)
        return function(*call, report)


_turn = threading.Condition()
_here: list[str] = []


@contextmanager
def _at_home(errand: Errand) -> Iterator[None]:
    """Set ``CELLUCID_HOME`` to the caller's folder; calls with another folder wait until those with this one ended."""
    if _OWN and os.path.realpath(Path(_OWN).expanduser()) != os.path.realpath(errand.home):
        raise _not_there(errand, f"its CELLUCID_HOME is {_OWN}")
    with _turn:
        _turn.wait_for(lambda: not _here or _here[0] == errand.home)
        _here.append(errand.home)
        os.environ["CELLUCID_HOME"] = errand.home
        os.environ.pop("CELLUCID_CLUSTER", None)  # a call must not ask the cluster itself
    try:
        mark = Path(errand.home) / "cluster" / "id"
        try:
            found = mark.read_text(encoding="ascii")
        except OSError as error:
            raise _not_there(errand, error.strerror or str(error)) from None
        if found != errand.mark:
            raise _not_there(errand, "the folder of this name there is a different one")
        yield
    finally:
        with _turn:
            _here.remove(errand.home)
            _turn.notify_all()


def _not_there(errand: Errand, why: str) -> InputError:
    return InputError(
        f"The worker on {socket.gethostname()} does not have the folder {errand.home} ({why}).",
        "Share the folder with it under the same path, and start it with the same CELLUCID_HOME.",
    )
