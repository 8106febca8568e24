"""A whole run on the demo, checked from the file itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from cellucid_core.cell_pages import choose_pages
from cellucid_core.errors import InputError
from cellucid_core.signature import METHODS, read_csv, run_signature, score_title, write_csv
from tests.making import make_adata

GENES = "CD3D, CD3E; CD8A\nCD8B\tNKG7, GZMK, CCL5, NOT1X, cd3e, CD3D"


@pytest.fixture
def demo_scores(demo_view):
    names = demo_view.gene_ids.tolist()
    columns = [names.index(g) for g in ("CD3D", "CD3E", "CD8A", "CD8B", "NKG7", "GZMK", "CCL5")]
    return demo_view.expression.block(columns).astype(float).mean(axis=0)


def test_two_pages_end_to_end(demo_view, demo_scores):
    pages = choose_pages(demo_view, "bulk_labels", ["CD8+ Cytotoxic T", "CD19+ B"])
    run = run_signature(demo_view, GENES, pages=pages)
    label = demo_view.obs("bulk_labels").to_numpy()
    a, b = demo_scores[label == "CD8+ Cytotoxic T"], demo_scores[label == "CD19+ B"]
    record = json.loads(json.dumps(run.to_json(), allow_nan=False))
    assert record["genes"]["missing"] == ["NOT1X", "cd3e"]
    assert record["genes"]["repeated"] == ["CD3D"]
    assert record["genes"]["proposals"] == {"cd3e": ["CD3E"]}
    assert len(record["genes"]["found"]) == 7
    assert [p["n"] for p in record["pages"]] == [54, 95]
    assert record["pages"][0]["mean"] == pytest.approx(a.mean())
    assert record["pages"][1]["std"] == pytest.approx(b.std(ddof=1))
    want = stats.ttest_ind(a, b, equal_var=False)
    assert record["tests"][0]["statistic"] == pytest.approx(want.statistic)
    assert record["tests"][1]["statistic"] == pytest.approx(stats.mannwhitneyu(a, b).statistic)
    assert run.headline.startswith("CD8+ Cytotoxic T scores higher than CD19+ B: d = ")


def test_normalization_changes_scores_not_raw_scores(demo_view, demo_scores, tmp_path):
    pages = choose_pages(demo_view, "bulk_labels", rest_of="CD56+ NK")
    run = run_signature(demo_view, GENES, pages=pages, normalize="zscore")
    write_csv(run.table(demo_view), tmp_path / "s.csv")
    back = read_csv(tmp_path / "s.csv")
    assert len(back) == 700
    np.testing.assert_allclose(back["score"], stats.zscore(back["raw_score"]), atol=1e-9)
    np.testing.assert_allclose(back["raw_score"], demo_scores[back["cell_index"]])
    assert back["cell_id"].tolist() == demo_view.cell_ids[back["cell_index"]].tolist()
    assert set(back["genes_used"]) == {7}
    assert "z-score" in run.title


def test_without_pages_there_is_one_of_all_cells(demo_view):
    run = run_signature(demo_view, ["CD3D", "CD3E", "NKG7"])
    assert [(p.name, p.n) for p in run.pages] == [("All cells", 700)]
    assert run.tests == []


def test_samples_come_first(demo_view):
    pages = choose_pages(demo_view, "bulk_labels", ["Dendritic", "CD14+ Monocyte"])
    run = run_signature(demo_view, GENES, pages=pages, sample_key="phase")
    assert [(t.test, t.unit) for t in run.tests] == [
        ("paired-t", "sample"),
        ("wilcoxon", "sample"),
        ("welch-t", "cell"),
        ("mann-whitney-u", "cell"),
    ]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_every_score_is_finite(demo_view, method):
    run = run_signature(demo_view, GENES, method=method, pages=choose_pages(demo_view, "bulk_labels"))
    assert np.isfinite(run.raw).all()
    assert len(run.tests) == 2 + 2 * 45
    assert score_title(method)


def test_no_gene_found_names_what_they_could_be(demo_view):
    with pytest.raises(InputError, match="nkg7 → NKG7"):
        run_signature(demo_view, "nkg7, cd3e")
    with pytest.raises(InputError, match="No genes were given"):
        run_signature(demo_view, " , ;")


def test_another_id_column_is_proposed(viewed):
    view = viewed(make_adata())
    with pytest.raises(InputError, match=r"SYM3 → GENE3|GENE3 → SYM3"):
        run_signature(view, "SYM3" if "GENE3" in view.gene_ids.tolist() else "GENE3")


def test_repeated_cell_ids_are_said(viewed):
    adata = make_adata()
    adata.obs_names = ["same"] * 2 + list(adata.obs_names[2:])
    view = viewed(adata)
    run = run_signature(view, [str(g) for g in view.gene_ids[:4]])
    assert any("cell_index" in warning for warning in run.warnings)
