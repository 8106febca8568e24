"""What workers of the tests run: functions of a module, as ours are."""

import os
import time
from pathlib import Path

from tests.patience import PATIENCE, until


def double(number, report):
    report(0.5)
    return 2 * number


def wait_for(folder, number, report):
    """Tell who works at it, then wait until the gate is open."""
    (Path(folder) / f"{number}-{os.getpid()}").touch()
    end = time.monotonic() + PATIENCE
    while not (Path(folder) / "open").exists():
        assert time.monotonic() < end
        report(0.5)
        time.sleep(0.02)
    return number


def until_unwanted(folder, report):
    """Work for ever; say so where it was ended."""
    (Path(folder) / "began").touch()
    try:
        while True:
            report(0.5)
            time.sleep(0.02)
    finally:
        (Path(folder) / "ended").touch()


def fails(report):
    raise ZeroDivisionError("in a part")


def nothing(report):
    return None


def fails_as(folder, words, waits, report):
    if waits:
        until((Path(folder) / "failed").exists)
    (Path(folder) / "failed").touch()
    raise ValueError(words)
