"""A second column within each page: scipy on hand-made cases, one family of p-values, words and files."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import cellucid_core as cc
from cellucid_core.cell_pages import Page, pages_from_column
from cellucid_core.errors import InputError
from cellucid_core.signature import run_signature
from cellucid_core.signature.reporting import (
    api_code,
    brackets_caption,
    deciding_pairs,
    python_code,
    record_json,
    run_record,
    split_csv,
    split_sentence,
    split_table,
)
from cellucid_core.signature.statistics import Split, TestResult, can_split, split_pages, split_values
from tests.making import make_adata

N = 240


@pytest.fixture
def view(viewed):
    """240 cells: a type, a condition in an order of its own, three doses, four donors that each have all of it."""
    adata = make_adata(N, seed=4)
    adata.obs["type"] = pd.Categorical(np.array(["B", "T"])[np.arange(N) // 3 % 2])
    condition = np.array(["stim", "ctrl"])[np.arange(N) % 2]
    adata.obs["condition"] = pd.Categorical(condition, categories=["ctrl", "never", "stim"])
    adata.obs["dose"] = pd.Categorical(np.array(["low", "mid", "high"])[np.arange(N) % 3])
    adata.obs["donor"] = pd.Categorical([f"d{i // 12 % 4}" for i in range(N)])
    adata.obs["one"] = pd.Categorical(["same"] * N)
    adata.obs["many"] = pd.Categorical([f"v{i % 9}" for i in range(N)])
    return viewed(adata)


@pytest.fixture
def scored(view):
    """Pages of the types, and scores that rise with stimulation in B only."""
    rng = np.random.default_rng(5)
    pages = sorted(pages_from_column(view, "type"), key=lambda page: page.name)
    stim = (view.obs("condition") == "stim").to_numpy()
    donor = view.obs("donor").cat.codes.to_numpy()
    whole = rng.normal(size=N) + 0.3 * donor
    whole[pages[0].cells] += 1.5 * stim[pages[0].cells]
    whole[pages[1].cells[0]] = np.nan
    return pages, [whole[page.cells] for page in pages], whole


def groups(view, page, whole, key, names):
    """The finite scores of each value within a page, made another way."""
    table = pd.DataFrame({"score": whole, "value": view.obs(key).astype(str).to_numpy()}).iloc[page.cells].dropna()
    return [table.loc[table["value"] == name, "score"].to_numpy() for name in names]


def test_values_keep_the_columns_order_and_colours(view):
    values = split_values(view, "condition")
    assert [(value.name, value.color) for value in values] == [("ctrl", "#0072B2"), ("stim", "#009E73")]
    assert [value.n for value in values] == [N // 2, N // 2]
    assert can_split(view, "condition")
    for key in ("one", "many"):
        assert not can_split(view, key)
        with pytest.raises(InputError, match="2 to 8 values"):
            split_values(view, key)


def test_two_values_by_cell_as_scipy(view, scored):
    pages, scores, whole = scored
    split = split_pages(view, pages, scores, "condition")
    raw = {"welch-t": [], "mann-whitney-u": []}
    for page, tests, some in zip(pages, split.tests, split.scores, strict=True):
        ctrl, stim = groups(view, page, whole, "condition", ["ctrl", "stim"])
        np.testing.assert_array_equal(np.sort(some[0][np.isfinite(some[0])]), np.sort(ctrl))
        welch, mwu = tests
        want = stats.ttest_ind(ctrl, stim, equal_var=False)
        assert (welch.pages, welch.unit, welch.n) == (("ctrl", "stim"), "cell", (len(ctrl), len(stim)))
        assert (welch.statistic, welch.p_value) == pytest.approx((want.statistic, want.pvalue))
        pooled = np.sqrt(
            ((len(ctrl) - 1) * ctrl.var(ddof=1) + (len(stim) - 1) * stim.var(ddof=1)) / (len(ctrl) + len(stim) - 2)
        )
        assert welch.effect_size == pytest.approx((ctrl.mean() - stim.mean()) / pooled)
        assert mwu.p_value == pytest.approx(stats.mannwhitneyu(ctrl, stim).pvalue)
        raw["welch-t"].append(want.pvalue)
        raw["mann-whitney-u"].append(mwu.p_value)
    for place, name in enumerate(raw):
        assert [tests[place].p_adjusted for tests in split.tests] == pytest.approx(
            multipletests(raw[name], method="fdr_bh")[1]
        )


@pytest.mark.parametrize("how", ["bh", "holm"])
def test_three_values_are_one_family_over_all_pages(view, scored, how):
    pages, scores, whole = scored
    split = split_pages(view, pages, scores, "dose", p_adjust=how)
    names = [value.name for value in split.values]
    assert names == ["high", "low", "mid"]
    want = []
    for page in pages:
        some = groups(view, page, whole, "dose", names)
        want += [stats.ttest_ind(some[i], some[j], equal_var=False).pvalue for i, j in ((0, 1), (0, 2), (1, 2))]
    found = [test for tests in split.tests for test in tests if test.test == "welch-t"]
    assert [test.p_value for test in found] == pytest.approx(want)
    method = {"bh": "fdr_bh", "holm": "holm"}[how]
    assert [test.p_adjusted for test in found] == pytest.approx(multipletests(want, method=method)[1])
    assert all(len(test.pages) == 2 for tests in split.tests for test in tests)


def test_by_sample_values_are_paired_within_donors(view, scored):
    pages, scores, whole = scored
    split = split_pages(view, pages, scores, "condition", samples=view.obs("donor"))
    table = pd.DataFrame({"score": whole, "value": view.obs("condition").to_numpy(), "donor": view.obs("donor")})
    raw = []
    for page, (t, w) in zip(pages, split.tests, strict=True):
        means = table.iloc[page.cells].pivot_table("score", "donor", "value", observed=True)
        want = stats.ttest_rel(means["ctrl"], means["stim"])
        assert (t.test, t.unit, t.n) == ("paired-t", "sample", (4, 4))
        assert (t.statistic, t.p_value) == pytest.approx((want.statistic, want.pvalue))
        assert w.p_value == pytest.approx(stats.wilcoxon(means["ctrl"], means["stim"]).pvalue)
        raw.append(want.pvalue)
    assert [tests[0].p_adjusted for tests in split.tests] == pytest.approx(multipletests(raw, method="fdr_bh")[1])


def test_a_page_without_one_of_the_values_says_why(view, scored):
    _, _, whole = scored
    stim = np.flatnonzero((view.obs("condition") == "stim").to_numpy())
    pages = [Page("only stim", stim), Page("all", np.arange(N))]
    split = split_pages(view, pages, [whole[page.cells] for page in pages], "condition")
    assert split.tests[0][0].p_value is None
    assert "ctrl has 0" in split.tests[0][0].note
    # An undefined p-value is not counted, and one that is alone needs no adjustment.
    assert split.tests[1][0].p_adjusted == pytest.approx(split.tests[1][0].p_value)
    assert "too few cells" in split_sentence(Split("condition", split.values, [[]], split.tests[:1]), pages[:1])
    one = split_pages(view, pages[1:], [whole], "condition")
    assert one.tests[0][0].p_adjusted is None


def made(page_tests):
    """A split of pages whose only tests are given: (effect, p, adjusted p) each."""
    values = [Page("ctrl", np.arange(2)), Page("stim", np.arange(2, 4))]
    tests = [
        [TestResult("welch-t", ("ctrl", "stim"), d, "cohens-d", 1.0, 5.0, p, -1.0, (9, 9), p_adjusted=adjusted)]
        for d, p, adjusted in page_tests
    ]
    return Split("condition", values, [], tests), [Page(name, np.arange(4)) for name in "ABC"[: len(tests)]]


def test_the_sentence_names_the_strongest_clear_difference():
    assert split_sentence(*made([(-0.8, 0.001, 0.003), (2.5, 0.2, 0.3), (0.5, 0.01, 0.02)])) == (
        "The strongest difference is in A, where stim scores higher than ctrl: d = 0.80, adjusted p = 0.003, by cell "
        "(2 of 3 comparisons have an adjusted p below 0.05)."
    )
    assert split_sentence(*made([(-0.8, 0.2, 0.3), (0.5, 0.1, 0.3)])) == (
        "No difference within a page has an adjusted p below 0.05; the largest is in A, where stim is above ctrl: "
        "d = 0.80, adjusted p = 0.3, by cell."
    )
    assert split_sentence(*made([(0.1, 1e-9, 2e-9), (-0.02, 0.5, 0.5)])).startswith(
        "The values of condition score about the same within every page; they differ most in A: ctrl is above stim"
    )
    assert split_sentence(*made([(1.24, 0.01, None)])) == (
        "The strongest difference is in A, where ctrl scores higher than stim: d = 1.2, p = 0.01, by cell."
    )


def test_run_table_csv_record_and_lines(view):
    pages = pages_from_column(view, "type")
    genes = ["GENE1", "GENE2"]
    run = run_signature(view, genes, pages=pages, sample_key="donor", split_key="condition")
    direct = split_pages(view, pages, run.scores, "condition", samples=view.obs("donor"))
    assert run.split.tests == direct.tests
    assert run.split_by(view, None).split is None
    plain = run_signature(view, genes, pages=pages, sample_key="donor")
    assert plain.tests == run.tests  # pages are compared as without
    table = split_table(run.split, run.pages)
    assert table["page"].tolist() == [page.name for page in pages for _ in range(2)]
    assert set(table["comparison"]) == {"ctrl − stim"}
    read = pd.read_csv(io.StringIO(split_csv(run.split, run.pages)), float_precision="round_trip")
    assert read["p_adjusted"].tolist() == [test.p_adjusted for tests in run.split.tests for test in tests]
    assert read[["column", "value_a", "value_b"]].drop_duplicates().to_numpy().tolist() == [
        ["condition", "ctrl", "stim"]
    ]
    record = json.loads(record_json(run_record(view, run)))["split"]
    assert (record["column"], record["values"], len(record["tests"])) == ("condition", ["ctrl", "stim"], 4)
    assert record["tests"][0]["page"] == pages[0].name
    assert run_record(view, plain)["split"] is None
    assert "split='condition'" in api_code(view, run)
    assert "split" not in api_code(view, plain)
    assert "condition" in python_code(view, run)
    score = cc.score(view, genes, groupby="type", sample="donor", split="condition")
    assert score.split["p_adjusted"].tolist() == read["p_adjusted"].tolist()
    assert cc.score(view, genes).split.empty
    for kind in ("violin", "box", "histogram"):
        assert score.plot(kind).to_dict()


def test_brackets_are_of_the_tests_that_decide(view):
    pages = pages_from_column(view, "dose")
    by_cell = run_signature(view, ["GENE1"], pages=pages)
    by_donor = run_signature(view, ["GENE1"], pages=pages, sample_key="donor")
    assert [test.unit for test in deciding_pairs(by_cell.tests)] == ["cell"] * 3
    assert brackets_caption(deciding_pairs(by_cell.tests)) == "brackets: adjusted p of Welch's t, by cell"
    assert brackets_caption(deciding_pairs(by_donor.tests)) == "brackets: adjusted p of paired t, by sample"
    two = run_signature(view, ["GENE1"], pages=pages[:2])
    assert brackets_caption(deciding_pairs(two.tests)) == "brackets: p of Welch's t, by cell"
    assert brackets_caption([]) == ""
    assert deciding_pairs([]) == []
