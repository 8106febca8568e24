"""A real server that is killed in the middle of an upload, and a connection that is cut, over and over."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cellucid_core.serving import COOKIE, take_upload
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
SERVER = """
import sys, uvicorn
from starlette.applications import Starlette
from cellucid_core.serving import middleware, routes
uvicorn.run(Starlette(routes=routes(), middleware=middleware()), port=int(sys.argv[1]), log_level="critical")
"""
ME = "m" * 43
PIECE = 2**20


class Server:
    """The routes in a process of their own that can be killed and started again on the same port."""

    def __init__(self, home):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {**os.environ, "CELLUCID_HOME": str(home), "CELLUCID_FREE_SPACE": "0"}
        self.start()

    def start(self):
        command = [sys.executable, "-c", SERVER, str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        for _ in range(300):
            try:
                self.ask("GET", "/healthz")
                return
            except OSError:
                assert self.process.poll() is None
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Tus-Resumable": "1.0.0", "Cookie": f"{COOKIE}={ME}", **named})
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def offset(self, location):
        return int(self.ask("HEAD", location).getheader("Upload-Offset"))

    def begin_piece(self, location, offset, length, data):
        """Announce a piece, send a part of it, and return the open connection."""
        connection = socket.create_connection(("127.0.0.1", self.port))
        head = (
            f"PATCH {location} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nCookie: {COOKIE}={ME}\r\n"
            f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        connection.sendall(head.encode() + data)
        return connection


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "home")
    yield running
    running.kill()


def test_uploads_outlive_cut_connections_and_killed_servers(server, tmp_path, monkeypatch):
    data = np.random.default_rng(0).bytes(6 * PIECE + 12345)
    begun = server.ask("POST", "/cellucid/upload", Upload_Length=str(len(data)), Upload_Metadata="filename eC5oNWFk")
    location = begun.getheader("Location")
    kind = "application/offset+octet-stream"
    trouble = iter(["cut", "kill", "cut", "kill"])
    for _ in range(40):
        offset = server.offset(location)
        if offset == len(data):
            break
        piece = data[offset : offset + PIECE]
        what = next(trouble, None)
        if what is None:
            answer = server.ask("PATCH", location, piece, Content_Type=kind, Upload_Offset=str(offset))
            assert answer.status == 204
            continue
        connection = server.begin_piece(location, offset, len(piece), piece[: len(piece) // 2])
        time.sleep(0.3)
        if what == "kill":
            server.kill()
            server.start()
            connection.close()
            assert server.offset(location) == offset  # nobody vouched for what was half written
        else:
            connection.close()
            for _ in range(100):  # what arrived is kept once the server noticed
                if server.offset(location) == offset + len(piece) // 2:
                    break
                time.sleep(0.05)
            else:
                raise AssertionError("what arrived was lost")
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    path, name = take_upload(location.rpartition("/")[2], ME)
    assert name == "x.h5ad"
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest()
