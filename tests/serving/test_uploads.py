from __future__ import annotations

import base64
import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import anyio
import pytest
from anyio import CancelScope, sleep_forever
from blake3 import blake3
from sqlalchemy import insert, select, update
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cellucid_core.database import reading, uploads, writing
from cellucid_core.database.tables import servers
from cellucid_core.errors import InputError
from cellucid_core.serving import browser_of, middleware, routes, take_upload, upload_address
from cellucid_core.serving import incoming as incoming_module
from cellucid_core.serving.incoming import Growing, clean_name, find_upload, sole_writer, sweep_incoming
from cellucid_core.serving.kept_uploads import upload_suffix

pytestmark = pytest.mark.usefixtures("each_database")
TUS = {"Tus-Resumable": "1.0.0"}
SENDS = {**TUS, "Content-Type": "application/offset+octet-stream"}
DATA = bytes(range(256)) * 400


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, so that quotas and sweeps see this test's uploads only."""
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def app():
    return Starlette(routes=routes(), middleware=middleware())


@pytest.fixture
def client(app, home):
    return visitor(app)


def visitor(app):
    """Return a client with a browser's cookie."""
    client = TestClient(app)
    client.get("/", headers={"Accept": "text/html"})  # the page is a 404 here, but a page
    assert "cellucid_browser" in client.cookies
    return client


def begin(client, name="x.h5ad", size=102_400, **headers):
    encoded = base64.b64encode(name.encode()).decode()
    described = {"Upload-Length": str(size), "Upload-Metadata": f"filename {encoded}"}
    return client.post(upload_address(), headers={**TUS, **described, **headers})


def send(client, location, offset, data, **headers):
    return client.patch(location, content=data, headers={**SENDS, "Upload-Offset": str(offset), **headers})


def offset(client, location):
    answer = client.head(location, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def token_of(location):
    return location.rpartition("/")[2]


def checksum(data):
    return {"Upload-Checksum": f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}"}


def test_pieces_become_the_file(client, home):
    begun = begin(client, "Größe/../my atlas.csv.gz")
    assert begun.status_code == 201
    location = begun.headers["location"]
    for start in range(0, len(DATA), 30_000):
        piece = DATA[start : start + 30_000]
        assert send(client, location, start, piece, **checksum(piece)).status_code == 204
    assert offset(client, location) == len(DATA)
    shares = []
    path, name = take_upload(token_of(location), browser_of(client.cookies), shares.append)
    assert name == "my atlas.csv.gz"
    assert path == home / "uploads" / f"{blake3(DATA).hexdigest()}.csv.gz"
    assert path.read_bytes() == DATA
    assert shares[-1] == 1
    assert take_upload(token_of(location), browser_of(client.cookies)) == (path, name)
    assert not list((home / "incoming").glob("*.data"))


def test_the_same_content_is_kept_once(client, home):
    paths = set()
    for _ in range(2):
        location = begin(client).headers["location"]
        send(client, location, 0, DATA)
        paths.add(take_upload(token_of(location), browser_of(client.cookies))[0])
    assert len(paths) == 1
    assert len(list((home / "uploads").iterdir())) == 1


def test_a_wrong_offset_is_told_the_right_one(client):
    location = begin(client).headers["location"]
    send(client, location, 0, DATA[:1000])
    for wrong in (0, 999, 1001, -1, "x", ""):
        answer = send(client, location, wrong, DATA[1000:])
        assert (answer.status_code, answer.headers["upload-offset"]) == (409, "1000")
    assert offset(client, location) == 1000


def test_a_damaged_piece_leaves_no_trace(client):
    location = begin(client).headers["location"]
    send(client, location, 0, DATA[:1000])
    answer = send(client, location, 1000, DATA[1000:2000], **checksum(b"other"))
    assert answer.status_code == 460
    assert offset(client, location) == 1000
    for malformed in ("md5 x", "sha256 ???", "sha256", ""):
        assert send(client, location, 1000, b"x", **{"Upload-Checksum": malformed}).status_code in (400, 460)
    assert offset(client, location) == 1000
    send(client, location, 1000, DATA[1000:])
    path, _ = take_upload(token_of(location), browser_of(client.cookies))
    assert path.read_bytes() == DATA


def test_what_a_killed_server_left_beyond_the_record_is_cut_off(client, home):
    location = begin(client).headers["location"]
    send(client, location, 0, DATA[:1000])
    with next((home / "incoming").glob("*.data")).open("ab") as file:
        file.write(b"half a piece that nobody vouched for")
    assert offset(client, location) == 1000
    send(client, location, 1000, DATA[1000:])
    path, _ = take_upload(token_of(location), browser_of(client.cookies))
    assert path.read_bytes() == DATA


def test_more_than_announced_is_refused(client, home):
    location = begin(client, size=1000).headers["location"]
    assert send(client, location, 0, DATA).status_code == 413
    assert offset(client, location) == 0
    assert send(client, location, 0, DATA[:1000]).status_code == 204
    assert send(client, location, 1000, b"x").status_code == 413


def test_an_incomplete_upload_cannot_be_taken(client):
    location = begin(client).headers["location"]
    send(client, location, 0, DATA[:-1])
    with pytest.raises(InputError, match="completely"):
        take_upload(token_of(location), browser_of(client.cookies))


def test_another_browser_sees_nothing(app, client):
    location = begin(client).headers["location"]
    send(client, location, 0, DATA)
    other, nobody = visitor(app), TestClient(app)
    for stranger in (other, nobody):
        assert stranger.head(location, headers=TUS).status_code == 404
        assert send(stranger, location, 0, DATA).status_code == 404
        assert stranger.delete(location, headers=TUS).status_code == 404
        with pytest.raises(InputError, match="not on the server"):
            take_upload(token_of(location), browser_of(stranger.cookies))
    assert begin(nobody).status_code == 403
    assert offset(client, location) == len(DATA)


@pytest.mark.parametrize("token", ["x", "A" * 43, "..%2f..%2fetc", "A" * 5000, "%00", "*", "."])
def test_guessed_tokens_find_nothing(client, token):
    location = f"{upload_address()}/{token}"
    assert client.head(location, headers=TUS).status_code in (404, 405)
    assert send(client, location, 0, b"x").status_code in (404, 405)
    assert client.delete(location, headers=TUS).status_code in (404, 405)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://[broken"},
    ],
)
def test_other_sites_are_refused_everywhere(client, headers):
    location = begin(client).headers["location"]
    assert begin(client, **headers).status_code == 403
    assert send(client, location, 0, DATA, **headers).status_code == 403
    assert client.delete(location, headers={**TUS, **headers}).status_code == 403
    assert offset(client, location) == 0


def test_own_pages_are_not(client):
    assert begin(client, **{"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}).status_code == 201
    assert begin(client, Origin="http://testserver").status_code == 201


def test_a_form_of_another_site_cannot_speak_the_protocol(client):
    described = {"Upload-Length": "5", "Upload-Metadata": "filename eC5oNWFk"}
    assert client.post(upload_address(), headers=described).status_code == 412
    location = begin(client).headers["location"]
    plain = {**TUS, "Upload-Offset": "0", "Content-Type": "text/plain"}
    assert client.patch(location, content=b"x", headers=plain).status_code == 415


@pytest.mark.parametrize(
    ("name", "size", "status", "words"),
    [
        ("x.h5ad", 0, 415, "empty"),
        ("x.h5ad", -5, 415, "empty"),
        ("x.h5ad", 10**13, 413, "at most 20 GB"),
        ("x.rds", 100, 415, "R object"),
        ("x.h5ad", "many", 400, "malformed"),
        ("x.h5ad", "9" * 5000, 400, "malformed"),
    ],
)
def test_what_is_refused_before_a_byte_is_sent(client, home, name, size, status, words):
    answer = begin(client, name, size)
    assert answer.status_code == status
    assert words in answer.json()["what"]
    assert answer.json()["fix"]
    assert not list((home / "incoming").glob("*.data"))


def test_quota_counts_what_is_under_way_and_what_was_kept(client, app, monkeypatch):
    monkeypatch.setenv("CELLUCID_UPLOAD_LIMIT", "1 MB")
    monkeypatch.setenv("CELLUCID_QUOTA", "1 MB")
    location = begin(client).headers["location"]
    refused = begin(client, size=950_000).json()
    assert refused["what"].startswith("x.h5ad has 950 kB; of your 1 MB")
    assert "deleted after 30 days" in refused["fix"]
    monkeypatch.setenv("CELLUCID_TIME_TO_LIVE", "12 hours")
    assert "deleted after 12 hours" in begin(client, size=950_000).json()["fix"]
    send(client, location, 0, DATA)
    take_upload(token_of(location), browser_of(client.cookies))
    assert begin(client, size=950_000).status_code == 413
    assert begin(visitor(app), size=950_000).status_code == 201
    other = begin(client, size=500_000).headers["location"]
    assert begin(client, size=500_000).status_code == 413
    assert client.delete(other, headers=TUS).status_code == 204
    assert client.head(other, headers=TUS).status_code == 404
    assert begin(client, size=500_000).status_code == 201


def test_a_full_disk_is_a_sentence_and_the_upload_goes_on_later(client, monkeypatch):
    location = begin(client).headers["location"]
    monkeypatch.setenv("CELLUCID_FREE_SPACE", "900 TB")
    assert "no room" in begin(client).json()["what"]
    answer = send(client, location, 0, DATA)
    assert answer.status_code == 507
    assert "no room" in answer.json()["what"]
    monkeypatch.setenv("CELLUCID_FREE_SPACE", "0")
    assert send(client, location, 0, DATA).status_code == 204


def test_a_disk_that_fills_up_while_a_piece_is_written(client, monkeypatch):
    location = begin(client).headers["location"]
    send(client, location, 0, DATA[:500])
    with monkeypatch.context() as broken:
        broken.setattr(incoming_module.Growing, "commit", _full)
        assert send(client, location, 500, DATA[500:]).status_code == 507
    assert offset(client, location) == 500
    assert send(client, location, 500, DATA[500:]).status_code == 204


def _full(*_):
    raise incoming_module.NoRoom("The disk cannot take a file that is longer.", "Wait.")


def test_one_writer_at_a_time(client):
    location = begin(client).headers["location"]
    with sole_writer(token_of(location)):
        assert send(client, location, 0, DATA).status_code == 423
    assert send(client, location, 0, DATA).status_code == 204


def test_what_another_server_receives_is_left_to_it_while_it_lives(client):
    location = begin(client).headers["location"]
    with writing() as connection:
        other = {"id": "f" * 32, "machine": "elsewhere", "process": "1:1", "beat": time.time()}
        connection.execute(insert(servers).values(**other))
        connection.execute(update(uploads).values(writer="f" * 32))
    assert send(client, location, 0, DATA).status_code == 423
    with writing() as connection:
        connection.execute(update(servers).where(servers.c.id == "f" * 32).values(beat=time.time() - 60))
    assert send(client, location, 0, DATA).status_code == 204


def test_who_was_taken_for_dead_destroys_nothing(client):
    location = begin(client).headers["location"]
    token, me = token_of(location), browser_of(client.cookies)
    with Growing(token, find_upload(token, me)) as stalled:
        stalled.write(DATA[:1000])
        assert send(client, location, 0, DATA).status_code == 204  # at another server
        with pytest.raises(InputError, match="cancelled"):
            stalled.commit()
    assert take_upload(token, me)[0].read_bytes() == DATA


def test_a_request_that_is_cut_off_leaves_its_upload_to_the_next(client, home):
    location = begin(client).headers["location"]
    cookie = f"cellucid_browser={browser_of(client.cookies)}"
    sent = {**SENDS, "Upload-Offset": "0", "Cookie": cookie}
    headers = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    request = {"type": "http", "method": "PATCH", "path": location, "query_string": b"", "headers": headers}

    async def cut_off():
        with CancelScope() as running:

            async def receive():
                running.cancel()
                await sleep_forever()

            async def answer(message):
                raise AssertionError(message)

            await Starlette(routes=routes())(request, receive, answer)
        assert running.cancelled_caught

    anyio.run(cut_off)
    assert send(client, location, 0, DATA).status_code == 204


def test_what_was_cancelled_while_it_was_hashed_is_not_taken(client, home, monkeypatch):
    location = begin(client).headers["location"]
    send(client, location, 0, DATA)
    token, me = token_of(location), browser_of(client.cookies)
    with pytest.raises(InputError, match="not on the server"):
        take_upload(token, me, lambda share: client.delete(location, headers=TUS))
    assert not list((home / "uploads").iterdir())


def test_two_that_begin_at_once_share_the_quota(client, monkeypatch):
    monkeypatch.setenv("CELLUCID_QUOTA", "1 MB")
    browser = browser_of(client.cookies)

    def one(_):
        with suppress(InputError):
            return incoming_module.begin_upload("a.h5ad", 600_000, browser)

    with ThreadPoolExecutor(8) as threads:
        assert sum(token is not None for token in threads.map(one, range(8))) == 1


def test_expired_and_orphaned_uploads_are_swept(client, home, monkeypatch):
    kept, left = (begin(client).headers["location"] for _ in range(2))
    send(client, left, 0, DATA[:10])
    with writing() as connection:
        connection.execute(update(uploads).where(uploads.c.offset > 0).values(changed=time.time() - 3 * 86400))
    assert client.head(left, headers=TUS).status_code == 404
    orphan = home / "incoming" / "0123.data"
    orphan.write_bytes(b"x")
    for path in (home / "incoming").iterdir():
        os.utime(path, (0, 0))
    sweep_incoming()
    assert offset(client, kept) == 0
    assert {path.stem for path in (home / "incoming").iterdir()} == {
        hashlib.sha256(token_of(kept).encode()).hexdigest()[:40]
    }


def test_names_and_endings():
    assert clean_name("C:\\data\\a.h5ad") == "a.h5ad"
    assert clean_name("../../etc/passwd") == "passwd"
    assert clean_name("a\x00\n\u202eda5h.exe") == "ada5h.exe"
    assert clean_name("\u200b\t") == "upload"
    assert clean_name("a" * 500 + ".h5ad.gz").endswith(".h5ad.gz")
    assert len(clean_name("a" * 500 + ".h5ad.gz")) == 200
    assert upload_suffix("my.data.CSV.gz") == ".csv.gz"
    assert upload_suffix("x./..") == ""
    assert upload_suffix("x.h5 ad") == ""


def test_what_tokens_are_on_disk(client, home):
    location = begin(client).headers["location"]
    for path in (home / "incoming").iterdir():
        assert token_of(location) not in path.name
    with reading() as connection:
        assert token_of(location) not in str(connection.execute(select(uploads)).all())


def test_options_tell_the_protocol(client):
    answer = client.options(upload_address())
    assert answer.headers["tus-version"] == "1.0.0"
    assert "checksum" in answer.headers["tus-extension"]
    assert "access-control-allow-origin" not in answer.headers


def test_below_a_base_path(home):
    client = TestClient(Starlette(routes=routes("/team/"), middleware=middleware("/team/")))
    answer = client.get("/team/", headers={"Accept": "text/html"})
    assert "Path=/team;" in answer.headers["set-cookie"]
    encoded = {"Upload-Length": "3", "Upload-Metadata": "filename eC5oNWFk"}
    begun = client.post(upload_address("/team/"), headers={**TUS, **encoded})
    assert begun.headers["location"].startswith("/team/cellucid/upload/")
    assert send(client, begun.headers["location"], 0, b"abc").status_code == 204
    assert client.get("/healthz").json() == client.get("/team/healthz").json() == {"status": "ok"}
