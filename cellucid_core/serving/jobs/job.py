"""A job as pages see it."""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from cellucid_core.database import DatabaseRefused
from cellucid_core.errors import WorkRefused
from cellucid_core.serving.jobs.in_process import STOP
from cellucid_core.serving.jobs.progress import JobProgress, read_progress
from cellucid_core.serving.jobs.record import ACTIVE, Record, change_row, delete_row, error_of, load

#: Seconds between two looks at a job that another server does.
_LOOK = 0.2


class Job:
    """A job that waits, runs or has ended.

    Parameters
    ----------
    record
        Its row.
    cancel
        Ends it; None if another server runs it, or it has ended.
    place
        Returns how many jobs are served before it.
    """

    def __init__(
        self,
        record: Record,
        cancel: Callable[[Job], None] | None = None,
        place: Callable[[Job], int] | None = None,
    ) -> None:
        self.record = record
        self._cancel, self._place = cancel, place
        self._ended = threading.Event()
        self._change = threading.Lock()
        #: The future of its process, once that was started.
        self.future: Future[None] | None = None
        self.cancelled = False
        if not self.active:
            self._ended.set()

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return self.record.id

    @property
    def title(self) -> str:
        """What it does, for people."""
        return self.record.title

    @property
    def kind(self) -> str:
        """One word: ``open``, ``export``, …."""
        return self.record.kind

    @property
    def about(self) -> dict[str, Any]:
        """What the page noted when it submitted the job; JSON."""
        return self.record.about

    @property
    def state(self) -> str:
        """As in `Record`; read from the database if another server runs the job."""
        if self._cancel is None and self.record.state in ACTIVE:  # another server's
            self.record = load(self.id) or replace(self.record, state="interrupted")
        return self.record.state

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.record.folder

    @property
    def place(self) -> int:
        """How many jobs are served before it."""
        return self._place(self) if self._place is not None and self.state == "queued" else 0

    def progress(self) -> JobProgress:
        """Return its progress."""
        return read_progress(self.folder)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, at most for the given seconds; tell whether it has."""
        if self._cancel is not None:
            return self._ended.wait(seconds)
        end = time.monotonic() + seconds if seconds is not None else math.inf
        while self.active:  # another server's, whose row says so
            rest = min(_LOOK, end - time.monotonic())
            if rest <= 0:
                return False
            time.sleep(rest)
        return True

    def cancel(self) -> None:
        """Cancel it; nothing is left of what it wrote. Does nothing if it has ended.

        A job of another server ends at its next report.
        """
        if not self.active:
            return
        if self._cancel is not None:
            self._cancel(self)
        else:
            with suppress(OSError):  # the folder may be gone this moment
                (self.folder / STOP).touch()

    def forget(self) -> None:
        """Delete its row and its folder, if it has ended."""
        if not self.active:
            delete_row(self.id)
            shutil.rmtree(self.folder, ignore_errors=True)

    def result(self) -> Any:
        """Return what its work returned.

        Raises
        ------
        CellucidError
            If the work raised an error; if it was cancelled, interrupted or has not ended yet.
        """
        if self.active:
            raise WorkRefused("This has not ended yet.", "Wait until it has, or cancel it.")
        if self.state != "done":
            raise error_of(self.record)
        return self.record.result

    @property
    def was_told(self) -> bool:
        """Whether a session has told somebody how it ended."""
        known = load(self.id)
        return known is not None and known.told

    def note_told(self) -> None:
        """Note that somebody was told how it ended."""
        with suppress(DatabaseRefused):
            change_row(self.id, told=True)

    def change(self, **changes: Any) -> None:
        """Change columns of its row, and its record; for those who run it."""
        with suppress(DatabaseRefused):  # even on a full disk nobody may wait for ever
            change_row(self.id, **changes)
        with self._change:
            self.record = record = replace(self.record, **changes)
        if record.state not in ACTIVE:
            self._ended.set()
