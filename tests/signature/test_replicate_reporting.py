"""What stands beside the tests: the square of all pairs, names of pages, the chart of samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellucid_core import charts
from cellucid_core.cell_pages import Page, choose_pages, pages_from_column, rest_of
from cellucid_core.dataset import View, default_mapping
from cellucid_core.signature import reporting, run_signature
from cellucid_core.signature.reporting import mixed_model_table, pairs_table
from cellucid_core.signature.statistics import TestResult, mixed_model
from tests.making import make_adata


@pytest.fixture
def view(opened):
    adata = make_adata(200)
    adata.obs["leiden"] = pd.Categorical(np.arange(200) % 3)
    dataset = opened(adata)
    return View(dataset, default_mapping(dataset))


def result(pages, effect, p, adjusted=None, unit="cell", kind="cohens-d"):
    return TestResult("welch-t", pages, effect, kind, 1.0, 1.0, p, -1.0, (3, 3), unit, p_adjusted=adjusted)


def test_pairs_are_square_with_the_sign_of_row_less_column():
    pages = [Page(name, np.arange(3)) for name in "ABC"]
    tests = [
        result(("A", "B"), 0.5, 0.2, 0.03),
        result(("A", "B"), 0.9, 0.2, kind="rank-biserial"),
        result(("A", "C"), -1.25, 0.0001, 0.0004),
        result(("B", "C"), None, None),
    ]
    table = pairs_table(tests, pages)
    assert table.unit == "cell"
    assert table.words().to_numpy().tolist() == [["", "0.50 *", "−1.25 ***"], ["−0.50 *", "", ""], ["1.25 ***", "", ""]]
    np.testing.assert_array_equal(table.p_values.loc["A", ["B", "C"]], [0.03, 0.0004])
    by_sample = [result(("A", "B"), 0.1, 0.5, unit="sample"), *tests]
    assert pairs_table(by_sample, pages).words().to_numpy()[0].tolist() == ["", "0.10", ""]
    assert pairs_table([], pages).words().to_numpy().ravel().tolist() == [""] * 9


@pytest.mark.parametrize(
    ("name", "column", "label"),
    [
        ("1", "leiden", "leiden 1"),
        ("True", "flag", "flag True"),
        ("Rest of 1", "leiden", "Rest of leiden 1"),
        ("-1.5", "bin", "bin -1.5"),
        ("T cell", "cell_type", "T cell"),
        ("1", "", "1"),
        ("1st", "order", "1st"),
    ],
)
def test_a_bare_page_is_called_with_its_column(name, column, label):
    page = Page(name, np.arange(2), "#112233", column)
    assert page.label == label
    assert page.spoken().name == label
    assert page.spoken().color == "#112233"


def test_numbered_pages_are_spoken_of_with_their_column(view):
    pages = pages_from_column(view, "leiden")
    assert {page.label for page in pages} == {"leiden 0", "leiden 1", "leiden 2"}
    assert rest_of(pages[0], 200).label.startswith("Rest of leiden ")
    assert choose_pages(view, "treated", ["True"])[0].label == "treated True"
    run = run_signature(view, ["GENE1", "GENE2"], pages=pages)
    assert "leiden " in run.headline
    comparisons = reporting.tests_table(run.tests, run.pages)["comparison"]
    assert comparisons[2].startswith("leiden ")
    assert {row["page"] for row in run.to_json()["pages"]} == {"0", "1", "2"}  # a program reads the names
    assert set(run.table(view)["page"]) == {"0", "1", "2"}


def test_the_chart_of_samples_has_a_point_per_sample_and_page(view):
    run = run_signature(view, ["GENE1", "GENE2"], pages=pages_from_column(view, "treated"), sample_key="donor")
    chart = charts.per_sample(run.spoken, run.owned, run.title)
    line, bar, points = (layer.data.values for layer in chart.layer)
    assert len(points) == 6
    assert len(line) == 6
    assert len(bar) == 2
    one = points[0]
    donor = (view.obs("donor") == one["sample"]).to_numpy()
    cells = np.intersect1d(run.pages[0].cells, np.flatnonzero(donor))
    assert one["cells"] == len(cells)
    assert one["score"] == pytest.approx(run.raw[cells].mean(), rel=1e-6)
    assert one["page"] in ("treated True", "treated False")


def test_the_chart_of_samples_within_pages_joins_a_sample_within_a_page(view):
    pages = pages_from_column(view, "leiden")
    run = run_signature(view, ["GENE1", "GENE2"], pages=pages, sample_key="donor", split_key="treated")
    split = run.split
    chart = charts.split_per_sample(run.spoken, split.values, split.owned, run.title, split.key)
    line, bar, points = (layer.data.values for layer in chart.layer)
    places = {at + offset for at in range(len(pages)) for offset in charts.split_places(2)}
    assert {row["at"] for row in line} <= places
    assert len(bar) == 2 * len(pages)
    for row in points:
        page = pages[[one.name for one in run.spoken].index(row["page"])]
        value = next(one for one in split.values if one.name == row["value"])
        donor = np.flatnonzero((view.obs("donor") == row["sample"]).to_numpy())
        cells = np.intersect1d(np.intersect1d(page.cells, value.cells), donor)
        assert row["cells"] == len(cells)
        assert row["score"] == pytest.approx(run.raw[cells].mean(), rel=1e-6)
    assert {(row["sample"], row["joined"]) for row in line} == {
        (row["sample"], row["joined"]) for row in points if row["joined"] is not None
    }
    turned = run.in_order("lowest")
    means = turned.summary["mean"].tolist()
    assert means == sorted(means)
    assert [page.name for page in turned.pages] == turned.summary["page"].tolist()
    at = [pages.index(page) for page in turned.pages]
    assert turned.split.owned == [split.owned[i] for i in at]
    assert turned.split.tests == [split.tests[i] for i in at]
    assert turned.owned == [run.owned[i] for i in at]
    assert run.in_order("chosen") is run


def test_the_table_of_the_mixed_model(view):
    pages = pages_from_column(view, "leiden")
    run = run_signature(view, ["GENE1"], pages=pages, sample_key="donor")
    table = mixed_model_table(mixed_model(run.spoken, run.scores, view.obs("donor")))
    assert len(table) == 3
    assert table["comparison"].str.startswith("leiden ").all()
    assert table["p-value"].str.startswith("adjusted p = ").all()
    assert (table["samples"] == "3").all()


def test_the_overall_test_in_words(view):
    pages = pages_from_column(view, "leiden")
    run = run_signature(view, ["GENE1", "GENE2"], pages=pages)
    sentence = reporting.overall_sentence(run.tests)
    assert sentence.startswith("The page explains ")
    assert "of the scores' spread: ε² = 0.0" in sentence
    assert "over 3 pages, by cell (Kruskal–Wallis, p = " in sentence
    assert reporting.overall_sentence(run_signature(view, ["GENE1"], pages=pages[:2]).tests) == ""
    assert "most" in reporting.overall_sentence([result(("A", "B", "C"), 0.8, 0.001, kind="eta-squared")])
