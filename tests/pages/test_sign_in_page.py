"""What pages show to who is signed in, to who is not, and to who is not let in."""

from __future__ import annotations

import hashlib
import time

import pytest
from streamlit.testing.v1 import AppTest

from cellucid_core.serving import fingerprint
from cellucid_core.serving.sign_in import signed_in_user
from pages.session import owner, sign_in
from tests.pages.conftest import MAIN
from tests.patience import PATIENCE

ME = "m" * 43
ADA = "user-" + hashlib.sha256(b"https://id.example.org\nada").hexdigest()


@pytest.fixture
def show(tmp_path, monkeypatch, demo):
    """Return a function that shows the start page, in a mode and with what the provider says of somebody."""
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    for module in (sign_in, owner):
        monkeypatch.setattr(module, "browser_of", lambda cookies: ME)

    def run(mode, claims=None):
        monkeypatch.setenv("CELLUCID_SIGN_IN", mode)
        monkeypatch.setattr(sign_in, "_claims", lambda: claims)
        app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
        app.secrets["auth"] = {"redirect_uri": "http://localhost:8501/oauth2callback"}
        app.run()
        assert not app.exception
        return app

    return run


def claims(**more):
    issuer = {"iss": "https://id.example.org", "sub": "ada", "iat": time.time(), "nonce": "n"}
    return {**issuer, "name": "<img src=x onerror=alert(1)>", "email": "ada@institute.org", **more}


def labels(app):
    return [button.label for button in app.button]


def titles(app):
    return [title.value for title in app.title]


def test_off_offers_nothing(show):
    app = show("off", claims())
    assert not {"Sign in", "Sign out"} & set(labels(app))
    assert signed_in_user(ME) is None


def test_off_believes_nobody(monkeypatch):
    monkeypatch.setenv("CELLUCID_SIGN_IN", "off")
    monkeypatch.setattr(sign_in.st, "user", None)  # not even asked
    assert sign_in.user() is None


def test_required_shows_the_door_only(show):
    app = show("required")
    assert titles(app) == ["Cellucid Dashboard"]
    assert labels(app) == ["Sign in"]
    assert not app.sidebar.children


def test_optional_offers_it(show):
    app = show("optional")
    assert titles(app) == ["Check, export and score single-cell data"]
    assert "Sign in" in [button.label for button in app.sidebar.button]
    assert owner.owner() == f"browser-{fingerprint(ME)}"


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_who_is_signed_in_sees_a_name_and_the_way_out(show, mode):
    app = show(mode, claims())
    assert titles(app) == ["Check, export and score single-cell data"]
    assert [button.label for button in app.sidebar.button] == ["Sign out"]
    shown = "".join(str(element.proto) for element in app.sidebar if element.type == "html")
    assert "&lt;img" in shown
    assert "<img" not in shown
    assert "ada@institute.org" in shown
    assert owner.owner() == signed_in_user(ME) == ADA


@pytest.mark.parametrize("mode", ["optional", "required"])
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"iat": time.time() - 13 * 3600}, "has expired"),
        ({"sub": None}, "did not say who you are"),
        ({"email_verified": False}, "may not use this server"),
    ],
)
def test_who_does_not_count_as_signed_in_sees_why(show, monkeypatch, mode, more, words):
    if "email_verified" in more:
        monkeypatch.setenv("CELLUCID_ALLOWED_USERS", "@institute.org")
    app = show(mode, claims(**more))
    assert titles(app) == ["Cellucid Dashboard"]
    assert labels(app) == ["Sign in again", "Sign out"]
    assert words in app.warning[0].value
    assert any("ada@institute.org" in str(element.proto) for element in app.main if element.type == "html")
    assert signed_in_user(ME) is None
