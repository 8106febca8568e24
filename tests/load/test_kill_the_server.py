"""The server killed at a moment of somebody's work; on demand ``kill_the_server.py`` does it fifty times."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("websockets")
if not Path("/proc/self/smaps_rollup").exists():
    pytest.skip("looks at the server through Linux's /proc", allow_module_level=True)

from sqlalchemy import insert

from cellucid_core.database import workspaces, writing
from tests.load.kill_the_server import half_made, kill_often, remains


def test_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    assert kill_often(tmp_path / "home", times=1, seed=5, n_cells=1000) == []


def test_the_checks_can_fail(tmp_path, monkeypatch):
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    monkeypatch.setenv("CELLUCID_HOME", str(home))
    for folder in ("stores/v1-a", "library/half", "incoming"):
        (home / folder).mkdir(parents=True)
    (home / "stores/v1-a/indptr.npy").write_bytes(b"half")
    with writing() as connection:
        connection.execute(insert(workspaces).values(name="a" * 64, revision=1, content={}))
    found = "\n".join(half_made(home))
    assert "the store v1-a is not what was sealed" in found
    assert "no entries: {'half'}" in found
    assert "a workspace: This workspace is damaged" in found
    temporary.mkdir()
    (temporary / "tmpx").write_bytes(b"x")
    assert list(remains(home, temporary)) == ["tmpx is left in the temporary folder"]
