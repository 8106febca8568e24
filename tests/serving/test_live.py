"""A dataset that is read from here by ranges: what is answered, to whom, and what is not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from cellucid_core.database import links, reading, writing
from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.export import ExportSettings
from cellucid_core.serving.live import LiveDataset, answers, live_app, ready_file
from tests.making import make_adata
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
VIEWER = "https://www.cellucid.com"
FILE = "/live/secret/_cellucid/anndata/x.h5ad"


@pytest.fixture
def live(tmp_path):
    path = tmp_path / "x.h5ad"
    path.write_bytes(bytes(range(256)) * 8)
    return LiveDataset(path, "x", "The X", 5, 7)


@pytest.fixture
def client(live):
    return TestClient(live_app(live, "secret", [VIEWER]), base_url="http://here:8000")


def test_the_documents(client):
    health = {"status": "ok", "type": "anndata", "format": "h5ad", "n_cells": 5, "n_genes": 7}
    assert health.items() <= client.get("/live/secret/_cellucid/health").json().items()
    info = client.get("/live/secret/_cellucid/info").json()
    assert {"host": "here", "port": 8000, "type": "anndata", "n_cells": 5}.items() <= info.items()
    assert set(info) == {"version", "type", "format", "host", "port", "n_cells", "n_genes", "runtime"}
    (dataset,) = client.get("/live/secret/_cellucid/datasets").json()["datasets"]
    file = {"url": "_cellucid/anndata/x.h5ad", "kind": "h5ad", "layout": "file", "size": 2048}
    assert dataset == {"id": "x", "name": "The X", "anndata": {"file": file, "defaults": {}}}
    assert client.get("/live/secret/_cellucid/protocol").json() == {"channel": None, "commands": [], "events": []}


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        (None, 200, 0, 2048),
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, 2048),
        ("bytes=-5", 206, 2043, 2048),
        ("bytes=2000-9999", 206, 2000, 2048),
        ("bytes=-9999", 206, 0, 2048),
    ],
)
def test_ranges(client, live, asked, status, start, stop):
    content = live.path.read_bytes()
    headers = {} if asked is None else {"Range": asked}
    for method in ("GET", "HEAD"):
        found = client.request(method, FILE, headers=headers)
        assert found.status_code == status
        assert found.headers["content-length"] == str(stop - start)
        assert found.content == (content[start:stop] if method == "GET" else b"")
        assert found.headers["accept-ranges"] == "bytes"
        assert found.headers.get("content-range") == (f"bytes {start}-{stop - 1}/2048" if asked else None)
    assert not +answers._reading


@pytest.mark.parametrize("asked", ["bytes=2048-", "bytes=9-3", "bytes=0-1,5-6", "bytes=a-b", "cells=0-1", "bytes=-0"])
def test_ranges_that_are_not_there(client, asked):
    found = client.get(FILE, headers={"Range": asked})
    assert (found.status_code, found.headers["content-range"]) == (416, "bytes */2048")


def test_what_the_browser_has_is_not_sent_again_and_never_mixed(client, live):
    tag = client.head(FILE).headers["etag"]
    assert client.get(FILE, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(FILE, headers={"If-Range": tag, "Range": "bytes=0-3"}).status_code == 206
    live.path.with_name("new").write_bytes(b"other" * 100)
    live.path.with_name("new").replace(live.path)
    again = client.get(FILE, headers={"If-Range": tag, "Range": "bytes=0-3"})
    assert (again.status_code, again.content) == (200, b"other" * 100)
    assert again.headers["etag"] != tag
    assert client.get(FILE, headers={"If-None-Match": tag}).status_code == 200
    live.path.unlink()
    assert client.get(FILE).status_code == 404
    assert client.get("/live/secret/_cellucid/datasets").status_code == 404


def test_who_may_read(client):
    for origin in (VIEWER, "http://here:8000"):
        found = client.get(FILE, headers={"Origin": origin})
        assert found.headers["access-control-allow-origin"] == origin
        assert "ETag" in found.headers["access-control-expose-headers"]
    for origin in ("https://evil.example", "null", "https://www.cellucid.com.evil.example", "http://www.cellucid.com"):
        found = client.get(FILE, headers={"Origin": origin})
        assert "access-control-allow-origin" not in found.headers
        assert found.headers["vary"] == "Origin"
    asked = {"Origin": VIEWER, "Access-Control-Request-Private-Network": "true"}
    before = client.options(FILE, headers=asked)
    assert before.status_code == 204
    assert before.headers["access-control-allow-private-network"] == "true"
    assert before.headers["access-control-allow-headers"] == "Content-Type, Range"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/live/other/_cellucid/health",
        "/live/secret/",
        "/live/secret/_cellucid/anndata/y.h5ad",
        "/live/secret/_cellucid/anndata/../anndata/y.h5ad",
        "/live/secret/_cellucid/anndata/%2e%2e/%2e%2e/x.h5ad",
        "/live/secret/_cellucid/anndata/x.h5ad%00",
        "/live/secret/_cellucid%2fanndata%2f..%2fx.h5ad",
    ],
)
def test_nothing_else_is_reached(client, path):
    assert client.get(path).status_code == 404


def test_too_many_reads_at_once_are_told_to_wait(client, live, monkeypatch):
    monkeypatch.setattr(answers, "MOST_READS", 0)
    found = client.get(FILE)
    assert (found.status_code, found.headers["retry-after"]) == (429, "1")
    assert "Try again" in found.text


def test_too_many_reads_in_a_moment_are_told_to_wait(client, monkeypatch):
    monkeypatch.setattr(answers, "MOST_PER_WINDOW", 3)
    monkeypatch.setattr(answers, "_windows", {})
    monkeypatch.setattr(answers.time, "monotonic", lambda: 100.0)
    asked = {"Range": "bytes=0-1"}
    assert [client.get(FILE, headers=asked).status_code for _ in range(4)] == [206, 206, 206, 429]
    assert client.get("/live/secret/_cellucid/health").status_code == 200
    monkeypatch.setattr(answers.time, "monotonic", lambda: 111.0)
    assert client.get(FILE, headers=asked).status_code == 206


def test_the_same_choices_share_a_file(demo_view):
    first, again = (ready_file(demo_view, ExportSettings(format="h5ad")) for _ in range(2))
    assert first == again
    threads = ExportSettings().threads
    assert ready_file(demo_view, ExportSettings(format="h5ad", threads=threads + 1)) == first
    other = ready_file(demo_view, ExportSettings(format="h5ad", name="Another"))
    assert other.path != first.path


def test_the_command_serves_what_the_file_holds(tmp_path):
    import fsspec

    make_adata(60, 20, seed=3).write_h5ad(tmp_path / "x.h5ad")
    command = [sys.executable, "-m", "cellucid_core", "serve", str(tmp_path / "x.h5ad"), "--json"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        address = said["url"] + said["datasets"][0]["anndata"]["file"]["url"]
        dataset = open_dataset(tmp_path / "x.h5ad")
        store = View(dataset, default_mapping(dataset)).expression
        with fsspec.open(address, block_size=2**14) as remote, h5py.File(remote) as file:
            found = anndata.io.read_elem(file)
        expected = store.block(range(store.n_genes)).T
        np.testing.assert_array_equal(
            np.asarray(found.X.toarray() if hasattr(found.X, "toarray") else found.X), expected
        )
        assert list(found.obs_names) == list(dataset.obs.index)

        def read(number):
            with fsspec.open(address, cache_type="none") as remote:
                remote.seek(number)
                return remote.read(100)

        whole = fsspec.filesystem("http").cat_file(address)
        with ThreadPoolExecutor(20) as readers:
            assert list(readers.map(read, range(200))) == [whole[at : at + 100] for at in range(200)]
        # and our own opening of addresses reads our own live link
        assert open_dataset(address).n_cells == 60
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) in (0, 130)


@pytest.mark.parametrize("wrong", [["--port", "99999"], ["--origins", "cellucid.com"], ["--host", "nowhere.invalid"]])
def test_the_command_refuses_what_makes_no_sense(wrong, capsys):
    from cellucid_core.cli import main

    assert main(["serve", "demo", *wrong]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.fixture
def linked(each_database, live, home, monkeypatch, tmp_path):
    """The dashboard's own routes, and a link to the file."""
    from starlette.applications import Starlette

    from cellucid_core.serving.live import make_link
    from cellucid_core.serving.routing import middleware, routes

    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    token, _ = make_link(live, "user-a")
    app = Starlette(routes=routes("/base"), middleware=middleware("/base"))
    return TestClient(app, base_url="http://here:8000"), token


def test_a_link_is_read_by_whoever_has_it_until_it_is_withdrawn(linked, live, monkeypatch, tmp_path):
    from cellucid_core.serving.live import links_of, withdraw

    client, token = linked
    monkeypatch.setenv("CELLUCID_SIGN_IN", "required")
    file = f"{token}/_cellucid/anndata/x.h5ad"
    for base in ("/live", "/base/live"):
        found = client.get(f"{base}/{file}", headers={"Range": "bytes=0-9", "Origin": VIEWER})
        assert (found.status_code, found.content) == (206, live.path.read_bytes()[:10])
        assert found.headers["access-control-allow-origin"] == VIEWER
        assert "set-cookie" not in found.headers
        opened = client.get(f"{base}/{token}/_cellucid/health", headers={"Accept": "text/html"})
        assert (opened.status_code, "set-cookie" in opened.headers) == (200, False)
    (link,) = links_of("user-a")
    assert (link.reads, link.sent) == (2, 20)
    assert link.last > 0
    with reading() as connection:
        assert token not in str(connection.execute(select(links)).all())
    withdraw(link.key, "user-b")
    assert client.get(f"/live/{file}").status_code == 200
    withdraw(link.key, "user-a")
    assert client.get(f"/live/{file}").status_code == 404
    assert client.get(f"/live/{token}/_cellucid/health").status_code == 404
    assert links_of("user-a") == []


def test_the_last_reads_are_written_by_the_next_sweep_and_nothing_is_kept_of_them(linked, monkeypatch):
    client, token = linked
    noted = sys.modules["cellucid_core.serving.live.links"]
    monkeypatch.setattr(noted, "_NOTED", 1e9)
    for _ in range(3):
        client.get(f"/live/{token}/_cellucid/anndata/x.h5ad", headers={"Range": "bytes=0-9"})
    assert noted._counts
    assert noted.sweep_links() == 0
    assert noted._counts == {}
    with reading() as connection:
        assert connection.execute(select(links.c.reads, links.c.sent)).all() == [(3, 30)]


def test_a_link_ends_is_turned_off_and_goes_with_who_signs_in(linked, live, monkeypatch):
    from cellucid_core.serving.live import links_of, make_link, pass_links

    client, token = linked
    assert client.get(f"/live/{token}/_cellucid/health").json()["n_cells"] == 5
    with writing() as connection:
        assert len(pass_links(connection, "user-a", "user-b")) == 1
    assert (len(links_of("user-b")), links_of("user-a")) == (1, [])
    assert client.get(f"/live/{token}/_cellucid/health").status_code == 200
    over, _ = make_link(live, "user-a", lifetime=-1)
    assert client.get(f"/live/{over}/_cellucid/health").status_code == 404
    monkeypatch.setenv("CELLUCID_LIVE_LINKS", "off")
    assert client.get(f"/live/{token}/_cellucid/health").status_code == 404


@pytest.mark.parametrize("token", ["x", "../../etc", "a" * 43, "%2e%2e"])
def test_what_is_no_link(linked, token):
    client, _ = linked
    assert client.get(f"/live/{token}/_cellucid/health").status_code == 404


def test_a_link_that_is_withdrawn_while_it_is_read(linked, live):
    """What was begun is sent to its end; what is asked for next is refused."""
    from cellucid_core.serving.live import links_of, withdraw

    client, token = linked
    with client.stream("GET", f"/live/{token}/_cellucid/anndata/x.h5ad") as under_way:
        withdraw(links_of("user-a")[0].key, "user-a")
        assert len(under_way.read()) == 2048
    assert client.get(f"/live/{token}/_cellucid/anndata/x.h5ad").status_code == 404


def test_links_go_with_their_workspace(each_database, live, monkeypatch, tmp_path):
    from cellucid_core.serving.live import links_of, make_link
    from cellucid_core.serving.workspaces import create_workspace, delete_workspace, sweep_workspaces

    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    mine, _ = create_workspace({})
    other, _ = create_workspace({})
    make_link(live, "somebody", workspace=mine)
    _, stays = make_link(live, "somebody", workspace=other)
    _, free = make_link(live, "somebody")
    delete_workspace(mine, "somebody")
    assert {link.key for link in links_of("somebody")} == {stays.key, free.key}
    sweep_workspaces(now=10**11)
    assert [link.key for link in links_of("somebody")] == [free.key]


def test_links_are_swept_when_they_ended_or_nobody_read_them_but_not_while_their_file_is_away(
    each_database, live, monkeypatch, tmp_path
):
    from cellucid_core.serving.live import links_of, make_link, sweep_links

    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    make_link(live, "somebody", lifetime=60)
    _, lasting = make_link(live, "somebody")
    away = live.path.rename(tmp_path / "not-mounted")
    assert sweep_links() == 0
    assert links_of("somebody") == []
    away.rename(live.path)
    assert len(links_of("somebody")) == 2
    assert sweep_links(time.time() + 3600) == 1
    assert [link.key for link in links_of("somebody")] == [lasting.key]
    assert sweep_links(time.time() + 31 * 86400) == 1
