"""Bulk matrices: what is wrong with them, and the fractions of simulated mixtures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library import (
    BuildSettings,
    Bulk,
    build_signature,
    centroid_correlation,
    check_bulk,
    compare_types,
    deconvolve,
    read_bulk,
    read_signature,
    specific_genes,
    type_degs,
)
from tests.library.signatures_made import make_level, published


def write(path, table, **options):
    table.to_csv(path, **options)
    return path


@pytest.fixture
def level():
    return make_level(n_genes=40)


@pytest.fixture
def bulk_table(level):
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        rng.gamma(2, 100, (40, 4)).round(2), index=pd.Index(level.genes, name="gene"), columns=["s1", "s2", "s3", "s4"]
    )


def test_a_matrix_that_fits(tmp_path, level, bulk_table):
    bulk = read_bulk(write(tmp_path / "b.tsv", bulk_table, sep="\t"), "b.tsv", level.genes)
    np.testing.assert_array_equal(bulk.values.to_numpy(), bulk_table.to_numpy())
    check = check_bulk(bulk, level)
    assert (check.matched, check.degs_missing, check.findings) == (40, [], [])


def test_samples_as_rows_are_turned_and_said(tmp_path, level, bulk_table):
    bulk = read_bulk(write(tmp_path / "b.csv", bulk_table.T), "b.csv", level.genes)
    np.testing.assert_array_equal(bulk.values.to_numpy(), bulk_table.to_numpy())
    assert list(bulk.values.columns) == ["s1", "s2", "s3", "s4"]
    assert any("Samples are in rows" in text for text in check_bulk(bulk, level).findings)


def test_everything_that_does_not_fit_is_said(tmp_path, level, bulk_table):
    ensembl = bulk_table.set_axis([f"ENSG{i:011d}.2" for i in range(40)])
    found = check_bulk(read_bulk(write(tmp_path / "e.csv", ensembl), "e.csv", level.genes), level)
    assert found.matched == 0
    assert any("Ensembl ids, the signature by symbols" in text for text in found.findings)
    assert any("2 of the 2 DEGs are missing: G1, G4." in text for text in found.findings)
    logged = np.log2(bulk_table + 1)
    found = check_bulk(read_bulk(write(tmp_path / "l.csv", logged), "l.csv", level.genes), level)
    assert found.looks_logged
    assert any("look like logarithms" in text for text in found.findings)
    doubled = pd.concat([bulk_table, bulk_table.iloc[:3]])
    doubled.insert(0, "description", "text")
    bulk = read_bulk(write(tmp_path / "d.csv", doubled), "d.csv", level.genes)
    np.testing.assert_allclose(bulk.values.iloc[:3], bulk_table.iloc[:3] * 2)
    assert any("3 rows repeat a gene" in text for text in bulk.notes)
    named = bulk_table.reset_index()
    named.insert(0, "id", [f"ENSG{i:011d}" for i in range(40)])
    bulk = read_bulk(write(tmp_path / "n.csv", named, index=False), "n.csv", level.genes)
    assert check_bulk(bulk, level).matched == 40


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), ("gene,s1\n", "no further line"), ("gene,s1\nA,\nB,2\n", "missing"),
     ("gene,s1\nA,-1\nB,2\n", "below 0"),
     ("gene,s1\nA,x\nB,y\n", "no columns of numbers"), ("gene,s1\nA,1\nB,1,2\n", "fields")],
)  # fmt: skip
def test_broken_matrices(tmp_path, level, text, words):
    path = tmp_path / "b.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_bulk(path, "b.csv", level.genes)


def mixtures(view, level, n_samples=30):
    """Mean linear expression of cells drawn in random proportions, and those proportions."""
    rng = np.random.default_rng(0)
    linear = np.expm1(view.expression.block(range(view.n_genes)).astype(np.float64))
    labels = view.obs("bulk_labels").astype(str).to_numpy()
    shares, columns = [], {}
    for i in range(n_samples):
        counts = rng.multinomial(2000, rng.dirichlet(np.full(len(level.cell_types), 0.7)))
        cells = [rng.choice(np.flatnonzero(labels == t), n) for t, n in zip(level.cell_types, counts, strict=True)]
        columns[f"s{i}"] = linear[:, np.concatenate(cells)].mean(axis=1) * rng.uniform(0.1, 100)
        shares.append(counts / counts.sum())
    return Bulk(pd.DataFrame(columns, index=pd.Index(view.gene_ids, dtype=object))), np.array(shares)


@pytest.mark.parametrize("method", ["nnls", "nusvr"])
def test_fractions_of_mixtures_of_the_demo_are_recovered(demo_view, method):
    level = build_signature(demo_view, ["bulk_labels"], BuildSettings(generations=150)).levels[0]
    bulk, shares = mixtures(demo_view, level)
    found = deconvolve(bulk, level, method)
    np.testing.assert_allclose(found.fractions.sum(axis=1), 1)
    assert (found.fractions.to_numpy() >= 0).all()
    assert np.corrcoef(found.fractions.to_numpy().ravel(), shares.ravel())[0, 1] > 0.95
    assert found.fit.min() > 0.9
    logged = Bulk(np.log2(bulk.values + 1))
    again = deconvolve(logged, level, method, logged="2")
    np.testing.assert_allclose(again.fractions.to_numpy(), found.fractions.to_numpy(), atol=5e-3)


def test_what_cannot_be_deconvolved_is_said(level, bulk_table):
    with pytest.raises(WorkRefused, match="2 of the signature's 2 DEGs; 3 cell types"):
        deconvolve(Bulk(bulk_table), level)
    from dataclasses import replace

    level = replace(level, degs=level.genes)
    zero = bulk_table.assign(s2=0.0)
    with pytest.raises(WorkRefused, match="sample s2 is 0"):
        deconvolve(Bulk(zero), level)
    with pytest.raises(InputError, match="no method"):
        deconvolve(Bulk(bulk_table), level, "magic")
    with pytest.raises(InputError, match="infinite"):
        deconvolve(Bulk(bulk_table * 100), level, logged="10")


def test_published_types_resemble_the_demos(demo_view):
    level = read_signature(published()).levels[0]
    found = compare_types(level, demo_view, "bulk_labels")
    assert found.n_genes == 697
    expected = {
        "CD4+/CD25 T Reg": "T_cells", "CD4+/CD45RO+ Memory": "T_cells", "CD8+ Cytotoxic T": "T_cells",
        "CD4+/CD45RA+/CD25- Naive T": "T_cells", "CD8+/CD45RA+ Naive Cytotoxic": "T_cells", "CD19+ B": "B_cells",
        "CD14+ Monocyte": "Monocytes", "CD56+ NK": "NK_cells", "Dendritic": "Dendritic",
    }  # fmt: skip
    for group, kind in expected.items():
        assert found.correlation[group].idxmax().startswith(kind), group


def test_comparison_equals_numpy(demo_view):
    level = build_signature(demo_view, ["louvain"], BuildSettings(generations=2)).levels[0]
    found = compare_types(level, demo_view, "bulk_labels").correlation
    block = demo_view.expression.block(range(765)).astype(np.float64)
    labels = demo_view.obs("bulk_labels").astype(str).to_numpy()
    expected = np.corrcoef(level.mean["3"], block[:, labels == "CD19+ B"].mean(axis=1))[0, 1]
    assert found.loc["3", "CD19+ B"] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(WorkRefused, match="share 0 genes"):
        compare_types(make_level(), demo_view, "louvain")


def test_genes_of_a_type():
    mean = pd.DataFrame({"T": [5.0, 1, 3, 0], "B": [1.0, 4, 2.5, 0]}, index=list("abcd"))
    from dataclasses import replace

    level = replace(make_level(), mean=mean, degs=["a", "b", "c"])
    assert type_degs(level, "T") == ["a", "c"]
    assert specific_genes(level, "T", 1) == ["a"]
    assert specific_genes(level, "B") == ["b"]
    for work in (type_degs, specific_genes):
        with pytest.raises(InputError, match="no cell type"):
            work(level, "NK")
    np.testing.assert_allclose(
        centroid_correlation(level).to_numpy(), np.corrcoef(mean.loc[["a", "b", "c"]].to_numpy().T)
    )
