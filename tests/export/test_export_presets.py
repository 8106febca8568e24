from __future__ import annotations

from dataclasses import replace

import pytest

from cellucid_core.export import ExportSettings, GeneChoice, matching_preset, presets
from tests.export.standin import small_view


def with_size(n_genes, n_cells=1000):
    view = small_view()
    view.n_genes, view.n_cells = n_genes, n_cells
    view.mapping.connectivities = "connectivities"
    return view


@pytest.mark.parametrize("name", ["quick", "share", "publish"])
def test_every_preset_makes_settings_that_it_fits(name):
    for n_genes in (0, 12, 30_000):
        known = presets(with_size(n_genes))
        settings = ExportSettings(**known[name].changes)
        assert known[name].fits(settings)
        if n_genes > 2000:  # where all genes are few genes, two purposes can have the same settings
            assert matching_preset(settings, known) == name
        assert known[name].purpose.endswith(".")
        assert "\n" not in known[name].purpose


def test_a_change_makes_it_the_users_own():
    known = presets(with_size(30_000))
    share = ExportSettings(**known["share"].changes)
    for change in ({"compression": 3}, {"var_quantization": None}, {"graph": False}, {"genes": GeneChoice("hvg", n=7)}):
        assert matching_preset(replace(share, **change), known) is None
    # What it is called is no part of a purpose.
    assert matching_preset(replace(share, name="Mine", source_url="https://example.org"), known) == "share"


def test_what_they_are_for():
    small, large = presets(with_size(1500)), presets(with_size(36_000))
    assert small["quick"].changes["genes"] == GeneChoice("all")
    assert large["quick"].changes["genes"] == GeneChoice("hvg", n=2000)
    assert not large["quick"].changes["graph"]
    assert large["share"].changes["genes"] == GeneChoice("hvg", n=5000)
    assert presets(with_size(10_000, 500_000))["share"].changes["genes"] == GeneChoice("hvg", n=5000)
    assert (large["publish"].changes["genes"], large["publish"].changes["var_quantization"]) == (GeneChoice("all"), 16)
    assert [name for name, preset in large.items() if preset.asks_source] == ["publish"]
    bare = presets(small_view(X=None, genes=None, vectors=None))
    assert bare["share"].changes["genes"] == GeneChoice("none")
    assert not bare["share"].changes["vectors"]
