"""How far a job is: a small file that its process replaces and the page reads."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "progress.json"
#: Called with what is being done, steps done and steps in all.
JobReporter = Callable[[str, float, float], None]
#: Seconds between two writings of the file.
_EVERY = 0.1


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    Attributes
    ----------
    what
        What is being done, for people; empty before it begins.
    done, total
        Steps; shares of 1 where the work has no steps.
    began, step_began, at
        Seconds since 1970: when the work, and what is being done now, began, and when this was written.
    before
        `done` when what is being done now began.
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
        """What is done, 0 … 1."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total > 0 else 0.0

    @property
    def rate(self) -> float | None:
        """Steps per second of what is being done now; None while that is too early to say."""
        spent = self.at - self.step_began
        return (self.done - self.before) / spent if spent > 0.5 else None

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take at the rate so far; None while that is too early to say."""
        spent = self.at - self.began
        return spent / self.share * (1 - self.share) if self.share > 0.02 and spent > 2 else None


class Reporter:
    """Writes a job's progress into its folder, a few times a second at most.

    Parameters
    ----------
    folder
        The job's.
    stop
        Called first each time; an exception that it raises ends the work.
    """

    def __init__(self, folder: Path, stop: Callable[[], None] = lambda: None) -> None:
        self._file, self._draft = folder / FILE, folder / f".{FILE}"
        self._stop = stop
        self._last = JobProgress(began=time.time(), step_began=time.time())

    def __call__(self, what: str, done: float, total: float) -> None:
        """Take note of a step."""
        self._stop()
        now, last = time.time(), self._last
        if what == last.what and now - last.at < _EVERY:
            return
        began, before = (last.step_began, last.before) if what == last.what else (now, last.done)
        self._last = JobProgress(what, float(done), float(total), last.began, began, before, now)
        self._draft.write_text(json.dumps(asdict(self._last)), encoding="utf-8")
        os.replace(self._draft, self._file)  # noqa: PTH105


def read_progress(folder: Path) -> JobProgress:
    """Return how far the job of a folder is."""
    try:
        return JobProgress(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # nothing was reported yet, or by another version
        return JobProgress()
