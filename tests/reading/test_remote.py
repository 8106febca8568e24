"""Files elsewhere: by ranges, in place or copied, and what they are refused for."""

from __future__ import annotations

import builtins
import json
import threading
import time
from contextlib import contextmanager

import anndata as ad
import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from cellucid_core.dataset import DatasetSource, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.reading import remote
from tests.making import make_adata, stored_values
from tests.patience import PATIENCE


@contextmanager
def serving(folder, *, tags=True):
    """Serve a folder as web servers do, by ranges; yield its address and what is asked for."""
    files, asked = Starlette(routes=[Mount("/", StaticFiles(directory=folder))]), []

    async def app(scope, receive, send):
        async def told(message):
            if message["type"] == "http.response.start":
                asked.append((scope["method"], scope["path"], message["status"]))
                if not tags:
                    known = (b"etag", b"last-modified")
                    message["headers"] = [pair for pair in message["headers"] if pair[0].lower() not in known]
            await send(message)

        await files(scope, receive, told)

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", asked
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    adata = make_adata(40, 12, seed=3)
    adata.write_h5ad(folder / "cells.h5ad")
    adata.write_zarr(folder / "cells.zarr")
    adata.to_df().to_csv(folder / "cells.csv")
    (folder / "empty").mkdir()
    (folder / "cut.h5ad").write_bytes((folder / "cells.h5ad").read_bytes()[:4000])
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with serving(folder) as (address, asked):
        yield address, asked


@pytest.mark.parametrize(("name", "in_place"), [("cells.h5ad", True), ("cells.zarr", True), ("cells.csv", False)])
def test_a_file_elsewhere_is_what_it_is_here(folder, address, home, name, in_place):
    here, there = open_dataset(folder / name), open_dataset(f"{address[0]}/{name}")
    assert there.name == here.name == "cells"
    assert list(there.obs.index) == list(here.obs.index)
    assert sorted(there.obsm) == sorted(here.obsm)
    np.testing.assert_array_equal(stored_values(there), stored_values(here))
    copies = [path for path in (home / "unpacked").glob("*") if path.name.endswith(f"-{name}")]
    assert bool(copies) is not in_place
    again = DatasetSource(f"{address[0]}/{name}").open()
    assert again.content_hash == there.content_hash
    if name.endswith(".h5ad"):
        assert ("GET", f"/{name}", 206) in address[1]
        assert ("GET", f"/{name}", 200) not in address[1]


def test_a_file_here_and_one_elsewhere_are_samples_of_one_dataset(folder, address):
    dataset = open_dataset({"here": folder / "cells.h5ad", "there": f"{address[0]}/cells.zarr"})
    assert [part.name for part in dataset.parts] == ["here", "there"]
    one = stored_values(open_dataset(folder / "cells.h5ad"))
    np.testing.assert_array_equal(stored_values(dataset), np.vstack([one, one]))


def test_a_file_that_changes_is_an_error_and_leaves_nothing(tmp_path, home, monkeypatch):
    monkeypatch.setattr(remote, "_PIECE", 2**12)  # so that the matrix has to be asked for again
    monkeypatch.setattr(remote, "_KEPT", 2)
    adata = make_adata(300, 90, seed=8)
    adata.write_h5ad(tmp_path / "x.h5ad")
    stores = {path.name for path in (home / "stores").glob("*") if path.is_dir()}
    with serving(tmp_path) as (address, _):
        dataset = open_dataset(f"{address}/x.h5ad")
        adata.X = adata.X * 2
        adata.write_h5ad(tmp_path / "x.h5ad")
        with pytest.raises(InputError, match="The matrix X is damaged"):
            dataset.store("X")
        assert open_dataset(f"{address}/x.h5ad").content_hash != dataset.content_hash
    assert {path.name for path in (home / "stores").glob("*") if path.is_dir()} == stores


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_whose_values_change_is_another_dataset(tmp_path, version):
    adata = make_adata(40, 12, seed=3)
    with serving(tmp_path) as (address, _), ad.settings.override(zarr_write_format=version):
        adata.write_zarr(tmp_path / "x.zarr")
        first = open_dataset(f"{address}/x.zarr")
        assert open_dataset(f"{address}/x.zarr").content_hash == first.content_hash
        values = stored_values(first)
        adata.X = adata.X * 2
        adata.write_zarr(tmp_path / "x.zarr")
        again = open_dataset(f"{address}/x.zarr")
        assert again.content_hash != first.content_hash
        np.testing.assert_array_equal(stored_values(again), values * 2)


def test_first_chunks_of_arrays():
    old = {"a/.zarray": {"shape": [3, 4]}, "b/.zarray": {"shape": [3, 4], "dimension_separator": "/"}, "a/.zattrs": {}}
    default = {"name": "default", "configuration": {"separator": "/"}}
    new = {
        "c": {"node_type": "array", "shape": [5], "chunk_key_encoding": default},
        "d": {"node_type": "array", "shape": [], "chunk_key_encoding": {"name": "default"}},
        "e": {"node_type": "group"},
    }
    assert remote.first_chunks({".zmetadata": json.dumps({"metadata": old}).encode()}) == ["a/0.0", "b/0/0"]
    whole = {"consolidated_metadata": {"metadata": new}}
    assert remote.first_chunks({"zarr.json": json.dumps(whole).encode()}) == ["c/c/0", "d/c"]
    for odd in (b"{", b"[]", b'{"metadata": [1]}', b'{"metadata": {"a/.zarray": 1}}'):
        assert remote.first_chunks({".zmetadata": odd}) == []


def test_without_anything_that_tells_contents_apart_a_file_is_copied(folder, home):
    with serving(folder, tags=False) as (address, _):
        dataset = open_dataset(f"{address}/cells.h5ad")
        np.testing.assert_array_equal(stored_values(dataset), stored_values(open_dataset(folder / "cells.h5ad")))
    assert any(path.name.endswith("-cells.h5ad") for path in (home / "unpacked").glob("*"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing.h5ad", "There is no file"), ("cut.h5ad", "damaged or was cut off"), ("empty", "empty")],
)
def test_what_cannot_be_opened_gets_a_sentence(address, name, words):
    with pytest.raises(InputError, match=words):
        open_dataset(f"{address[0]}/{name}")


def test_an_address_that_nobody_answers():
    with pytest.raises(InputError, match="cannot be read"):
        open_dataset("http://127.0.0.1:9/x.h5ad")


def test_what_is_not_installed_is_named(monkeypatch):
    real = builtins.__import__

    def lacking(name, *arguments, **more):
        if name.partition(".")[0] in ("s3fs", "fsspec"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="s3fs")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(InputError, match=r"s3fs is not installed\. Install it: pip install"):
        open_dataset("s3://bucket/x.h5ad")
