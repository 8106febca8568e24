"""Datasets on object storage, asked of moto's S3 server."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from contextlib import suppress

import numpy as np
import pytest

from cellucid_core.dataset import open_dataset
from cellucid_core.errors import InputError
from cellucid_core.serving import server_files, server_path
from tests.making import make_adata, stored_values
from tests.patience import PATIENCE
from tests.peers.environments import moto_python

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    import s3fs

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [moto_python(), "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (
            ("AWS_ENDPOINT_URL", address),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            patched.setenv(name, value)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with suppress(OSError):
                urllib.request.urlopen(address, timeout=5).close()
                break
            time.sleep(0.1)
        folder = tmp_path_factory.mktemp("s3")
        make_adata(40, 12, seed=3).write_h5ad(folder / "a.h5ad")
        make_adata(30, 12, seed=4).write_zarr(folder / "b.zarr")
        storage = s3fs.S3FileSystem()
        storage.mkdir("cells")
        storage.put(str(folder / "a.h5ad"), "cells/study/a.h5ad")
        storage.put(str(folder / "b.zarr"), "cells/study/b.zarr", recursive=True)
        yield folder
    server.terminate()
    server.wait(PATIENCE)


@pytest.mark.parametrize("name", ["a.h5ad", "b.zarr"])
def test_values_are_those_of_the_file(bucket, name):
    there, here = open_dataset(f"s3://cells/study/{name}"), open_dataset(bucket / name)
    assert list(there.obs.index) == list(here.obs.index)
    np.testing.assert_array_equal(stored_values(there), stored_values(here))


def test_a_folder_holds_samples(bucket):
    dataset = open_dataset("s3://cells/study")
    assert [part.name for part in dataset.parts] == ["a", "b"]
    assert dataset.n_cells == 70


def test_what_is_not_there_or_not_ours(bucket):
    for name in ("s3://cells/study/none.h5ad", "s3://nobody/x.h5ad"):
        with pytest.raises(InputError):
            open_dataset(name)


def test_an_operator_offers_a_bucket(bucket, monkeypatch):
    monkeypatch.setenv("CELLUCID_DATA_ROOTS", "s3://cells/study")
    assert [(file.relative, file.size is None) for file in server_files()] == [("a.h5ad", False), ("b.zarr", True)]
    path = server_path("s3://cells/study", "a.h5ad")
    assert open_dataset(str(path)).n_cells == 40
    for wrong in ("../x.h5ad", "", "a//b"):
        with pytest.raises(InputError):
            server_path("s3://cells/study", wrong)
    with pytest.raises(InputError):
        server_path("s3://other", "a.h5ad")
