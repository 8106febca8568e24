"""Sets that are scored by name: those that come along, and a team's own."""

from __future__ import annotations

import json

import pytest

from cellucid_core.cli import main
from cellucid_core.errors import InputError
from cellucid_core.genes import ready_set, ready_sets
from cellucid_core.genes.known_names import known_names


def test_what_comes_along_is_whole():
    sets = ready_sets()
    of = {name: [one for one in sets if one.collection == name] for name in ("Programs", "Cell types", "Hallmark")}
    assert len(of["Hallmark"]) == 50
    assert len(of["Cell types"]) >= 40
    assert sum(map(len, of.values())) == len(sets)
    assert len({one.name for one in sets}) == len(sets)
    symbols = known_names().human_symbols
    for one in sets:
        genes = one.genes.genes
        assert one.source
        assert one.licence
        assert len(genes) == len(set(genes)) >= 3
        # Symbols of the day they were listed: nearly all are symbols of today.
        assert sum(gene in symbols for gene in genes) >= 0.8 * len(genes), one.name


@pytest.mark.parametrize(
    ("asked", "found"),
    [("Exhaustion", "Exhaustion"), ("hypoxia", "HALLMARK_HYPOXIA"), ("HALLMARK_HYPOXIA", "HALLMARK_HYPOXIA")],
)
def test_names_are_found_however_they_are_written(asked, found):
    assert ready_set(asked).name == found


def test_an_unknown_name_gets_what_is_like_it():
    with pytest.raises(InputError, match="Did you mean Exhaustion"):
        ready_set("Exhauston")
    with pytest.raises(InputError, match="signature list"):
        ready_set("§§§")


def test_a_teams_own_sets_come_first(tmp_path, monkeypatch, caplog):
    (tmp_path / "ours.gmt").write_text("Exhaustion\tof our lab\tPDCD1\tTOX\nOurs\t\tCD3D\tLYZ\n")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "notes.md").write_text("nothing")
    monkeypatch.setenv("CELLUCID_SIGNATURES", str(tmp_path))
    assert [(one.collection, one.name) for one in ready_sets()[:2]] == [("ours", "Exhaustion"), ("ours", "Ours")]
    assert ready_set("exhaustion").source == "of our lab"
    assert "broken.json" in caplog.text


def test_the_command_line(capsys, monkeypatch):
    assert main(["signature", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"name", "collection", "species", "genes", "source", "licence"} <= set(listed[0])
    assert main(["score", "demo", "--genes", "set:Cytotoxicity", "--group-by", "bulk_labels", "--json"]) == 0
    genes = json.loads(capsys.readouterr().out)["genes"]
    assert "NKG7" in genes["found"]
    assert main(["score", "demo", "--genes", "set:Nothing like it"]) == 2
    assert "There is no ready set" in capsys.readouterr().err


def test_mouse_genes_are_taken_for_a_ready_set_and_said(tmp_path, capsys):
    import anndata
    import numpy as np
    import pandas as pd

    genes = ["Gzma", "Gzmb", "Prf1", "Nkg7", "Actb", "Cd3e"]
    rng = np.random.default_rng(0)
    adata = anndata.AnnData(
        rng.poisson(2, (30, 6)).astype(np.float32),
        obs=pd.DataFrame(index=[f"c{i}" for i in range(30)]),
        var=pd.DataFrame(index=genes),
    )
    adata.write_h5ad(tmp_path / "mouse.h5ad")
    assert main(["score", str(tmp_path / "mouse.h5ad"), "--genes", "set:Cytotoxicity", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["genes"]
    assert found["replaced"]["NKG7"] == "Nkg7"
    assert set(found["found"]) >= {"Gzmb", "Prf1", "Nkg7"}


def test_the_table_of_earlier_names_is_that_of_aliases_turned_round():
    known = known_names()
    expected = {}
    for kind in (0, 2):
        for alias, symbols in known._aliases.items():
            for symbol in filter(None, symbols.partition(";")[kind].split(",")):
                expected.setdefault(symbol, []).append(alias)
    assert {symbol: known.earlier_names(symbol) for symbol in known._earlier} == expected
