from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cellucid_core.database import DatabaseRefused, downloads, reading
from cellucid_core.serving import COOKIE, download_address, middleware, routes
from cellucid_core.serving import downloads as module
from cellucid_core.serving import offer_download as offer_download_to
from cellucid_core.serving.browser_cookie import BrowserCookie
from cellucid_core.serving.sign_in import owner_of_browser

pytestmark = pytest.mark.usefixtures("each_database")
ME = "m" * 43


def offer_download(path, file_name, **more):
    return offer_download_to(path, file_name, ME, **more)


@pytest.fixture
def client():
    return TestClient(Starlette(routes=routes()), cookies={COOKIE: ME})


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


def test_expired_links_and_vanished_files(client, file):
    expired = offer_download(file, "a.zip", lifetime=-1)
    assert client.get(download_address(expired)).status_code == 404
    offer_download(file, "a.zip")  # sweeps what has expired
    with reading() as connection:
        assert min(connection.scalars(select(downloads.c.expires))) > time.time()
    token = offer_download(file, "a.zip")
    file.unlink()
    assert client.get(download_address(token)).status_code == 404


def test_a_file_that_is_deleted_at_this_moment_is_a_404(client, file, monkeypatch):
    address = download_address(offer_download(file, "Secret.zip"))
    found = module._find

    def and_then_deleted(token):
        record = found(token)
        file.unlink(missing_ok=True)
        return record

    monkeypatch.setattr(module, "_find", and_then_deleted)
    for method in ("GET", "HEAD"):
        file.write_bytes(b"x")
        answer = client.request(method, address)
        assert answer.status_code == 404
    file.write_bytes(b"x")
    assert "expired" in client.get(address).text


@pytest.mark.parametrize("cookie", [None, "o" * 43, "", "m" * 42, "m; m", "ü"])
def test_another_browser_is_refused(file, cookie):
    headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}".encode()}
    other = TestClient(Starlette(routes=routes()))
    answer = other.get(download_address(offer_download(file, "a.zip")), headers=headers)
    assert answer.status_code == 403
    assert "only in the browser that made it" in answer.text
    assert file.read_bytes() not in answer.content


def test_the_record_does_not_give_the_cookie_or_the_link_away(file):
    token = offer_download(file, "a.zip")
    with reading() as connection:
        rows = str(connection.execute(select(downloads)).all())
    assert "a.zip" in rows
    assert ME not in rows
    assert token not in rows


def page(request):
    return HTMLResponse("<html>")


PAGE = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def dashboard():
    routes_ = [*routes("team/cells"), Route("/{path:path}", page)]
    return TestClient(Starlette(routes=routes_, middleware=middleware("team/cells")))


def test_the_first_page_sets_the_cookie_and_the_next_keeps_it(dashboard, file):
    answer = dashboard.get("/team/cells/", headers=PAGE)
    cookie = answer.headers["set-cookie"]
    value = cookie.split(";")[0].removeprefix(f"{COOKIE}=")
    assert len(value) == 43
    assert all(words in cookie for words in ("HttpOnly", "SameSite=Lax", "Path=/team/cells"))
    assert "Secure" not in cookie
    again = dashboard.get("/team/cells/", headers={**PAGE, "Cookie": f"{COOKIE}={value}"})
    assert again.headers["set-cookie"] == cookie  # the same browser, for longer
    address = download_address(offer_download_to(file, "a.zip", value), "team/cells")
    found = dashboard.get(address, headers={"Cookie": f"a=1; {COOKIE}={value}", "Range": "bytes=0-9"})
    assert (found.status_code, found.content) == (206, bytes(range(10)))


def test_only_documents_set_the_cookie_and_https_makes_it_secure(dashboard):
    for headers in ({"Accept": "*/*"}, {**PAGE, "Sec-Fetch-Dest": "script"}):
        assert "set-cookie" not in dashboard.get("/x.js", headers=headers).headers
    secure = dashboard.get("/", headers={**PAGE, "X-Forwarded-Proto": "https"}).headers["set-cookie"]
    assert secure.endswith("; Secure")
    forged = dashboard.get("/", headers={**PAGE, "Cookie": f"{COOKIE}=short"}).headers["set-cookie"]
    assert "short" not in forged


def test_addresses_below_a_base_path():
    assert download_address("t") == "/cellucid/download/t"
    assert download_address("t", "/team/cellucid/") == "/team/cellucid/cellucid/download/t"


def test_a_database_that_is_gone_leaves_browsers_their_cookies():
    def refused(*_):
        raise DatabaseRefused(OSError("no route to host"))

    app = Starlette(routes=[Route("/", page)])
    client = TestClient(BrowserCookie(app, is_over=refused))
    answer = client.get("/", headers={**PAGE, "Cookie": f"{COOKIE}={ME}"})
    assert answer.status_code == 200  # and the page says what is wrong
    assert "set-cookie" not in answer.headers
    assert "set-cookie" in client.get("/", headers=PAGE).headers  # it has none that could be over


def test_nobody_waits_for_the_database_in_the_loop(file, client, monkeypatch):
    loops = []

    def owner_of(browser):
        with suppress(RuntimeError):
            loops.append(asyncio.get_running_loop())
        return owner_of_browser(browser)

    monkeypatch.setattr(module, "owner_of_browser", owner_of)
    address = download_address(offer_download(file, "a.zip"))
    assert client.get(address).status_code == 200
    assert loops == []


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok"}
