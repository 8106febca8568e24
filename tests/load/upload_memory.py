"""Upload a sparse file of many gigabytes to a running dashboard's routes and say what the server's memory did.

    python tests/load/upload_memory.py --gigabytes 5

Starts the dashboard itself (the whole Streamlit app), sends pieces of 8 MB as the page does, with checksums, and prints
the server's resident memory before, at its highest, and after, and the rate. Ends with status 1 above 200 MB.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
PIECE = 8 * 2**20
ALLOWED = 200e6


def resident(pid: int, what: str = "VmRSS") -> int:
    """Return a process' resident memory, now or (``VmHWM``) at its highest."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5)
    options = parser.parse_args()
    size = int(options.gigabytes * 1e9)
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
        server = subprocess.Popen(
            [*command, f"--server.port={port}", "--server.address=127.0.0.1"],
            cwd=ROOT,
            env={**os.environ, "CELLUCID_HOME": home, "CELLUCID_FREE_SPACE": "0"},
        )
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1)
                    break
                except OSError:
                    time.sleep(0.1)
            before = resident(server.pid)
            began = time.monotonic()
            send(port, size)
            seconds = time.monotonic() - began
            peak, after = resident(server.pid, "VmHWM"), resident(server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
    print(
        f"{size / 1e9:.1f} GB in {seconds:.0f} s ({size / seconds / 1e6:.0f} MB/s); "
        f"memory {before / 1e6:.0f} MB before, {peak / 1e6:.0f} MB at its highest, {after / 1e6:.0f} MB after"
    )
    return 1 if peak - before > ALLOWED else 0


def send(port: int, size: int) -> None:
    """Send zeros as a file of that size."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    common = {"Tus-Resumable": "1.0.0", "Cookie": "cellucid_browser=" + "m" * 43}
    described = {"Upload-Length": str(size), "Upload-Metadata": "filename eC5oNWFk"}
    connection.request("POST", "/cellucid/upload", None, common | described)
    answer = connection.getresponse()
    answer.read()
    location = answer.getheader("Location")
    assert answer.status == 201, answer.status
    assert location
    zeros = bytes(PIECE)
    for offset in range(0, size, PIECE):
        piece = zeros[: size - offset]
        digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        connection.request("PATCH", location, piece, common | headers | {"Upload-Checksum": f"sha256 {digest}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 204, answer.status


if __name__ == "__main__":
    sys.exit(main())
