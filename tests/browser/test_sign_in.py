"""Signing in with a real OpenID Connect provider, below a base path behind which everything is closed."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from cellucid_core.library import write_signature
from tests.browser.conftest import at_rest, serve
from tests.browser.test_walk import go, open_demo
from tests.library.signatures_made import make_signature
from tests.patience import PATIENCE
from tests.state import rows

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("sign in")]
DOOR = "Cellucid Dashboard"
INSIDE = "Check, export and score single-cell data"
PEOPLE = [
    {"sub": "ada", "name": "Ada *Lovelace* <b>", "email": "Ada@Institute.org", "email_verified": True},
    {"sub": "bob", "name": "Bob", "email": "bob@institute.org", "email_verified": True},
    {"sub": "eve", "name": "Eve", "email": "eve@elsewhere.org", "email_verified": True},
    {"sub": "mallory", "name": "Mallory", "email": "ada@institute.org", "email_verified": False},
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """A provider's process on a free port, which knows the people above."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    users = [part for person in PEOPLE for part in ("--user-claims", json.dumps(person))]
    log = tmp_path_factory.mktemp("provider") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *users],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{address}/.well-known/openid-configuration", timeout=1)
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def closed(provider, demo, tmp_path_factory):
    """The address of a dashboard that only the institute's people may use."""
    with serve(
        tmp_path_factory.mktemp("closed"),
        CELLUCID_SIGN_IN="required",
        CELLUCID_ALLOWED_USERS="@institute.org",
        STREAMLIT_SECRETS_FILES=write_secrets(tmp_path_factory, provider, "/team/cells"),
        STREAMLIT_SERVER_BASE_URL_PATH="team/cells",
    ) as address:
        yield f"{address}/team/cells/"


@pytest.fixture(scope="module")
def half_open(provider, demo, tmp_path_factory):
    """The address and folder of a dashboard that everybody may use, signed in or not."""
    home = tmp_path_factory.mktemp("half_open")
    with serve(
        home, CELLUCID_SIGN_IN="optional", STREAMLIT_SECRETS_FILES=write_secrets(tmp_path_factory, provider)
    ) as address:
        yield f"{address}/", home


def write_secrets(tmp_path_factory, provider, base=""):
    secrets = tmp_path_factory.mktemp("secrets") / "secrets.toml"
    secrets.write_text(
        f"""[auth]
redirect_uri = "http://127.0.0.1:{{port}}{base}/oauth2callback"
cookie_secret = "of-a-test-0123456789-abcdefghijklmnopqrstuvwxyz"
client_id = "cellucid"
client_secret = "not-checked"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""
    )
    return str(secrets)


@pytest.fixture
def visitor(browser, closed):
    """Return a function that opens the dashboard in a browser of its own."""
    contexts = []

    def visit(address=closed, heading=DOOR):
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        page.get_by_role("heading", name=heading).wait_for()
        return page

    yield visit
    for context in contexts:
        for page in context.pages:
            assert page.get_by_test_id("stException").count() == 0
        context.close()


def sign_in(page, person, name="Sign in"):
    page.get_by_role("button", name=name).click()
    subject = page.locator("input[name=sub][type=text]")  # the provider's form differs between its versions
    subject.fill(person)
    subject.press("Enter")


def sign_out(page, heading=DOOR):
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()
    page.get_by_role("heading", name=heading).wait_for()


def token_of(page):
    """Return the workspace's token, once it stands in the address."""
    page.wait_for_url("**?workspace=*")
    return parse_qs(urlsplit(page.url).query)["workspace"][0]


def add_to_library(page, file):
    write_signature(make_signature(), file)
    go(page, "Signature Library", "Signature Library")
    page.get_by_role("tab", name="Read a file").click()
    box = page.get_by_test_id("stFileUploader").filter(has_text="A signature file")
    box.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Add it to the library").click()
    page.get_by_role("tab", name="Signatures").click()
    expect(page.get_by_text("was added to the library")).to_be_visible()


def inside(page):
    page.get_by_role("heading", name=INSIDE).wait_for()
    return page.get_by_test_id("stSidebar")


def delete_box(page):
    """Wait for the entry, and return what only its owner sees."""
    expect(page.get_by_role("heading", name="Lung “1”")).to_be_visible()
    at_rest(page)  # of an empty library the example may still stand there
    expect(page.get_by_role("tab", name="Download")).to_be_visible()  # drawn after it
    main = page.get_by_test_id("stMainBlockContainer")  # in the sidebar, the workspace can be deleted
    return main.get_by_test_id("stPopover").filter(has_text="Delete")


def test_from_the_door_to_the_library_and_out_again(visitor, tmp_path):
    page = visitor()
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    expect(page.get_by_text("The demo")).to_have_count(0)
    sign_in(page, "ada")
    sidebar = inside(page)
    expect(sidebar).to_contain_text("Ada *Lovelace* <b>")
    expect(sidebar).to_contain_text("Ada@Institute.org")
    expect(sidebar.get_by_role("link", name="Ada@Institute.org")).to_have_count(0)

    open_demo(page)
    go(page, "Export", "Export for Cellucid")
    page.get_by_role("button", name="Export", exact=True).click()
    link = page.get_by_role("link", name="Download")
    with page.expect_download() as saved:
        link.click()
    assert saved.value.path().stat().st_size > 10_000
    address = f"http://{urlsplit(page.url).netloc}{link.get_attribute('href')}"

    add_to_library(page, tmp_path / "lung.pickle")
    expect(delete_box(page)).to_be_visible()
    other_tab = page.context.new_page()
    other_tab.goto(page.url)
    inside_again = other_tab.get_by_test_id("stSidebar")
    expect(inside_again).to_contain_text("Ada *Lovelace*")
    cookies = page.context.cookies()
    assert page.context.request.get(address).ok

    sign_out(page)
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    assert page.context.request.get(address).status == 403
    # The other tab still has its connection; the next thing that is done there ends it.
    other_tab.get_by_test_id("stSidebarNav").get_by_text("Export", exact=True).click()
    expect(other_tab.get_by_text("You signed out, or signed in again")).to_be_visible()
    other_tab.close()

    # Who kept the cookies has nothing of them.
    page.context.clear_cookies()
    page.context.add_cookies(cookies)
    assert page.context.request.get(address).status == 403
    page.reload()
    expect(page.get_by_text("You signed out, or signed in again")).to_be_visible()
    page.context.clear_cookies()

    page.reload()
    sign_in(page, "bob")
    inside(page)
    assert page.context.request.get(address).status == 403
    go(page, "Signature Library", "Signature Library")
    expect(delete_box(page)).to_have_count(0)

    elsewhere = visitor()
    sign_in(elsewhere, "ada")
    inside(elsewhere)
    assert elsewhere.context.request.get(address).ok  # hers wherever she is signed in
    go(elsewhere, "Signature Library", "Signature Library")
    delete_box(elsewhere).get_by_role("button").click()
    elsewhere.get_by_role("button", name="Delete it").click()
    expect(elsewhere.get_by_text("There is no signature yet")).to_be_visible()


@pytest.mark.parametrize("person", ["eve", "mallory"])
def test_who_is_not_on_the_list_sees_a_sentence_and_can_leave(visitor, closed, person):
    page = visitor()
    sign_in(page, person)
    expect(page.get_by_text("This account may not use this server.")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    page.goto(f"{closed}export")
    expect(page.get_by_text("This account may not use this server.")).to_be_visible()
    assert page.context.request.get(f"{closed}cellucid/download/{'A' * 43}").status == 403
    sign_out(page)
    sign_in(page, "bob")
    expect(inside(page)).to_contain_text("Bob")


def test_who_says_no_at_the_provider_is_at_the_door_again(visitor):
    page = visitor()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("heading", name=DOOR).wait_for()


def test_at_another_name_of_the_server_one_is_sent_to_the_right_one(visitor, closed):
    page = visitor()
    page.goto(closed.replace("127.0.0.1", "localhost"))
    link = page.get_by_role("link", name="Open the dashboard there")
    expect(link).to_have_attribute("href", closed)
    expect(page.get_by_role("button", name="Sign in")).to_have_count(0)


def test_what_is_closed_to_strangers_and_to_other_sites(visitor, closed):
    page = visitor()
    ask = page.context.request
    for path in ("media/x.png", "cellucid/download/x", "_stcore/metrics", "_stcore/upload_file/a/b"):
        assert ask.get(f"{closed}{path}").status == 403, path
    began = ask.post(f"{closed}cellucid/upload", headers={"Upload-Length": "1", "Tus-Resumable": "1.0.0"})
    assert began.status == 403
    assert began.json()["what"] == "You are not signed in."
    assert ask.get(f"{closed}_stcore/health").ok
    for way in ("login", "logout"):
        assert ask.get(f"{closed}auth/{way}", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    # Made up, or of somebody else's sign-in: Authlib does not know the state, and nobody is signed in.
    ask.get(f"{closed}oauth2callback?code=x&state=y")
    assert "_streamlit_user" not in {cookie["name"] for cookie in page.context.cookies()}

    socket_address = f"ws{closed.removeprefix('http')}_stcore/stream"
    with connect(socket_address, origin=closed.removesuffix("/team/cells/")):
        pass
    for origin, more in (("http://localhost:1", {}), (None, {"Sec-Fetch-Site": "same-site"})):
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(socket_address, origin=origin, additional_headers=more),
        ):
            pass
        assert refused.value.response.status_code == 403


BROUGHT = "Your work from before signing in is now in your workspaces"


def test_what_was_made_before_comes_along_and_goes_to_nobody_else(visitor, half_open, tmp_path):
    address, _ = half_open
    page = visitor(address, INSIDE)
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_role("button", name="Sign in")).to_be_visible()
    expect(sidebar.get_by_test_id("stCheckbox")).to_have_count(0)  # there is nothing yet
    open_demo(page)
    go(page, "Export", "Export for Cellucid")
    page.get_by_role("button", name="Export", exact=True).click()
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible()
    download = f"http://{urlsplit(page.url).netloc}{link.get_attribute('href')}"
    add_to_library(page, tmp_path / "lung.pickle")
    token = token_of(page)
    expect(sidebar.get_by_text("Bring along the workspace of this browser")).to_be_visible()
    other_tab = page.context.new_page()
    other_tab.goto(address)
    expect(other_tab.get_by_test_id("stSidebar").get_by_text("Bring along")).to_be_visible()
    cookies = page.context.cookies()

    sign_in(page, "ada")
    said = page.get_by_text(BROUGHT)
    expect(said).to_be_visible()
    expect(said).to_contain_text("So is 1 entry of the library")
    assert token_of(page) == token
    expect(page.get_by_text("Opened by its link")).to_have_count(0)
    assert page.context.request.get(download).ok
    go(page, "Export", "Export for Cellucid")
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    go(page, "Signature Library", "Signature Library")
    expect(delete_box(page)).to_be_visible()

    # A tab of before goes on as what the browser is now.
    other_tab.get_by_test_id("stSidebarNav").get_by_text("Export", exact=True).click()
    expect(other_tab.get_by_text("Somebody signed in or out in another tab.")).to_be_visible()
    other_tab.get_by_role("button", name="Go on").click()
    expect(other_tab.get_by_test_id("stSidebar")).to_contain_text("Ada *Lovelace*")
    assert token_of(other_tab) == token
    expect(other_tab.get_by_text(BROUGHT)).to_have_count(0)
    other_tab.close()

    sign_out(page, INSIDE)
    nothing_there(page, download)
    sign_in(page, "bob")
    inside(page)
    expect(page.get_by_test_id("stSidebar")).to_contain_text("Bob")
    expect(page.get_by_text(BROUGHT)).to_have_count(0)
    nothing_there(page, download)
    sign_out(page, INSIDE)

    # Nor is it at the cookie of before.
    page.context.clear_cookies()
    page.context.add_cookies(cookies)
    page.goto(address)
    inside(page)
    nothing_there(page, download)


def nothing_there(page, download):
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_role("button", name=re.compile("Sign (in|out)"))).to_be_visible()  # drawn last
    expect(sidebar.get_by_text("My workspaces")).to_have_count(0)
    assert "workspace=" not in page.url
    assert page.context.request.get(download).status == 403


def test_what_one_does_not_know_stays_with_the_browser(visitor, half_open):
    address, _ = half_open
    page = visitor(address, INSIDE)
    open_demo(page)
    token = token_of(page)
    sidebar = page.get_by_test_id("stSidebar")

    sidebar.get_by_text("Bring along the workspace of this browser").click()
    sign_in(page, "bob")  # somebody else, who says so before …
    inside(page)
    expect(sidebar).to_contain_text("Bob")
    expect(page.get_by_text(BROUGHT)).to_have_count(0)
    assert "workspace=" not in page.url
    sign_out(page, INSIDE)
    page.goto(address)
    assert token_of(page) == token

    sign_in(page, "bob")  # … or after it came along
    expect(page.get_by_text(BROUGHT)).to_be_visible()
    assert token_of(page) == token
    page.get_by_role("button", name="It is not mine").click()
    page.wait_for_url("**?workspace=new")
    inside(page)
    expect(sidebar).to_contain_text("Bob")
    expect(sidebar.get_by_text("My workspaces")).to_have_count(0)
    sign_out(page, INSIDE)
    page.goto(address)
    assert token_of(page) == token


def test_a_link_leads_through_the_door_and_stands_nowhere_else(visitor, closed, provider):
    ada = visitor()
    sign_in(ada, "ada")
    inside(ada)
    open_demo(ada)
    link = ada.url
    token = token_of(ada)

    bob = visitor(link)
    told = []

    def listen(request):
        told.append(f"{request.url} {request.post_data or ''} {sorted(request.headers.items())}")

    bob.on("request", listen)
    sign_in(bob, "bob")
    expect(bob.get_by_text("Opened by its link")).to_be_visible()
    bob.remove_listener("request", listen)
    assert token_of(bob) == token
    assert any(text.startswith(provider) for text in told)
    assert not any(token in text for text in told)
    assert not any(token in str(cookie) for cookie in bob.context.cookies())
    sign_out(bob)
    sign_in(bob, "bob")  # once is enough
    inside(bob)
    assert "workspace=" not in bob.url
    bob.goto(f"{closed}?workspace={'A' * 43}")
    expect(bob.get_by_text("This link leads to no workspace")).to_be_visible()
    sign_out(bob)

    bob.goto(link)
    bob.get_by_role("heading", name=DOOR).wait_for()
    sign_in(bob, "eve")  # the wrong account first
    expect(bob.get_by_text("This account may not use this server.")).to_be_visible()
    sign_in(bob, "bob", "Sign in again")
    expect(bob.get_by_text("Opened by its link")).to_be_visible()
    assert token_of(bob) == token


def test_nothing_of_it_is_logged(half_open):
    _, home = half_open
    log = (home / "server.log").read_text()
    assert "workspace=" not in log
    assert not any(row["way"] for row in rows(home, "browsers"))
