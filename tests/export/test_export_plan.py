"""Plans against what is really written, and what they warn of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, GeneChoice, Planner, choose_genes, plan, write
from cellucid_core.export.cautions import cautions
from tests.export.standin import small_view


def uneven_view(n_cells=40_000, n_genes=60, **changes):
    """Genes from very rare to everywhere, cells sorted by sample: what a careless sample would miss."""
    rng = np.random.default_rng(0)
    share = np.geomspace(0.0005, 0.9, n_genes)
    X = np.where(rng.random((n_cells, n_genes)) < share, rng.gamma(2, 1, (n_cells, n_genes)), 0).astype(np.float32)
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(np.sort(rng.choice([f"s{i}" for i in range(9)], n_cells))),
            "depth": np.where(np.arange(n_cells) < n_cells // 2, 0, rng.gamma(5, 100, n_cells)),
        }
    )
    ends = np.repeat(np.arange(n_cells), 5), rng.integers(0, n_cells, 5 * n_cells)
    graph = sparse.csr_matrix((np.ones(5 * n_cells), ends), shape=(n_cells, n_cells))
    given = {"obs": obs, "embeddings": {2: rng.normal(size=(n_cells, 2))}, "latent": rng.normal(size=(n_cells, 5))}
    given |= {"X": X, "genes": [f"Gene-{i}" for i in range(n_genes)], "graph": graph, "vectors": None}
    return small_view(**{**given, **changes})


@pytest.mark.parametrize(("form", "warned"), [("compact", True), ("h5ad", False), ("zarr.zip", False)])
def test_names_that_windows_reserves_matter_only_where_they_are_files(form, warned):
    view = small_view(n_cells=60, n_genes=2, genes=["CON", "CD4"], vectors={})
    warnings = plan(view, ExportSettings(format=form)).warnings
    assert any("Windows cannot store" in warning for warning in warnings) == warned


@pytest.fixture(scope="module")
def uneven():
    return uneven_view()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"var_quantization": 16, "obs_quantization": 16, "compression": 1},
        {"var_quantization": None, "obs_quantization": None},
        {"compression": 0},
        {"genes": GeneChoice("hvg", n=7), "graph": False},
        {"genes": GeneChoice("none")},
    ],
)
def test_bytes_are_foreseen_within_a_tenth(uneven, tmp_path, changes):
    settings = ExportSettings(**changes)
    foreseen = plan(uneven, settings)
    result = write(uneven, settings, tmp_path / "x.zip", verify=False)
    assert foreseen.files == result.files
    assert foreseen.estimated_zip_bytes == pytest.approx(result.bytes, rel=0.1)
    assert foreseen.estimated_seconds > 0


@pytest.mark.parametrize("n", [40, 765])
def test_the_demo_is_foreseen_within_a_tenth(demo_view, tmp_path, n):
    settings = ExportSettings(genes=GeneChoice("hvg", n=n))
    result = write(demo_view, settings, tmp_path / "x.zip", verify=False)
    assert plan(demo_view, settings).estimated_zip_bytes == pytest.approx(result.bytes, rel=0.1)


def test_a_planner_measures_only_what_changed(monkeypatch):
    from cellucid_core.export import estimate

    encoded, view = [], small_view()
    original = estimate.encode_gene
    monkeypatch.setattr(estimate, "encode_gene", lambda *args: encoded.append(args[1]) or original(*args))
    graphs, real = [], view.graph
    view.graph = lambda: graphs.append(1) or real()
    planner = Planner(view)
    first = planner.plan(ExportSettings())
    n = len(encoded)
    assert n >= 12
    again = planner.plan(ExportSettings(obs_quantization=16, name="Another", description="x"))
    assert len(encoded) == n
    assert again.estimated_bytes != first.estimated_bytes
    planner.plan(ExportSettings(var_quantization=16))
    assert len(encoded) > n
    assert len(graphs) == 1


def test_a_plan_finds_the_genes_that_write_finds(demo_view, tmp_path):
    settings = ExportSettings(
        genes=GeneChoice.of([GeneChoice("markers", n=3, column="louvain"), GeneChoice("hvg", n=5)])
    )
    planner = Planner(demo_view)
    foreseen = planner.plan(settings)
    assert foreseen.genes.ids == choose_genes(demo_view, settings).ids
    fewer = planner.plan(replace(settings, genes=GeneChoice("markers", n=1, column="louvain")))
    assert set(fewer.genes.ids) < set(foreseen.genes.ids)
    result = write(demo_view, settings, tmp_path / "x.zip", genes=foreseen.genes)
    assert result.n_genes == len(foreseen.genes.ids)
    assert result.arrays > result.n_genes
    assert len(result.sha256) == 64


def test_refusals_are_told_before(tmp_path):
    view = small_view(genes=["a/b", "a b", *(f"G{i}" for i in range(10))])
    assert "would be written to the same file" in plan(view, ExportSettings()).refusals[0]
    assert plan(view, ExportSettings(format="h5ad")).refusals == ()


def told(view, settings=None, **measured):
    usual = {"n_genes": 12, "n_categories": {}, "files": 30, "estimated_bytes": 1, "gene_bytes": 1, "raw_bytes": 1}
    return [str(c) for c in cautions(view, settings or ExportSettings(), **{**usual, **measured})]


@pytest.mark.parametrize(
    ("settings", "measured", "words"),
    [
        ({}, {"files": 20_001}, "20,001 files"),
        ({}, {"estimated_bytes": 1_200_000_000}, "1.2 GB"),
        ({}, {"n_genes": 0}, "No gene is exported"),
        ({"compression": 0}, {"raw_bytes": 200_000_000}, "200 MB without compression"),
        ({"var_quantization": 16}, {"gene_bytes": 200_000_000}, "16 bit takes 200 MB"),
        ({"var_quantization": None}, {"gene_bytes": 200_000_000}, "Exact values take 200 MB"),
        ({}, {"n_categories": {"clone": 300}}, "clone (300)"),
    ],
)
def test_what_the_viewer_will_suffer_from(settings, measured, words):
    view = small_view(n_cells=1000)
    assert told(view) == []
    found = told(view, ExportSettings(**settings), **measured)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("settings", "measured"),
    [
        ({}, {"files": 20_000, "estimated_bytes": 10**9, "n_categories": {"clone": 254}}),
        ({"compression": 0}, {"raw_bytes": 10**8}),
        ({"format": "h5ad", "compression": 0}, {"files": 30_000, "raw_bytes": 10**9}),
    ],
)
def test_no_false_alarm(settings, measured):
    assert told(small_view(n_cells=1000), ExportSettings(**settings), **measured) == []


def test_cautions_about_the_data():
    view = small_view(n_cells=100)
    assert "nearly every cell" in told(view, n_categories={"barcode": 95})[0]
    view.n_cells = 300_000
    assert "large datasets rarely need" in told(view, n_genes=6_000)[0]
    view.obs_keys = ()
    assert "No cell column" in told(view)[0]
    view.obs_keys = tuple(f"c{i}" for i in range(101))
    assert "101 cell columns" in told(view)[0]


def test_plan_refuses_what_write_refuses():
    with pytest.raises(InputError, match="The gene 'nope' is not"):
        plan(small_view(), ExportSettings(genes=GeneChoice("list", ids=("nope",))))
