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
from cellucid_core.serving.jobs.progress import JobProgress, read_progress
from cellucid_core.serving.jobs.record import ACTIVE, Record, change_row, delete_row, error_of, load
from cellucid_core.serving.jobs.running import STOP

#: Seconds between two looks at a job that another server does.
_LOOK = 0.2


class Job:
    """Something that is being done, or was.

    Parameters
    ----------
    record
        Its state.
    cancel
        Ends it; None where another server does it, or it has ended.
    place
        Tells how many are served before it.
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
        #: Of its process, while it runs.
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
        """What it is, for people."""
        return self.record.title

    @property
    def kind(self) -> str:
        """One word: ``open``, ``export``, …."""
        return self.record.kind

    @property
    def about(self) -> dict[str, Any]:
        """What the page noted when it asked for it; JSON."""
        return self.record.about

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``failed``, ``cancelled`` or ``interrupted``."""
        if self._cancel is None and self.record.state in ACTIVE:  # another server's
            self.record = load(self.id) or replace(self.record, state="interrupted")
        return self.record.state

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.record.folder

    @property
    def place(self) -> int:
        """How many jobs are served before it."""
        return self._place(self) if self._place is not None and self.state == "queued" else 0

    def progress(self) -> JobProgress:
        """Return how far it is."""
        return read_progress(self.folder)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, or for so long; tell whether it has."""
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
        """End it, wherever it is; it leaves nothing behind. Does nothing once it has ended.

        What another server does ends with its next report.
        """
        if not self.active:
            return
        if self._cancel is not None:
            self._cancel(self)
        else:
            with suppress(OSError):  # it is gone this moment
                (self.folder / STOP).touch()

    def forget(self) -> None:
        """Delete its record and what it wrote, once it has ended and nobody wants them any more."""
        if not self.active:
            delete_row(self.id)
            shutil.rmtree(self.folder, ignore_errors=True)

    def result(self) -> Any:
        """Return what it returned.

        Raises
        ------
        CellucidError
            What it raised; that it was cancelled or interrupted; that it has not ended yet.
        """
        if self.active:
            raise WorkRefused("This has not ended yet.", "Wait until it has, or cancel it.")
        if self.state != "done":
            raise error_of(self.record)
        return self.record.result

    @property
    def was_told(self) -> bool:
        """Whether somebody has been told how it ended, in whatever session."""
        known = load(self.id)
        return known is not None and known.told

    def note_told(self) -> None:
        """Note that somebody has been told."""
        with suppress(DatabaseRefused):
            change_row(self.id, told=True)

    def change(self, **changes: Any) -> None:
        """Change its state, in the database first; for those who run it."""
        with suppress(DatabaseRefused):  # a full disk keeps nobody waiting
            change_row(self.id, **changes)
        with self._change:
            self.record = record = replace(self.record, **changes)
        if record.state not in ACTIVE:
            self._ended.set()
