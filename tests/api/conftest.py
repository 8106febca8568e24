"""What the tests of the commands share."""

from __future__ import annotations

import json

import pytest

from cellucid_core.cli import main


@pytest.fixture
def command(capsys):
    """Run a command; return its exit status, its JSON and its messages."""

    def call(*arguments):
        status = main([*map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        assert out.count("\n") == 1, "exactly one JSON object goes to stdout"
        assert "Traceback" not in err
        return status, json.loads(out), err

    return call
