"""What claims say, whom a browser's requests belong to, and what signing out ends."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cellucid_core.configuration import read_configuration
from cellucid_core.database import browsers, reading
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.serving import (
    COOKIE,
    check_auth_section,
    download_address,
    end_sign_in,
    fingerprint,
    note_sign_in,
    offer_download,
    read_sign_in,
    routes,
    take_upload,
    user_of,
)
from cellucid_core.serving.incoming import TooLarge, begin_upload, find_upload
from cellucid_core.serving.sign_in import browser_owner, is_allowed, owner_of_browser, signed_in_user, sweep_sign_ins
from cellucid_core.serving.starting import sweep
from tests.patience import PATIENCE

pytestmark = pytest.mark.usefixtures("each_database")
HERE, THERE = "h" * 43, "t" * 43
NOW = 1_800_000_000.0


def claims(sub="ada", issued=None, **more):
    issued = time.time() - 60 if issued is None else issued
    return {"iss": "https://id.example.org", "sub": sub, "iat": issued, "nonce": "n", "name": sub.title(), **more}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CELLUCID_SIGN_IN", "required")
    return tmp_path / "home"


def sign_in(browser, sub="ada", **more):
    found = read_sign_in(claims(sub, **more))
    note_sign_in(found, browser)
    return found


def test_a_user_is_issuer_and_subject_and_nothing_else():
    expected = "user-" + hashlib.sha256(b"https://id.example.org\nada").hexdigest()
    assert user_of(claims(email="a@b.org")) == user_of(claims(issued=1, nonce="other")) == expected
    assert user_of(claims(iss="https://other.example.org")) != expected
    assert user_of(claims("bob")) != expected
    for wrong in ({}, {"iss": "x"}, {"sub": "x"}, {"iss": "", "sub": "x"}, {"iss": 1, "sub": 2}, {"iss": None}):
        assert user_of(wrong) is None


def test_claims_are_read():
    found = read_sign_in(claims(issued=NOW, email=" a@b.org ", name=7), now=NOW + 1)
    assert (found.name, found.email, found.expires) == ("", "a@b.org", NOW + 12 * 3600)
    again = read_sign_in(claims(issued=NOW + 5), now=NOW + 6)
    assert again.user == found.user
    assert again.key != found.key
    assert read_sign_in(claims(issued=NOW, nonce="m"), now=NOW).key != found.key


@pytest.mark.parametrize("issued", [None, "1800000000", True, float("nan"), float("inf"), [], -1, 0])
def test_claims_without_a_time_or_long_ago_are_refused(issued):
    with pytest.raises(WorkRefused, match=r"[Ss]ign in again"):
        read_sign_in({**claims(), "iat": issued})


def test_after_its_lifetime_one_signs_in_again(monkeypatch):
    monkeypatch.setenv("CELLUCID_SIGN_IN_LIFETIME", "1 hour")
    read_sign_in(claims(issued=NOW), now=NOW + 3599)
    with pytest.raises(WorkRefused, match="sign-in has expired"):
        read_sign_in(claims(issued=NOW), now=NOW + 3600)


ALLOWED = ("ada@elsewhere.org", "@institute.org")


@pytest.mark.parametrize(
    ("email", "verified", "allowed"),
    [
        ("ada@elsewhere.org", True, True),
        ("ADA@Elsewhere.ORG", "true", True),
        ("anybody@institute.org", True, True),
        ("ada@elsewhere.org", False, False),
        ("ada@elsewhere.org", "false", False),
        ("ada@elsewhere.org", None, False),
        ("ada@elsewhere.org", 1.5, False),
        ("bob@elsewhere.org", True, False),
        ("x@sub.institute.org", True, False),
        ("x@evil-institute.org", True, False),
        ("x@institute.org.evil.org", True, False),
        ("x@evil.org@institute.org", True, False),
        ("@institute.org", True, False),
        ("institute.org", True, False),
        ("x@Institute.org", True, True),
        ("x@ınstitute.org", True, False),  # a dotless i
        ("x@\u212aelsewhere.org", True, False),  # the Kelvin sign, a k as a small letter
        ("", True, False),
        (None, True, False),
        (["ada@elsewhere.org"], True, False),
    ],
)
def test_who_is_on_the_list(email, verified, allowed):
    assert is_allowed({"email": email, "email_verified": verified}, ALLOWED) is allowed


def test_a_kelvin_sign_is_no_k(monkeypatch):
    monkeypatch.setenv("CELLUCID_ALLOWED_USERS", "kim@institute.org")
    assert is_allowed({"email": "KIM@institute.org", "email_verified": True}, read_configuration().allowed_users)
    assert not is_allowed({"email": "\u212aim@institute.org", "email_verified": True}, ("kim@institute.org",))


ANY = st.sampled_from([None, True, False, "", "a@b", "\u212a@b", "\ud800", [], ["x"], {}]) | st.integers() | st.floats()


@given(st.dictionaries(st.sampled_from(["iss", "sub", "iat", "nonce", "name", "email", "email_verified"]), ANY))
def test_any_claims_are_read_or_refused(found):
    try:
        assert read_sign_in(found, now=NOW).expires > NOW
    except WorkRefused as error:
        assert error.fix  # noqa: PT017 - both outcomes are right


def test_a_browser_belongs_to_who_signed_in_there_until_they_sign_out(home):
    assert owner_of_browser(HERE) == browser_owner(fingerprint(HERE))
    ada = sign_in(HERE)
    assert (owner_of_browser(HERE), owner_of_browser(THERE)) == (ada.user, browser_owner(fingerprint(THERE)))
    note_sign_in(ada, HERE)
    note_sign_in(ada, None)
    end_sign_in(HERE)
    assert signed_in_user(HERE) is None
    with pytest.raises(WorkRefused, match="signed out"):  # another tab of the same browser, or a copied cookie
        note_sign_in(ada, HERE)
    with pytest.raises(WorkRefused, match="signed out"):
        note_sign_in(ada, THERE)
    assert sign_in(HERE, issued=time.time()).user == ada.user
    end_sign_in(THERE)
    end_sign_in(None)


def test_the_next_sign_in_at_a_browser_ends_the_last():
    ada, bob = sign_in(HERE), sign_in(HERE, "bob")
    assert owner_of_browser(HERE) == bob.user
    with pytest.raises(WorkRefused, match="signed in again"):
        note_sign_in(ada, HERE)
    assert owner_of_browser(HERE) == bob.user


def test_notes_name_nobody_and_are_believed_only_while_they_hold(home, monkeypatch):
    sign_in(HERE, email="ada@institute.org", email_verified=True)
    with reading() as connection:
        text = str(connection.execute(select(browsers)).all())
    assert not any(word in text for word in ("Ada", "institute", "example.org", HERE))
    assert signed_in_user(HERE)
    monkeypatch.setenv("CELLUCID_ALLOWED_USERS", "@institute.org")  # the list changed: pages have to look again
    assert signed_in_user(HERE) is None
    sign_in(HERE, email="ada@institute.org", email_verified=True)
    assert signed_in_user(HERE)
    monkeypatch.setenv("CELLUCID_SIGN_IN", "off")
    assert signed_in_user(HERE) is None


def test_expired_notes_are_swept(home, monkeypatch):
    sign_in(HERE)
    sign_in(THERE, "bob")
    end_sign_in(THERE)
    assert sweep_sign_ins() == 0
    assert sweep(time.time() + 30 * 86400) == 0  # Streamlit's cookie could still come back
    assert sweep_sign_ins(time.time() + 32 * 86400) == 3  # two browsers, one that signed out
    assert owner_of_browser(HERE) == browser_owner(fingerprint(HERE))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"secret")
    return path


def fetch(token, browser):
    return TestClient(Starlette(routes=routes()), cookies={COOKIE: browser}).get(download_address(token)).status_code


def test_a_download_belongs_to_the_user(file):
    sign_in(HERE)
    token = offer_download(file, "x.zip", HERE)
    assert fetch(token, HERE) == 200
    assert fetch(token, THERE) == 403
    sign_in(THERE, issued=time.time())
    assert fetch(token, THERE) == 200  # the same person
    end_sign_in(HERE)
    assert fetch(token, HERE) == 403
    sign_in(HERE, "bob")
    assert fetch(token, HERE) == 403


def test_an_upload_and_the_quota_belong_to_the_user(monkeypatch):
    for variable, value in (("QUOTA", "3 MB"), ("UPLOAD_LIMIT", "3 MB"), ("FREE_SPACE", "0")):
        monkeypatch.setenv(f"CELLUCID_{variable}", value)
    sign_in(HERE)
    sign_in(THERE, issued=time.time())
    token = begin_upload("a.h5ad", 2_000_000, HERE)
    assert find_upload(token, THERE) is not None  # goes on at another machine
    with pytest.raises(TooLarge, match="1 MB are left"):
        begin_upload("b.h5ad", 2_000_000, THERE)
    end_sign_in(THERE)
    begin_upload("b.h5ad", 2_000_000, THERE)
    assert find_upload(token, THERE) is None
    with pytest.raises(InputError, match="not on the server"):
        take_upload(token, THERE)


GOOD = {
    "redirect_uri": "https://cells.example.org/oauth2callback",
    "cookie_secret": "s8Zq-0123456789-abcdefghijklmnopqrst",
    "client_id": "cellucid",
    "client_secret": "hush-hush",
    "server_metadata_url": "https://id.example.org/.well-known/openid-configuration",
}


def test_a_complete_section_is_taken():
    check_auth_section(GOOD)
    check_auth_section({**GOOD, "redirect_uri": "http://localhost:{port}/oauth2callback"})
    check_auth_section({**GOOD, "redirect_uri": "https://example.org:8443/team/cells/oauth2callback"}, "/team/cells/")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (None, "there is no"),
        ({}, "there is no"),
        ({**GOOD, "client_id": " "}, "lacks client_id"),
        ({"google": GOOD}, "lacks redirect_uri, cookie_secret"),
        ({**GOOD, "cookie_secret": 7}, "lacks cookie_secret"),
        ({**GOOD, "cookie_secret": "hunter2"}, "can be guessed"),
        ({**GOOD, "cookie_secret": "hunter2" * 9}, "can be guessed"),
        ({**GOOD, "redirect_uri": "https://cells.example.org/"}, "has to end with /oauth2callback"),
        ({**GOOD, "redirect_uri": "https://cells.example.org/team/oauth2callback"}, "has to end with"),
        ({**GOOD, "redirect_uri": "https://cells.example.org/oauth2callback?x=1"}, "has to end with"),
        ({**GOOD, "redirect_uri": "http://cells.example.org/oauth2callback"}, "begins with https"),
        ({**GOOD, "redirect_uri": "https://[::1/oauth2callback"}, "begins with https"),
        ({**GOOD, "redirect_uri": "https://x:y/oauth2callback"}, "begins with https"),
        ({**GOOD, "redirect_uri": "/oauth2callback"}, "begins with https"),
        ({**GOOD, "server_metadata_url": "http://id.example.org/x"}, "server_metadata_url"),
        ({**GOOD, "server_metadata_url": "file:///etc/passwd"}, "server_metadata_url"),
    ],
)
def test_a_section_that_lacks_something_is_a_sentence_without_secrets(section, words):
    with pytest.raises(InputError, match=words) as caught:
        check_auth_section(section)
    assert caught.value.fix
    assert not any(secret in str(caught.value) for secret in ("hunter2", "hush"))


def test_authlib_is_missed_at_the_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "authlib.integrations.starlette_client", None)
    with pytest.raises(InputError, match="Authlib"):
        check_auth_section(GOOD)


def test_the_start_stops_without_the_section(tmp_path):
    secrets = tmp_path / "secrets.toml"

    def start():
        return subprocess.run(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.port=0"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "STREAMLIT_SECRETS_FILES": str(secrets)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    for content, words in ((None, "there is no [auth]"), ("[auth]\nclient_secret = hunter2", "cannot be read")):
        if content is not None:
            secrets.write_text(content)
        done = start()
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr + done.stdout
        assert "hunter2" not in done.stderr + done.stdout
