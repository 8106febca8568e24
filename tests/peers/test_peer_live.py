"""Our live answers beside those of ``AnnDataServer`` of cellucid 0.9.5, on the same file."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx2
import pytest
from starlette.testclient import TestClient

from cellucid_core.export import ExportSettings
from cellucid_core.serving.live import live_app, ready_file
from tests.patience import PATIENCE
from tests.peers.environments import ready_peer_python

pytestmark = pytest.mark.peer

_PEER = """
import sys
from cellucid.anndata_server import AnnDataServer

server = AnnDataServer(
    sys.argv[1], port=0, dataset_id=sys.argv[2], dataset_name=sys.argv[3], quiet=True, open_browser=False,
    serve_web_ui=False,
)
server.start(blocking=False)
print(server.url, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def dataset(demo):
    from cellucid_core.dataset import View, default_mapping

    return ready_file(View(demo, default_mapping(demo)), ExportSettings(format="h5ad"))


@pytest.fixture(scope="module")
def peer(dataset):
    command = [ready_peer_python(), "-c", _PEER, str(dataset.path), dataset.id, dataset.name]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdin is not None
    address = server.stdout.readline().strip()
    with httpx2.Client(base_url=address, timeout=PATIENCE) as client:
        yield client
    server.stdin.close()
    server.wait(PATIENCE)


@pytest.fixture(scope="module")
def ours(dataset):
    return TestClient(live_app(dataset, "t", ["https://www.cellucid.com"]), base_url="http://127.0.0.1:8000/live/t/")


def test_the_documents_say_the_same(ours, peer):
    for route in ("_cellucid/health", "_cellucid/info"):
        mine, theirs = ours.get(route).json(), peer.get(f"/{route}").json()
        assert set(mine) == set(theirs)
        same = set(mine) - {"version", "port", "host", "runtime"}
        assert {key: mine[key] for key in same} == {key: theirs[key] for key in same}
    assert ours.get("_cellucid/datasets").json() == peer.get("/_cellucid/datasets").json()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=0-99"},
        {"Range": "bytes=500-"},
        {"Range": "bytes=-10"},
        {"Range": "bytes=0-0"},
        {"Range": "bytes=999999999-"},
        {"Range": "bytes=10-5"},
        {"Range": "bytes=0-1,4-5"},
        {"Range": "bytes=0-9", "If-Range": '"another"'},
        {"If-None-Match": '"another"'},
        {"If-None-Match": "*"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ranges_are_answered_alike(ours, peer, dataset, method, headers):
    route = f"_cellucid/anndata/{dataset.id}.h5ad"
    headers = {**headers, "Origin": "https://www.cellucid.com", "Accept-Encoding": "identity"}
    mine, theirs = ours.request(method, route, headers=headers), peer.request(method, f"/{route}", headers=headers)
    assert mine.status_code == theirs.status_code
    if mine.status_code != 416:
        assert mine.content == theirs.content
    named = ("content-range", "accept-ranges", "access-control-allow-origin")
    if mine.status_code in (200, 206):
        named += ("content-length", "content-type")
    for name in named:
        if name in theirs.headers:
            assert mine.headers.get(name) == theirs.headers[name], name


def test_what_is_not_there_and_the_question_before(ours, peer):
    assert ours.get("_cellucid/anndata/other.h5ad").status_code == peer.get("/_cellucid/anndata/other.h5ad").status_code
    asked = {"Origin": "https://www.cellucid.com", "Access-Control-Request-Method": "GET"}
    mine, theirs = (
        client.options(f"{slash}_cellucid/datasets", headers=asked) for client, slash in ((ours, ""), (peer, "/"))
    )
    assert theirs.headers["access-control-allow-origin"] == mine.headers["access-control-allow-origin"]
    assert "Range" in mine.headers["access-control-allow-headers"]


_PROBE = """
import json, sys
from cellucid.jupyter._viewer import _probe_served_store

print(json.dumps(_probe_served_store(sys.argv[1])))
"""


def test_what_cellucid_asks_of_a_file_before_it_opens_it(tmp_path):
    """Its own client code, against our command."""
    command = [sys.executable, "-m", "cellucid_core", "serve", "demo", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        file = said["datasets"][0]["anndata"]["file"]
        program = [ready_peer_python(), "-c", _PROBE, said["url"] + file["url"]]
        found = json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout)
    finally:
        server.terminate()
        server.wait(PATIENCE)
    assert "error" not in found
    assert found["head"]["status"] == 200
    assert found["head"]["content_length"] == str(file["size"])
    assert found["head"]["accept_ranges"] == "bytes"
    assert found["head"]["etag"]
    assert found["range"] == {"status": 206, "content_range": f"bytes 0-0/{file['size']}"}
