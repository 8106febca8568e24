"""Executors run a function over parts; the one of this module runs it in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any, Protocol, TypeAlias

from cellucid_core.errors import InputError

#: Called with the share that is done, 0 to 1; it may raise, which ends the work.
Share: TypeAlias = "Callable[[float], None]"


class Executor(Protocol):
    """Runs a function over parts."""

    def map(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], progress: Share | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Call ``function(*call, report)`` for each call and yield (number of the call, result) as they end.

        Parameters
        ----------
        function
            A function of a module of this package. Between its blocks it calls ``report`` with the share that it has
            done; ``report`` raises if the result is not wanted any more.
        calls
            The arguments of each call; they can be pickled.
        progress
            Called with the share of the whole, by `Local` on its threads; may raise to give up.

        Raises
        ------
        CellucidError
            If the function cannot be run or the work was cancelled. What the function raises is passed on. In either
            case all other calls are given up.
        """
        ...

    def cancel(self) -> None:
        """Give up all calls that run."""
        ...

    def close(self) -> None:
        """Close the connection, if there is one."""
        ...


class _NotWantedError(InputError):
    """A call was given up."""


class Local:
    """Runs calls in threads of this process.

    Parameters
    ----------
    at_once
        Number of threads. A large number often needs more memory without being faster.
    """

    def __init__(self, at_once: int = 2) -> None:
        self._at_once = at_once
        self._left = threading.Event()

    def map(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], progress: Share | None = None
    ) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`."""
        self._left.clear()
        shares, lock = [0.0] * len(calls), threading.Lock()

        def say(number: int, share: float) -> None:
            if self._left.is_set():
                raise _NotWantedError("This was cancelled.", "Start it again.")
            with lock:
                shares[number] = share
                if progress is not None:
                    progress(sum(shares) / len(shares))

        with ThreadPoolExecutor(max(1, min(self._at_once, len(calls)))) as pool:
            tasks = {pool.submit(function, *call, partial(say, number)): number for number, call in enumerate(calls)}
            try:
                for task in as_completed(tasks):
                    if task.exception() is not None:
                        self.cancel()
                        pool.shutdown(cancel_futures=True)
                        raise _first_error(list(tasks))
                    yield tasks.pop(task), task.result()  # popped, so that results are not kept
            except BaseException:
                self.cancel()
                for task in tasks:
                    task.cancel()
                raise

    def cancel(self) -> None:
        """See `Executor.cancel`."""
        self._left.set()

    def close(self) -> None:
        """See `Executor.close`."""


def _first_error(ended: Sequence[Future[Any]]) -> BaseException:
    """Return the error of the first call that has one of its own rather than one of being given up."""
    errors = [error for task in ended if not task.cancelled() and (error := task.exception()) is not None]
    return next((error for error in errors if not isinstance(error, _NotWantedError)), errors[0])
