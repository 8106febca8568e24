"""Programs that tests run in processes of their own, each forked in milliseconds from one that has imported everything.

What a test of the start itself needs (an import that must not happen, a command line) is started as users start it.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from cellucid_core.serving.jobs import processes
from tests.patience import PATIENCE


class Program:
    """A program under way.

    Parameters
    ----------
    code
        Run as ``__main__``.
    arguments
        What it finds in ``sys.argv[1:]``.
    folder
        Where it runs; by default here.
    fresh
        Whether it imports everything itself, as a program of a user does.
    environment
        Variables in place of, or beside, this process's.
    """

    def __init__(
        self, code: str, *arguments: object, folder: Path | None = None, fresh: bool = False, **environment: str
    ) -> None:
        context = get_context("spawn") if fresh else processes._CONTEXT
        if not fresh:
            processes.warm_up()
        # Pipes, not files: programs limit the size of files.
        pipes = [context.Pipe(duplex=False) for _ in range(2)]
        asked = (code, list(map(str, arguments)), str(folder or Path.cwd()), {**os.environ, **environment})
        self._process = context.Process(target=_run, args=(*asked, *(end for _, end in pipes)))
        self._process.start()
        for _, end in pipes:
            end.close()
        self._reading = ThreadPoolExecutor(2)
        self._said = [self._reading.submit(_read, begin) for begin, _ in pipes]
        self.stdout = self.stderr = ""

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    @property
    def returncode(self) -> int:
        """The program's status, or minus the signal that ended it."""
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def terminate(self) -> None:
        """Ask it to end, and wait."""
        self._process.terminate()
        self.wait()

    def wait(self) -> Program:
        """Wait for its end, and read what it said."""
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise AssertionError("the program did not end")
        self.stdout, self.stderr = (said.result(PATIENCE) for said in self._said)
        self._reading.shutdown()
        return self


def run_program(code: str, *arguments: object, folder: Path | None = None, **environment: str) -> Program:
    """Run a program to its end."""
    return Program(code, *arguments, folder=folder, **environment).wait()


def _read(begin: Connection) -> str:
    with os.fdopen(os.dup(begin.fileno()), encoding="utf-8") as file:
        begin.close()
        return file.read()


def _run(code: str, arguments: list[str], folder: str, environment: dict[str, str], *said: Connection) -> None:
    for number, end in enumerate(said, start=1):
        os.dup2(end.fileno(), number)
        end.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})
