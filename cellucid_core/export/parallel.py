"""Run tasks on threads and take their results in order, while only a few of them are held in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(tasks: Iterable[Callable[[], T]], threads: int) -> Iterator[T]:
    """Yield the tasks' results in the order of the tasks.

    At most ``2 · threads`` results wait at any time, so memory does not grow with the number of tasks. When a task
    fails, or the caller stops, the tasks that have not begun are dropped.

    Parameters
    ----------
    tasks
        Taken from the iterable one by one, on the caller's thread.
    threads
        Number of threads; with 1, everything runs on the caller's thread.
    """
    if threads == 1:
        for task in tasks:
            yield task()
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="export") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
