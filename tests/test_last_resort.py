"""A bug, injected at each edge: one sentence with a reference, the rest in the log, and work goes on."""

from __future__ import annotations

import json
import logging
import re

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from cellucid_core.cache import cellucid_home
from cellucid_core.cli.program import main
from cellucid_core.dataset import default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.preflight import apply_fixes
from cellucid_core.serving import middleware
from tests.making import make_adata
from tests.patience import PATIENCE

REFERENCE = re.compile(r"reference ([0-9a-f]{8})")


def stumble(*args, **kwargs):
    raise KeyError("a secret of the data")


@pytest.mark.parametrize(
    "place",
    [
        "cellucid_core.dataset.open_dataset",
        "cellucid_core.dataset.default_mapping",
        "cellucid_core.preflight.apply_fixes",
        "cellucid_core.signature.run_signature",
        "cellucid_core.signature.reporting.tests_table",
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_command(place, as_json, monkeypatch, capsys):
    monkeypatch.setattr(place, stumble)
    arguments = ["score", "demo", "--genes", "CD3D,CD3E,NKG7", "--group-by", "bulk_labels", "--fix", "all"]
    assert main(arguments + (["--json"] if as_json else [])) == 2
    out, err = capsys.readouterr()
    reference = REFERENCE.search(err)[1]
    assert "Traceback" not in out + err
    assert "secret" not in out + err
    if as_json:
        assert reference in json.loads(out)["error"]
    assert reference in (cellucid_home() / "errors.log").read_text()


def test_a_route(caplog):
    app = Starlette(routes=[Route("/broken", stumble)], middleware=middleware())
    with caplog.at_level(logging.ERROR):
        answer = TestClient(app, raise_server_exceptions=False).get("/broken")
    assert answer.status_code == 500
    said = answer.json()
    assert REFERENCE.search(said["what"])
    assert said["fix"]
    assert "secret" not in answer.text


def test_a_page_keeps_the_session_usable(monkeypatch):
    app = AppTest.from_file("../pages/home.py", default_timeout=PATIENCE).run()
    app.button(key="home_demo").click().run()
    with monkeypatch.context() as broken:
        broken.setattr("cellucid_core.preflight.column_table", stumble)
        broken.setattr("cellucid_core.preflight.columns.column_table", stumble)
        app.switch_page("upload_preflight.py").run()
    app.switch_page("upload_preflight.py").run()
    assert not app.exception
    assert "700" in app.metric[0].value


def test_a_fix_that_a_library_cannot_compute(monkeypatch):
    dataset = open_dataset(_without_embedding())
    monkeypatch.setattr("scanpy.pp.neighbors", stumble)
    with pytest.raises(InputError, match="cannot be computed of this data"):
        apply_fixes(dataset, default_mapping(dataset), ["embedding-missing"])


def _without_embedding():
    adata = make_adata(31, 21)
    for key in list(adata.obsm):
        del adata.obsm[key]
    return adata


def test_zeros_are_a_sentence():
    adata = _without_embedding()
    adata.X = adata.X * 0
    dataset = open_dataset(adata)
    with pytest.raises(InputError, match="No embedding can be computed"):
        apply_fixes(dataset, default_mapping(dataset), ["embedding-missing"])
