"""A job's progress, in a small file that its process replaces and the page reads."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "progress.json"
#: Called with what is being done, the steps done and the number of all steps.
JobReporter = Callable[[str, float, float], None]
#: Seconds after which the file is written again.
_EVERY = 0.1


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    Attributes
    ----------
    what
        What is being done, for people; empty before the work begins.
    done, total
        Steps; a share and 1 if the work has no steps.
    began, step_began, at
        Seconds since 1970: when the work began, when the present `what` began, and when this was written.
    before
        `done` when the present `what` began.
    """

    what: str = ""
    done: float = 0.0
    total: float = 1.0
    began: float = 0.0
    step_began: float = 0.0
    before: float = 0.0
    at: float = 0.0

    @property
    def share(self) -> float:
        """The share that is done, 0 to 1."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total > 0 else 0.0

    @property
    def rate(self) -> float | None:
        """Steps per second since the present `what` began; None in its first half second."""
        spent = self.at - self.step_began
        return (self.done - self.before) / spent if spent > 0.5 else None

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take at the rate so far; None for the first 2 seconds and 2 percent."""
        spent = self.at - self.began
        return spent / self.share * (1 - self.share) if self.share > 0.02 and spent > 2 else None


class Reporter:
    """Writes a job's progress into its folder, at most ten times a second for one `what`; it is a `JobReporter`.

    Parameters
    ----------
    folder
        The job's folder.
    stop
        Called at every report; an exception that it raises ends the work.
    """

    def __init__(self, folder: Path, stop: Callable[[], None] = lambda: None) -> None:
        self._file, self._draft = folder / FILE, folder / f".{FILE}"
        self._stop = stop
        self._last = JobProgress(began=time.time(), step_began=time.time())

    def __call__(self, what: str, done: float, total: float) -> None:
        """Report what is being done, the steps done and the number of all steps."""
        self._stop()
        now, last = time.time(), self._last
        if what == last.what and now - last.at < _EVERY:
            return
        began, before = (last.step_began, last.before) if what == last.what else (now, last.done)
        self._last = JobProgress(what, float(done), float(total), last.began, began, before, now)
        self._draft.write_text(json.dumps(asdict(self._last)), encoding="utf-8")
        os.replace(self._draft, self._file)  # noqa: PTH105


def read_progress(folder: Path) -> JobProgress:
    """Return the progress of the job of a folder."""
    try:
        return JobProgress(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # nothing was reported yet, or another version wrote it
        return JobProgress()
