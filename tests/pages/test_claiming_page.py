"""What pages do with work of before signing in, and with sessions whose owner is not the one who sits there now."""

from __future__ import annotations

import hashlib
import time
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from cellucid_core.serving import browser_owner, end_sign_in, fingerprint
from cellucid_core.serving.way_in import change_browser
from cellucid_core.serving.workspaces import is_alive, name_of, owners_workspaces
from pages.session import owner, sign_in
from pages.workspace import login as door
from tests.pages.conftest import MAIN
from tests.patience import PATIENCE

BEFORE, AFTER, LATER = "b" * 43, "a" * 43, "l" * 43
INSIDE = "Check, export and score single-cell data"
BROUGHT = "Your work from before signing in is now in your workspaces"


def user(sub):
    return "user-" + hashlib.sha256(f"https://id.example.org\n{sub}".encode()).hexdigest()


def claims(sub="ada"):
    return {"iss": "https://id.example.org", "sub": sub, "iat": time.time(), "nonce": sub, "name": sub.title()}


class Browser:
    """A browser in front of the dashboard: its cookie, who is signed in, and what it was sent to the provider for."""

    def __init__(self):
        self.cookie, self.claims, self.left = BEFORE, None, 0

    def visit(self, link=None):
        app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
        app.secrets["auth"] = {"redirect_uri": "http://localhost:8501/oauth2callback"}
        if link is not None:
            app.query_params["workspace"] = link
        return run(app)

    def work(self):
        """Make a workspace, and return the session and its name."""
        app = self.visit()
        click(app, "Open the demo")
        return app, app.session_state["keeper"].name

    def leave(self, app, label="Sign in"):
        before = self.left
        click(app, label)
        assert self.left == before + 1

    def arrive(self, cookie, sub="ada"):
        """Come back from the provider."""
        change_browser(self.cookie, cookie, True)
        self.cookie, self.claims = cookie, claims(sub)
        return self.visit()

    def sign_out(self, cookie):
        change_browser(self.cookie, cookie, False)
        self.cookie, self.claims = cookie, None


@pytest.fixture
def browser(tmp_path, monkeypatch, demo):
    """A browser whose dashboard has a folder of its own, and where signing in is optional."""
    found = Browser()

    def login():
        found.left += 1

    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    monkeypatch.setenv("CELLUCID_SIGN_IN", "optional")
    for module in (sign_in, owner):
        monkeypatch.setattr(module, "browser_of", lambda cookies: found.cookie)
    monkeypatch.setattr(sign_in, "_claims", lambda: found.claims)
    monkeypatch.setattr(door.st, "login", login)
    return found


def run(app):
    app.run()
    assert not app.exception
    return app


def click(app, label):
    next(button for button in app.button if button.label == label).click()
    return run(app)


def titles(app):
    return [title.value for title in app.title]


def said(app, words=BROUGHT):
    return [text.value for text in app.markdown if words in text.value]


def link_of(app):
    return app.session_state["keeper"].token


def test_it_comes_along_and_is_said_once(browser):
    app, name = browser.work()
    run(app)
    assert [box.label for box in app.sidebar.checkbox] == ["Bring along the workspace of this browser"]
    browser.leave(app)
    after = browser.arrive(AFTER)
    (sentence,) = said(after)
    assert "PBMC" in sentence
    me = after.session_state["keeper"]
    assert (me.name, me.by_link) == (name, False)
    assert owners_workspaces(user("ada")) == [name]
    assert not after.sidebar.checkbox
    assert not said(browser.visit())
    next(button for button in after.button if button.help == "I have read it").click()
    run(after)
    assert not said(after)
    assert "It is not mine" not in [button.label for button in after.button]

    browser.sign_out(LATER)
    assert not browser.visit().session_state["keeper"].name
    browser.leave(browser.visit())
    bob = browser.arrive("n" * 43, "bob")
    assert not said(bob)
    assert (bob.session_state["keeper"].name, owners_workspaces(user("bob"))) == ("", [])


def test_what_is_left_out_stays_and_is_not_opened(browser):
    app, name = browser.work()
    run(app)
    app.sidebar.checkbox[0].uncheck()
    run(app)
    browser.leave(app)
    after = browser.arrive(AFTER, "bob")
    assert not said(after)
    assert not after.session_state["keeper"].name
    browser.sign_out(LATER)
    assert browser.visit().session_state["keeper"].name == name


def test_what_came_along_by_mistake_goes_back(browser):
    app, name = browser.work()
    browser.leave(run(app))
    after = browser.arrive(AFTER, "bob")
    assert after.session_state["keeper"].name == name
    click(after, "It is not mine")
    assert owners_workspaces(user("bob")) == []
    assert is_alive(name)
    browser.sign_out(LATER)
    assert browser.visit().session_state["keeper"].name == name


def test_the_one_just_worked_in_is_open_of_several(browser):
    _, first = browser.work()
    other = browser.visit("new")
    click(other, "Open the demo")
    second = other.session_state["keeper"].name
    old = browser.visit()  # a tab on each
    assert old.session_state["keeper"].name == second != first
    tab = browser.visit(link_of_name(browser, first))
    assert [box.label for box in tab.sidebar.checkbox] == ["Bring along the 2 workspaces of this browser"]
    browser.visit(link_of_name(browser, second))  # used later
    browser.leave(tab)
    after = browser.arrive(AFTER)
    assert after.session_state["keeper"].name == first
    assert set(owners_workspaces(user("ada"))) == {first, second}


def link_of_name(browser, name):
    from cellucid_core.serving.workspaces import read_workspace, token_of

    return token_of(read_workspace(name).seed)


def test_a_link_opens_behind_the_door_by_its_link(browser, monkeypatch):
    app, name = browser.work()
    link = link_of(app)
    monkeypatch.setenv("CELLUCID_SIGN_IN", "required")
    browser.cookie = LATER  # somebody else's
    closed = browser.visit(link)
    assert titles(closed) == ["Cellucid Dashboard"]
    assert not closed.checkbox
    browser.leave(closed)
    after = browser.arrive(AFTER, "bob")
    me = after.session_state["keeper"]
    assert (me.name, me.by_link, me.token) == (name, True, link)
    assert not said(after)
    assert owners_workspaces(user("bob")) == []
    assert browser.visit().session_state["keeper"].name == ""  # not for good


@pytest.mark.parametrize("link", ["A" * 43, "x", "../../etc", "https://evil.example.org", "\u2603" * 50])
def test_a_link_to_nothing_is_said_behind_the_door_and_leads_nowhere(browser, monkeypatch, link):
    monkeypatch.setenv("CELLUCID_SIGN_IN", "required")
    browser.leave(browser.visit(link))
    after = browser.arrive(AFTER)
    assert said(after, "This link leads to no workspace")
    assert "workspace" not in after.query_params
    assert after.session_state["keeper"].name == ""


def test_who_comes_back_unsigned_has_left_no_way_for_the_next(browser, monkeypatch):
    app, _ = browser.work()
    monkeypatch.setenv("CELLUCID_SIGN_IN", "required")
    browser.cookie = LATER
    browser.leave(browser.visit(link_of(app)))
    closed = browser.visit()  # said no at the provider
    browser.leave(closed)
    assert browser.arrive(AFTER, "bob").session_state["keeper"].name == ""


def test_somebody_elses_expired_sign_in_leads_nobody_else_to_their_work(browser):
    browser.claims = claims()
    app, name = browser.work()
    run(app)
    for sub, expected in (("bob", ""), ("ada", name)):
        browser.cookie, browser.claims = BEFORE, {**claims(), "iat": time.time() - 13 * 3600}
        closed = run(app)
        assert "has expired" in closed.warning[0].value
        browser.leave(closed, "Sign in again")
        after = browser.arrive(AFTER if sub == "bob" else LATER, sub)
        assert after.session_state["keeper"].name == expected


def test_a_tab_of_before_shows_nothing_and_changes_nothing(browser):
    app, name = browser.work()
    run(app)
    change_browser(BEFORE, AFTER, True)  # in another tab; this connection still has the old cookie
    click(app, "Delete it")
    assert is_alive(name)
    assert titles(app) == ["Cellucid Dashboard"]
    assert "Somebody signed in or out in another tab" in app.warning[0].value
    assert [button.label for button in app.button] == ["Go on"]
    assert not app.sidebar.children
    assert "workspace" not in app.query_params


def test_a_session_that_is_taken_up_with_another_cookie_shows_nothing(browser):
    app, name = browser.work()
    run(app)
    browser.cookie = LATER  # the connection dropped, and came back after somebody had signed in and out
    click(app, "Sign in")
    assert not browser.left
    browser.cookie = BEFORE
    run(app)
    browser.cookie = LATER
    click(app, "Delete it")
    assert is_alive(name)
    assert not app.title
    assert not app.button
    assert owners_workspaces(browser_owner(fingerprint(LATER))) == []


def test_a_signed_out_tab_deletes_nothing(browser):
    browser.claims = claims()
    app, name = browser.work()
    run(app)
    end_sign_in(BEFORE)  # in another tab
    click(app, "Delete it")
    assert is_alive(name)
    assert titles(app) == ["Cellucid Dashboard"]
    assert "workspace" not in app.query_params  # a reload leads nobody there
    browser.leave(app, "Sign in again")
    assert browser.arrive(AFTER, "bob").session_state["keeper"].name == ""


def test_at_another_name_the_link_goes_along(browser, monkeypatch):
    app, name = browser.work()
    monkeypatch.setattr(door.st, "context", SimpleNamespace(url="http://127.0.0.1:8501"))
    monkeypatch.setattr(door.st, "secrets", {"auth": {"redirect_uri": "http://localhost:8501/oauth2callback"}})
    monkeypatch.setattr(door.st, "query_params", {"workspace": link_of(app)})
    assert door._other_address() == f"http://localhost:8501/?workspace={link_of(app)}"
    assert name_of(link_of(app)) == name
    monkeypatch.setattr(door.st, "query_params", {"workspace": "x&y=https://evil.example.org"})
    assert door._other_address() == "http://localhost:8501/"
