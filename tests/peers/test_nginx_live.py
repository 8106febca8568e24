"""A live link behind nginx with a base path, as docs/hosting.md sets it up; nginx is installed by whoever runs this."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pytest

from cellucid_core.dataset import View, default_mapping
from cellucid_core.export import ExportSettings
from cellucid_core.serving.live import live_address, make_link, ready_file, withdraw

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
PATIENCE = 120

_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        location /cells/ {{
            proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_request_buffering off; proxy_buffering off;
        }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def address(tmp_path, monkeypatch):
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("nginx is not installed")
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    port, behind = free_port(), free_port()
    (tmp_path / "nginx.conf").write_text(_NGINX.format(folder=tmp_path, port=port, behind=behind))
    options = ["--server.headless=true", f"--server.port={behind}", "--server.baseUrlPath=cells"]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *options, "--server.address=127.0.0.1"]
    server = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))
    proxy = subprocess.Popen([nginx, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")])
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/cells/healthz", timeout=2)
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in (proxy, server):
            process.terminate()
            process.wait(PATIENCE)


def test_ranges_pass_and_a_withdrawn_link_ends(address, demo):
    view = View(demo, default_mapping(demo))
    dataset = ready_file(view, ExportSettings(format="h5ad"))
    token, link = make_link(dataset, "somebody")
    base = address + live_address(token, "cells")
    file = f"{base}_cellucid/anndata/{dataset.id}.h5ad"
    asked = urllib.request.Request(file, headers={"Range": "bytes=10-19", "Origin": "https://www.cellucid.com"})
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"].startswith("bytes 10-19/")
        assert answer.headers["Access-Control-Allow-Origin"] == "https://www.cellucid.com"
        assert answer.headers["Set-Cookie"] is None
        assert answer.read() == dataset.path.read_bytes()[10:20]
    with fsspec.open(file, block_size=2**14) as remote, h5py.File(remote) as found:
        x = found["X"]
        stored = x["data"][:] if isinstance(x, h5py.Group) else x[:]
    with h5py.File(dataset.path) as local:
        x = local["X"]
        np.testing.assert_array_equal(stored, x["data"][:] if isinstance(x, h5py.Group) else x[:])
    withdraw(link.key, "somebody")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(file)
