from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cellucid_core.serving import download_address, offer_download, routes


@pytest.fixture
def client():
    return TestClient(Starlette(routes=routes()))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(bytes(range(256)) * 100)
    return path


def test_whole_and_ranges(client, file):
    address = download_address(offer_download(file, "größe & more.zip"))
    whole = client.get(address)
    assert (whole.status_code, whole.content) == (200, file.read_bytes())
    assert "attachment" in whole.headers["content-disposition"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = client.get(address, headers={"Range": "bytes=250-259"})
    assert (part.status_code, part.content) == (206, file.read_bytes()[250:260])
    assert part.headers["content-range"] == "bytes 250-259/25600"
    assert client.get(address, headers={"Range": "bytes=99999-"}).status_code == 416
    assert client.head(address).headers["content-length"] == "25600"


def test_tokens_differ_and_cannot_be_guessed(client, file):
    tokens = {offer_download(file, "a.zip") for _ in range(50)}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {43}


@pytest.mark.parametrize(
    "token", ["x", "A" * 43, "../../../etc/passwd", "..%2f..%2fsecret", "A" * 5000, "%00", ".", "*", "downloads"]
)
def test_foreign_tokens_find_nothing(client, token):
    assert client.get(download_address(token)).status_code == 404


def test_expired_links_and_vanished_files(client, file, home):
    expired = offer_download(file, "a.zip", lifetime=-1)
    assert client.get(download_address(expired)).status_code == 404
    offer_download(file, "a.zip")  # sweeps what has expired
    assert not (home / "downloads" / f"{expired}.json").exists()
    token = offer_download(file, "a.zip")
    file.unlink()
    assert client.get(download_address(token)).status_code == 404


def test_a_damaged_record_is_a_404(client, file, home):
    token = offer_download(file, "a.zip")
    (home / "downloads" / f"{token}.json").write_text("{")
    assert client.get(download_address(token)).status_code == 404
    (home / "downloads" / f"{token}.json").write_text(json.dumps({"path": "/etc/passwd"}))
    assert client.get(download_address(token)).status_code == 404


def test_addresses_below_a_base_path():
    assert download_address("t") == "/cellucid/download/t"
    assert download_address("t", "/team/cellucid/") == "/team/cellucid/cellucid/download/t"


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok"}
