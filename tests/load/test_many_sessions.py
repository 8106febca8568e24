"""A few browser-like sessions at once: each sees its own scores and its own export, and nobody gets another's.

How fast that is, and what it takes of memory, is measured on demand: ``python tests/load/many_sessions.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("websockets")
if not Path("/proc/self/smaps_rollup").exists():
    pytest.skip("looks at the server through Linux's /proc", allow_module_level=True)

from tests.load.many_sessions import Oracle, visit
from tests.load.server import Server
from tests.load.session import PageError, Session

pytestmark = pytest.mark.xdist_group("many sessions")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("load") / "home", CELLUCID_FREE_SPACE="0") as running:
        yield running


def test_three_sessions_each_see_their_own(server):
    found = visit(server, Oracle.read(), sessions=3, signatures=2)
    assert found.errors == []
    assert len(found.scores) == 6
    assert len(set(found.links.values())) == 3
    assert "Traceback" not in server.log()


def test_the_check_can_fail(server):
    wrong = Oracle.read()
    wrong.values = wrong.values + 0.01
    found = visit(server, wrong, sessions=1, signatures=1)
    assert len(found.errors) == 1
    assert "scores" in found.errors[0]


def test_what_is_not_there_or_red_is_noticed(server):
    with Session(server.address) as session:
        with pytest.raises(PageError, match="no page 'Nowhere'"):
            session.go("Nowhere")
        with pytest.raises(PageError, match="0 elements called 'Fly'"):
            session.click("Fly")
        with pytest.raises(PageError, match="not on the server any more"):
            session.tell("cellucid_upload", "uploaded", "A" * 43)
