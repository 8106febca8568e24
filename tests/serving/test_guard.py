"""What is in front of the routes: sites, strangers, and the cookie that changes when somebody signs in or out."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from cellucid_core.database import browsers, reading
from cellucid_core.serving import (
    COOKIE,
    arrive_signed_in,
    middleware,
    note_sign_in,
    note_way,
    read_sign_in,
    routes,
)
from cellucid_core.serving.browser_cookie import BrowserCookie
from cellucid_core.serving.sign_in import owner_of_browser, signed_in_user
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
ME = "m" * 43
BASE = "team/cells"


async def _anything(request):
    return PlainTextResponse("reached")


async def _signs_in(request):
    answer = Response("reached")
    answer.set_cookie("_streamlit_user", "claims")
    return answer


async def _signs_out(request):
    answer = Response("reached")
    answer.delete_cookie("_streamlit_user")
    return answer


async def _socket(websocket):
    await websocket.accept()
    await websocket.close()


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    monkeypatch.setenv("CELLUCID_SIGN_IN", "required")
    more = [
        Route(f"/{BASE}/oauth2callback", _signs_in),
        Route(f"/{BASE}/auth/logout", _signs_out),
        WebSocketRoute(f"/{BASE}/_stcore/stream", _socket),
        Route("/{path:path}", _anything, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    app = Starlette(routes=[*routes(BASE), *more], middleware=middleware(BASE))
    return TestClient(app, cookies={COOKIE: ME}, base_url="http://cells.example.org")


def sign_in(issued=60):
    claims = {"iss": "https://id.example.org", "sub": "ada", "iat": time.time() - issued, "nonce": str(issued)}
    note_sign_in(read_sign_in(claims), ME)


CLOSED = [
    "media/0123.png",
    "app/static/x.csv",
    "_stcore/upload_file/session/file",
    "_stcore/metrics",
    "_stcore/script-health-check",
    "_stcore/agent/interact",
    "_stcore/what-comes-next",
    "cellucid/download/" + "A" * 43,
    "cellucid/upload",
    "cellucid/upload/x",
    "cellucid/what-comes-next",
]
OPEN = [
    "",
    "export",
    "static/js/index.js",
    "static/media/MaterialSymbols.woff2",
    "_stcore/health",
    "_stcore/host-config",
    "_stcore/bidi-components/x/y.js",
    "component/x/y.js",
    "healthz",
]


@pytest.mark.parametrize("base", [f"/{BASE}", "", "/before"])
@pytest.mark.parametrize("path", CLOSED)
def test_closed_until_one_has_signed_in(client, base, path, monkeypatch):
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, f"{base}/{path}")
        assert answer.status_code == 403, method
        assert answer.headers["cache-control"] == "no-store"
    assert client.post(f"{base}/{path}").json()["fix"].startswith("Open the dashboard")
    sign_in()
    assert "not signed in" not in client.get(f"{base}/{path}").text
    client.cookies.set(COOKIE, "o" * 43)
    assert "not signed in" in client.get(f"{base}/{path}").text
    for mode in ("optional", "off"):
        monkeypatch.setenv("CELLUCID_SIGN_IN", mode)
        assert "not signed in" not in client.get(f"{base}/{path}").text


@pytest.mark.parametrize("path", OPEN)
def test_open_so_that_one_can_sign_in(client, path):
    assert client.get(f"/{BASE}/{path}").status_code == 200


ROUTES = """
import streamlit
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes
app = streamlit.App("pages/home.py")
for route in create_streamlit_routes(app._create_runtime()):
    print(route.path.split("{")[0].strip("/"))
"""


def test_every_route_of_streamlit_is_known():
    """A route that a new version brings is looked at before it is served to strangers."""
    found = subprocess.run(
        [sys.executable, "-c", ROUTES], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    beside = {word for word in found.stdout.splitlines() if not word.startswith("_stcore/")}
    assert beside >= {"media", "auth/login", "auth/logout", "oauth2callback"}
    assert beside <= {"media", "component", "auth/login", "auth/logout", "oauth2callback", ""}


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
@pytest.mark.parametrize("way", ["login", "logout"])
def test_other_sites_send_nobody_in_or_out(client, site, way):
    sign_in()
    answer = client.get(f"/{BASE}/auth/{way}", headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert signed_in_user(ME)
    for own in ("same-origin", "none"):
        assert client.get(f"/{BASE}/auth/{way}", headers={"Sec-Fetch-Site": own}).text == "reached"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.org"},
        {"Origin": "http://localhost:9"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
    ],
)
@pytest.mark.parametrize("mode", ["off", "required"])
def test_other_sites_get_no_websocket(client, headers, mode, monkeypatch):
    monkeypatch.setenv("CELLUCID_SIGN_IN", mode)
    address = f"/{BASE}/_stcore/stream"
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(address, headers=headers):
        pass
    assert refused.value.code == 1008
    for own in ({"Origin": "http://testserver"}, {"Sec-Fetch-Site": "same-origin"}, {}):
        with client.websocket_connect(address, headers=own):
            pass


def test_signing_in_and_out_begin_a_new_browser(client):
    sign_in()
    holder = owner_of_browser(ME)
    answer = client.get(f"/{BASE}/auth/logout")
    (given,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(COOKIE)]
    assert f"Path=/{BASE}" in given
    assert ME not in given
    assert owner_of_browser(ME) != holder
    back = client.get(f"/{BASE}/oauth2callback", headers={"Cookie": f"{COOKIE}={ME}", "Sec-Fetch-Site": "cross-site"})
    (next_one,) = [value for value in back.headers.get_list("set-cookie") if value.startswith(COOKIE)]
    assert next_one.split(";")[0] not in (given.split(";")[0], f"{COOKIE}={ME}")
    assert "set-cookie" not in client.get(f"/{BASE}/export").headers


def given_to(client, path, cookie):
    html = {"Accept": "text/html", "Cookie": f"{COOKIE}={cookie}"}
    answer = client.get(f"/{BASE}/{path}", headers=html).headers.get_list("set-cookie")
    given = next((value for value in answer if value.startswith(COOKIE)), f"{COOKIE}={cookie}")  # or it keeps its own
    return given.split(";")[0].removeprefix(f"{COOKIE}=")


def test_a_cookie_that_was_taken_away_does_not_come_back(client):
    client.cookies.clear()
    assert given_to(client, "", ME) == ME  # more time
    note_way(ME, "new", carry=True)
    signed_in = given_to(client, "oauth2callback", ME)
    assert signed_in != ME
    assert arrive_signed_in(signed_in, f"user-{'a' * 64}")[0] == "new"
    other = given_to(client, "", ME)
    assert other not in (ME, signed_in)
    assert arrive_signed_in(other, f"user-{'a' * 64}") == ("", None)
    assert given_to(client, "", signed_in) == signed_in


def test_signing_out_nobody_leaves_nothing(client, tmp_path):
    client.cookies.clear()
    for letter in "xyz":
        assert given_to(client, "auth/logout", letter * 43) == letter * 43
    with reading() as connection:
        assert connection.execute(select(browsers)).all() == []


def test_below_a_base_path_an_empty_cookie_at_the_root_signs_nobody_out(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    told = []

    async def both(request):  # as Streamlit does
        answer = Response("reached")
        answer.delete_cookie("_streamlit_user", path="/")
        answer.set_cookie("_streamlit_user", "claims", path=f"/{BASE}")
        return answer

    def changed(old, new, signs_in):
        told.append((old, signs_in))
        return True

    app = BrowserCookie(both_app(both), BASE, changed)
    client = TestClient(app, cookies={COOKIE: ME})
    client.get("/in")
    client.get("/out")
    assert told == [(ME, True), (ME, False)]


def both_app(signs_in):
    return Starlette(routes=[Route("/in", signs_in), Route("/out", _signs_out)])


def test_over_https_every_cookie_is_secure(client):
    for headers, secure in (({"X-Forwarded-Proto": "https"}, True), ({}, False)):
        given = client.get(f"/{BASE}/oauth2callback", headers=headers).headers.get_list("set-cookie")
        assert len(given) == 2
        assert {value.endswith("; Secure") for value in given} == {secure}
