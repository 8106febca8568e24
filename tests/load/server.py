"""The dashboard as its own process group, as a user starts it; what it takes of memory and processor; how it dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
#: Ticks of /proc's clocks per second.
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A running ``streamlit run app.py`` on a free port of this machine.

    Parameters
    ----------
    home
        Its ``CELLUCID_HOME``, made if missing; its log and temporary files go beside it.
    environment
        Further variables.
    """

    def __init__(self, home: Path, **environment: str) -> None:
        # Beside it, so that what is left of both can be told from what others leave.
        self.home, self.temporary, self._log = home, home.with_name("temporary"), home.with_name("server.log")
        for folder in (self.home, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        folders = {"CELLUCID_HOME": str(home), "TMPDIR": str(self.temporary)}
        self._environment = {**os.environ, **folders, **environment}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*command, f"--server.port={self._port}", "--server.address=127.0.0.1"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        for _ in range(1200):
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/healthz", timeout=5):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log()}")

    def log(self) -> str:
        """Return what it said."""
        return self._log.read_text()

    def stop(self) -> None:
        """Stop it as an operator does."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it and its children without warning."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def kill_child(self, choice: float) -> bool:
        """Kill one of its worker processes, chosen by a number from 0 to 1; tell whether there was one."""
        children = self.processes()[1:]
        if not children:
            return False
        with suppress(ProcessLookupError):
            os.kill(children[int(choice * len(children))], signal.SIGKILL)
        return True

    def processes(self) -> list[int]:
        """Return the ids of the server and all below it."""
        found = [self._process.pid]
        for pid in found:  # grows while it is walked
            with suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def memory(self) -> int:
        """Return the bytes that the server and its children hold, each once; without files, which the system caches."""
        return sum(_sum(Path(f"/proc/{pid}/smaps_rollup"), "Pss_Anon:", "Pss_Shmem:") for pid in self.processes())

    def seconds(self) -> float:
        """Return the processor seconds that the server and its children have used."""
        total = 0.0
        for pid in self.processes():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15])) / _TICKS
        return total

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _sum(file: Path, *names: str) -> int:
    with suppress(OSError):
        return sum(int(line.split()[1]) * 1024 for line in file.read_text().splitlines() if line.startswith(names))
    return 0
