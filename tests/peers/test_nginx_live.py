"""A live link behind nginx with a base path, as docs/hosting.md sets it up; nginx is installed by whoever runs this."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
from tests.proxies import PATIENCE, behind_nginx, free_port

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]


@pytest.fixture
def address(tmp_path, monkeypatch):
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    port = free_port()
    options = ["--server.headless=true", f"--server.port={port}", "--server.baseUrlPath=cells"]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *options, "--server.address=127.0.0.1"]
    server = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))
    try:
        with behind_nginx(tmp_path, [f"127.0.0.1:{port}"], "/cells/") as behind:
            yield behind
    finally:
        server.terminate()
        server.wait(PATIENCE)


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
