from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.configuration import (
    Configuration,
    check_configuration,
    configuration_table,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    read_configuration,
)
from cellucid_core.errors import InputError
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "size"),
    [("20 GB", 20 * 10**9), ("1.5gb", 1_500_000_000), ("512 MiB", 2**29), ("7", 7), (" 3 kB ", 3000), ("0 B", 0)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30 days", 2_592_000), ("1 day", 86_400), ("12h", 43_200), ("90 min", 5400), ("2 weeks", 1_209_600), ("5s", 5)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "GB", "-1 GB", "1e9", "20 G B", "20 parsecs", "inf", "nan", "1.2.3", "٣ GB"])
def test_what_is_no_size_or_duration(text):
    with pytest.raises(ValueError, match="such as"):
        parse_duration(text)
    if text != "٣ GB":
        with pytest.raises(ValueError, match="such as"):
            parse_size(text)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    for variable in (setting.metadata["variable"] for setting in fields(Configuration)):
        try:
            read_configuration({variable: text})
        except InputError as error:
            assert variable in error.what  # noqa: PT017 - both outcomes are right


def test_everything_given(tmp_path):
    roots = [tmp_path / "a", tmp_path / "b"]
    for root in roots:
        root.mkdir()
    found = check_configuration(
        {
            "CELLUCID_HOME": str(tmp_path / "home"),
            "CELLUCID_DATA_ROOTS": os.pathsep.join(map(str, [*roots, roots[0]])),
            "CELLUCID_OPEN": "Demo",
            "CELLUCID_UPLOAD_LIMIT": "3 GB",
            "CELLUCID_QUOTA": "5 GB",
            "CELLUCID_TIME_TO_LIVE": "7 days",
            "CELLUCID_METRICS": "a-secret-of-some-length",
            "CELLUCID_SIGN_IN": " Required ",
            "CELLUCID_SIGN_IN_LIFETIME": "8 hours",
            "CELLUCID_ALLOWED_USERS": "Ada@Elsewhere.org, @institute.org,,ada@elsewhere.org",
            "CELLUCID_LOG": "",
        }
    )
    assert found.data_roots == tuple(roots)
    assert (found.open, found.upload_limit, found.quota, found.log) == ("demo", 3 * 10**9, 5 * 10**9, "text")
    assert found.time_to_live == 7 * 86400
    assert (found.sign_in, found.sign_in_lifetime) == ("required", 8 * 3600)
    assert found.allowed_users == ("ada@elsewhere.org", "@institute.org")
    assert found.metrics == "a-secret-of-some-length"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CELLUCID_UPLOAD_LIMIT": "lots"}, "CELLUCID_UPLOAD_LIMIT cannot be 'lots'"),
        ({"CELLUCID_UPLOAD_LIMIT": "9" * 400 + ".5 GB"}, "cannot be"),
        ({"CELLUCID_UPLOAD_LIMIT": "200 GB"}, "less than CELLUCID_UPLOAD_LIMIT"),
        ({"CELLUCID_TIME_TO_LIVE": "30"}, "CELLUCID_TIME_TO_LIVE cannot be '30'"),
        ({"CELLUCID_DATA_ROOTS": "relative"}, "CELLUCID_DATA_ROOTS cannot be"),
        ({"CELLUCID_DATA_ROOTS": "/nowhere/at/all"}, "not a folder"),
        ({"CELLUCID_SIGNATURES": "/nowhere/at/all"}, "not a folder"),
        ({"CELLUCID_CLUSTER": "tcp://10.0.0.1:8786"}, "tls://host:port"),
        ({"CELLUCID_CLUSTER": "tls://host:8786"}, "no certificates are named"),
        ({"CELLUCID_CLUSTER": "tls://host:8786", "CELLUCID_CLUSTER_CERTS": "/nowhere/x"}, "CERTS names /nowhere/x"),
        ({"CELLUCID_CLUSTER_DASHBOARD": "javascript:x"}, "http"),
        ({"CELLUCID_OPEN": "something"}, "CELLUCID_OPEN cannot be"),
        ({"CELLUCID_HOME": "~nobody-of-this-name/x"}, "CELLUCID_HOME cannot be"),
        ({"CELLUCID_SIGN_IN": "yes"}, "CELLUCID_SIGN_IN cannot be 'yes'"),
        ({"CELLUCID_SIGN_IN_LIFETIME": "10 s"}, "CELLUCID_SIGN_IN_LIFETIME cannot be"),
        ({"CELLUCID_SIGN_IN_LIFETIME": "31 days"}, "CELLUCID_SIGN_IN_LIFETIME cannot be"),
        ({"CELLUCID_SIGN_IN": "required", "CELLUCID_ALLOWED_USERS": ","}, "CELLUCID_ALLOWED_USERS cannot be"),
        ({"CELLUCID_SIGN_IN": "required", "CELLUCID_ALLOWED_USERS": "institute.org"}, "CELLUCID_ALLOWED_USERS cannot"),
        ({"CELLUCID_SIGN_IN": "required", "CELLUCID_ALLOWED_USERS": "a@b.org c@d.org"}, "CELLUCID_ALLOWED_USERS"),
        ({"CELLUCID_SIGN_IN": "required", "CELLUCID_ALLOWED_USERS": "@b.org@d.org"}, "CELLUCID_ALLOWED_USERS"),
        ({"CELLUCID_ALLOWED_USERS": "@institute.org"}, "but CELLUCID_SIGN_IN is off"),
        ({"CELLUCID_UPLOAD_LIMITS": "3 GB"}, "no setting CELLUCID_UPLOAD_LIMITS"),
    ],
)
def test_wrong_values_are_sentences(environment, words):
    with pytest.raises(InputError, match=words) as caught:
        check_configuration(environment)
    assert caught.value.fix


def test_a_short_secret_is_not_repeated():
    with pytest.raises(InputError) as caught:
        check_configuration({"CELLUCID_METRICS": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_home_that_users_could_read(tmp_path):
    environment = {"CELLUCID_HOME": str(tmp_path / "home"), "CELLUCID_DATA_ROOTS": str(tmp_path)}
    with pytest.raises(InputError, match="each other's uploads"):
        check_configuration(environment)


def test_the_manual_shows_the_settings_as_they_are():
    assert configuration_table() in (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")


def test_units():
    assert [format_size(n) for n in (3, 1234, 5 * 10**6, 2.5e12)] == ["3 bytes", "1.2 kB", "5 MB", "2,500 GB"]


@given(st.integers(0, 10**9))
def test_durations_for_people_are_read_back(seconds):
    assert parse_duration(format_duration(seconds).replace(",", "")) == seconds


def test_durations_for_people():
    told = {1: "1 second", 59: "59 seconds", 60: "1 minute", 5400: "90 minutes", 3600: "1 hour", 43200: "12 hours"}
    told |= {86400: "1 day", 129600: "36 hours", 30 * 86400: "30 days", 2000 * 86400: "2,000 days"}
    assert {seconds: format_duration(seconds) for seconds in told} == told


def test_a_wrong_value_stops_the_start(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.port=0"],
        cwd=ROOT,
        env={**os.environ, "CELLUCID_HOME": str(tmp_path), "CELLUCID_UPLOAD_LIMIT": "lots"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert "CELLUCID_UPLOAD_LIMIT cannot be 'lots'." in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
