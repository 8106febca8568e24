"""What the Gene Signature page draws beside its first picture, and what it takes in beside a pasted list."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from cellucid_core.signature import METHODS, NORMALIZATIONS, run_signature
from tests.making import make_adata
from tests.pages.test_pages import texts, widget

GMT = b"T cells\tof a paper\tCD3D\tCD3E\nB cells\t\tCD79A\tMS4A1\ncd79a\t\tNOT1X\n"
CHARTS = ["Violin", "Box", "Histogram", "Cumulative"]


def open_tab(app, name):
    app.session_state["signature_tabs"] = name
    app.run()
    assert not app.exception


def upload(app, name, data):
    box = next(box for box in app.file_uploader if box.label == "Signatures")
    box.upload(name, data).run()
    assert not app.exception


def charts_of(app):
    return list(app.get("vega_lite_chart"))


def test_every_score_scale_and_chart(open_app, demo_view):
    app = open_app("gene_signature.py")
    widget(app, "text_area", "Signature genes").set_value("CD79A, MS4A1, CD3D").run()
    for method, how, chart in itertools.product(METHODS, NORMALIZATIONS, CHARTS):
        widget(app, "selectbox", "Score").select(method)
        widget(app, "selectbox", "Scale").select(how)
        widget(app, "segmented_control", "Chart").set_value(chart).run()
        assert not app.exception, (method, how, chart)
        assert not app.error, (method, how, chart)
        assert len(charts_of(app)) == 1, (method, how, chart)
        run = app.session_state["remembered signature run"][1]
        expected = run_signature(demo_view, "CD79A, MS4A1, CD3D", method=method, normalize=how, pages=run.pages)
        np.testing.assert_allclose(run.summary["mean"], expected.summary["mean"])


def test_a_gmt_file_is_scored_at_once_and_each_of_its_signatures_is_shown(open_app):
    app = open_app("gene_signature.py")
    open_tab(app, "Several signatures")
    assert "Open gene sets with" in texts(app)
    upload(app, "immune.gmt", GMT)
    assert widget(app, "selectbox", "Signature").options == ["T cells", "B cells", "cd79a"]
    assert "2 found · 0 missing" in texts(app)
    many = app.session_state["remembered signature many"][1]
    assert list(many.table["highest"][:2]) == [
        many.long[many.long["signature"] == name].sort_values("mean")["page"].iloc[-1]
        for name in ("T cells", "B cells")
    ]
    assert many.table["note"].iloc[2]
    widget(app, "selectbox", "Signature").select("B cells").run()
    assert "CD19+ B scores highest" in texts(app).replace("\\", "")
    widget(app, "selectbox", "Signature").select("cd79a").run()
    assert "is not in the dataset" in app.error[0].value
    widget(app, "button", "Paste genes instead").click().run()
    assert widget(app, "text_area", "Signature genes").value


def test_weights_are_used_and_a_plain_list_goes_into_the_box(open_app, demo_view):
    app = open_app("gene_signature.py")
    upload(app, "weights.csv", b"gene,weight\nCD79A,3\nMS4A1,1\n")
    run = app.session_state["remembered signature run"][1]
    ids = demo_view.gene_ids.tolist()
    x = demo_view.expression.block([ids.index("CD79A"), ids.index("MS4A1")]).astype(float)
    np.testing.assert_allclose(run.raw, (3 * x[0] + x[1]) / 4)
    upload(app, "list.txt", b"CD3D\nCD3E\n")
    assert widget(app, "text_area", "Signature genes").value == "CD3D, CD3E"
    assert "2 found · 0 missing" in texts(app)


def test_a_file_that_is_no_list_is_a_sentence(open_app):
    app = open_app("gene_signature.py")
    upload(app, "empty.gmt", b"\n\n")
    assert app.error
    assert "Traceback" not in texts(app)


def test_genes_and_library_size(open_app, demo_view):
    app = open_app("gene_signature.py")
    open_tab(app, "Genes")
    assert len(charts_of(app)) == 4
    quality = app.session_state["remembered signature quality"][1]
    gene = quality.genes.iloc[0]
    pages = app.session_state["remembered signature run"][1].pages
    cells = np.unique(np.concatenate([page.cells for page in pages]))
    values = demo_view.expression.gene(demo_view.gene_ids.tolist().index(gene["gene"]))[cells]
    assert gene["mean"] == pytest.approx(values.mean(), rel=1e-6)
    assert "Which genes carry the difference between" in texts(app)
    widget(app, "button_group", "Library size").set_value("detected").run()
    assert not app.exception


def test_chance_is_asked_for_and_then_shown(open_app):
    app = open_app("gene_signature.py")
    open_tab(app, "Against chance")
    assert len(charts_of(app)) == 1
    widget(app, "button", "Compare with chance").click().run()
    assert "empirical p" in texts(app)
    assert len(charts_of(app)) == 2
    found = app.session_state["remembered signature chance"][1]
    assert found.p_value >= 1 / 501


def test_take_home(open_app):
    app = open_app("gene_signature.py")
    open_tab(app, "Export")
    assert [b.label for b in app.get("download_button") if "(" in b.label] == [
        "Download this analysis (HTML)",
        "Download the scores (CSV)",
        "Scores (Parquet)",
        "Cell table (CSV)",
        "Pages (CSV)",
        "Tests (CSV)",
        "Record (JSON)",
    ]
    assert "import cellucid_core as cc" in app.code[0].value
    (choice,) = (group for group in app.get("button_group") if group.label == "Using")
    choice.set_value(["scanpy and scipy"]) if isinstance(choice.value, list) else choice.set_value("scanpy and scipy")
    app.run()
    assert "import anndata" in app.code[0].value


def test_a_copy_of_the_h5ad_with_the_score(open_app, opened):
    adata = make_adata(60)
    app = open_app("gene_signature.py", opened(adata))
    widget(app, "text_area", "Signature genes").set_value(", ".join(adata.var_names[:2])).run()
    open_tab(app, "Export")
    widget(app, "button", "Make a copy of the .h5ad with the score").click().run()
    assert not app.exception
    assert app.session_state["signature_h5ad file"][1]


def test_a_donor_column_is_offered_first(open_app, opened):
    adata = make_adata(120)
    adata.obs["donor"] = pd.Categorical([f"D{i % 4}" for i in range(120)])
    app = open_app("gene_signature.py", opened(adata))
    assert widget(app, "selectbox", "Donor or sample").value == "donor"


def test_a_signed_pair_is_scored_as_one_and_taken_apart_with_a_click(open_app):
    app = open_app("gene_signature.py")
    upload(app, "pair.gmt", b"B_UP\t\tCD79A\tMS4A1\nB_DN\t\tCD3D\tCD3E\n")
    assert widget(app, "selectbox", "Signature").options == ["B"]
    assert app.session_state["remembered signature run"][1].match.signed
    widget(app, "button", "Split into up and down").click().run()
    assert not app.exception
    assert widget(app, "selectbox", "Signature").options == ["B_UP", "B_DN"]
    run = app.session_state["remembered signature run"][1]
    assert (run.match.found, run.match.signed) == (["CD79A", "MS4A1"], False)


def test_a_ready_set_is_taken_with_a_click(open_app):
    app = open_app("gene_signature.py")
    widget(app, "selectbox", "Collection").select("Programs").run()
    widget(app, "selectbox", "Set").select("Cytotoxicity").run()
    widget(app, "button", "Use this set").click().run()
    assert not app.exception
    assert "NKG7" in widget(app, "text_area", "Signature genes").value
    widget(app, "button", "Use all 7 sets").click().run()
    assert not app.exception
    assert len(widget(app, "selectbox", "Signature").options) == 7


def test_every_method_is_compared_with_a_click(open_app):
    app = open_app("gene_signature.py")
    open_tab(app, "Every method")
    widget(app, "button", "Score by every method").click().run()
    assert not app.exception
    assert "methods put" in texts(app)
    app.run()
    assert "methods put" in texts(app)
    assert not [button for button in app.button if button.label == "Score by every method"]


def test_many_pages_have_a_matrix_of_pairs_before_the_tests(open_app):
    app = open_app("gene_signature.py")
    open_tab(app, "Tests")
    run = app.session_state["remembered signature run"][1]
    assert len(run.pages) > 4
    assert "stars: adjusted p below 0.05" in texts(app)
    table = next(frame.value for frame in app.dataframe if "p-value" in frame.value.columns)
    assert list(table.columns)[:5] == ["comparison", "effect", "effect type", "p-value", "units"]


def chart_rows(app, key):
    """All data rows of the scores' chart that have a key."""
    kind = widget(app, "button_group", "Chart").value
    spec = app.session_state[f"remembered chart signature_{kind.lower().replace(' ', '_')}"][1].to_dict()
    return [row for data in spec["datasets"].values() for row in data if key in row]


def test_points_and_brackets_are_asked_for_beside_the_chart(open_app):
    app = open_app("gene_signature.py")
    assert not chart_rows(app, "spot")
    widget(app, "toggle", "Cells as points").set_value(True).run()
    assert len(chart_rows(app, "spot")) == 700
    assert "700 of 700 cells shown as points" in texts(app)
    pairs = widget(app, "multiselect", "Show p-values of")
    assert not pairs.value
    run = app.session_state["remembered signature run"][1]
    names = [page.name for page in run.pages[:2]]
    pairs.set_value([json.dumps(names)]).run()
    assert not app.exception
    (row,) = chart_rows(app, "foot")
    test = next(test for test in run.tests if test.pages == tuple(names))
    assert row["text"] == test.p_text.removeprefix("adjusted ")
    assert (row["left"], row["right"]) == (0, 1)
    assert "brackets: adjusted p of Welch's t, by cell" in texts(app)
    widget(app, "button_group", "Chart").set_value("Box").run()
    assert len(chart_rows(app, "spot")) == 700
    assert chart_rows(app, "foot")
    widget(app, "button_group", "Chart").set_value("Histogram").run()
    assert not [one for one in app.toggle if one.label == "Cells as points"]
    # A pair of pages that are not compared any more has no bracket.
    widget(app, "button_group", "Chart").set_value("Violin").run()
    widget(app, "multiselect", "Pages").unselect(names[0]).run()
    assert not app.exception
    assert not chart_rows(app, "foot")


def test_pages_are_split_by_a_second_column(open_app, opened):
    adata = make_adata(240)
    adata.obs["dose"] = pd.Categorical(np.array(["low", "mid", "high"])[np.arange(240) % 3])
    app = open_app("gene_signature.py", opened(adata))
    widget(app, "selectbox", "Compare pages from").select("cell_type").run()
    widget(app, "text_area", "Signature genes").set_value("GENE1, GENE2").run()
    split = widget(app, "selectbox", "Split by")
    assert split.options == ["Not split", "treated", "dose"]  # neither the pages' column nor the donors'
    before = app.session_state["remembered signature run"][1]
    split.select("treated").run()
    assert not app.exception
    assert app.session_state["remembered signature run"][1] is before  # no cell is scored again
    found = app.session_state["remembered signature split"][1]
    want = run_signature(
        app.session_state["workspace"].view,
        "GENE1, GENE2",
        pages=before.pages,
        sample_key="donor",
        split_key="treated",
    ).split
    assert found.tests == want.tests
    assert widget(app, "button_group", "Chart").options == ["Per sample", "Violin", "Box"]
    assert {row["value"] for row in chart_rows(app, "sample")} == {"False", "True"}
    assert "line: the same sample within a page" in texts(app)
    widget(app, "button_group", "Chart").set_value("Violin").run()
    assert {row["value"] for row in chart_rows(app, "mark")} == {"False", "True"}
    assert "halves: the two values" in texts(app)
    assert "within a page" in texts(app) or "strongest difference" in texts(app) or "about the same" in texts(app)
    pairs = widget(app, "multiselect", "Show p-values of")
    assert pairs.options[0] == f"{before.pages[0].name}: False − True"
    pairs.select(pairs.options[0]).run()
    (row,) = chart_rows(app, "foot")
    assert (row["left"], row["right"]) == pytest.approx((-0.215, 0.215))
    assert "brackets: adjusted p of paired t, by sample" in texts(app)
    open_tab(app, "Tests")
    table = next(frame.value for frame in app.dataframe if "page" in frame.value and "p-value" in frame.value)
    assert len(table) == 6
    widget(app, "selectbox", "Split by").select("dose").run()
    assert len({row["mark"] for row in chart_rows(app, "mark")}) == 9
    open_tab(app, "Export")
    assert [b for b in app.get("download_button") if b.label == "Within pages (CSV)"]
    assert "split='dose'" in app.code[0].value
