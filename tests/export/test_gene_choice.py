"""Choices of genes, alone and together, and what they mean in a dataset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.dataset.log_rule import log_rule_of
from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, GeneChoice, choose_genes, parse_gene_choice
from cellucid_core.genes import parse_genes
from cellucid_core.ranking.marker_genes import marker_genes
from cellucid_core.ranking.variable_genes import highly_variable
from tests.export.standin import small_view

HVG, LIST = GeneChoice("hvg", n=3), GeneChoice("list", ids=("G7", "nope", "G2", "G7"))
MARKERS = GeneChoice("markers", n=2, column="cell type")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["markers:cell type:2"], MARKERS),
        (["Markers:a:b:7"], GeneChoice("markers", n=7, column="a:b")),
        (["hvg:3", "markers:cell type:2", "all"], GeneChoice("union", parts=(HVG, MARKERS, GeneChoice("all")))),
        (["hvg:3", "none"], HVG),
        (["none", "none"], GeneChoice("none")),
        (["hvg:3", "hvg:3"], HVG),
        (["A,B", "C"], GeneChoice("union", parts=(GeneChoice("list", ids=("A", "B")), GeneChoice("list", ids=("C",))))),
        (['"all","hvg:3","@x"'], GeneChoice("list", ids=("all", "hvg:3", "@x"))),
    ],
)
def test_words_of_the_command_line(words, expected):
    assert parse_gene_choice(words) == expected
    assert parse_gene_choice(expected.to_words()) == expected


def test_a_table_of_genes(tmp_path):
    (tmp_path / "m.csv").write_text("gene,logFC\nCD3D,2\nLYZ,1\n")
    assert parse_gene_choice(f"@{tmp_path / 'm.csv'}").ids == ("CD3D", "LYZ")


@pytest.mark.parametrize("text", ["markers:", "markers:x", "markers:x:", "markers::3", "markers:x:0", "markers:x:-1"])
def test_markers_that_make_no_sense(text):
    with pytest.raises(InputError):
        parse_gene_choice(text)


@pytest.mark.parametrize("bad", [{"kind": "best"}, {"kind": "union"}, {"kind": "markers", "n": 3}])
def test_choices_that_make_no_sense(bad):
    with pytest.raises(InputError):
        GeneChoice(**bad)
    with pytest.raises(InputError):
        GeneChoice("union", parts=(HVG, GeneChoice("union", parts=(HVG, MARKERS))))


def test_what_is_known_without_a_dataset():
    assert (HVG.named, HVG.at_most) == (None, 3)
    assert LIST.named == {"G7", "nope", "G2"}
    assert (GeneChoice("none").named, GeneChoice("none").at_most) == (None, 0)
    assert GeneChoice.of([HVG, LIST]).at_most == 7
    assert (MARKERS.at_most, GeneChoice("all").at_most) == (None, None)
    assert GeneChoice.of([LIST, GeneChoice("list", ids=("A",))]).named == {"G7", "nope", "G2", "A"}


names = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(names, min_size=1, max_size=6))
def test_any_pasted_list_survives_the_command_line(given_names):
    ids = tuple(parse_genes("\n".join(given_names)))
    if not ids:
        return
    choice = GeneChoice("list", ids=ids)
    quotes = "\"'“”‘’„`"
    if any(mark in gene for gene in ids for mark in quotes):  # a name that mixes quotes is beyond any quoting
        return
    assert parse_gene_choice(choice.to_words()) == choice


def test_a_union_keeps_first_places():
    view = small_view()
    found = choose_genes(view, ExportSettings(genes=GeneChoice.of([LIST, HVG, MARKERS])))
    variable, _ = highly_variable(view.expression, 3, rule=log_rule_of(view))
    codes = view.obs("cell type").cat.codes.to_numpy()
    marking, _ = marker_genes(view.expression, codes, 3, 2, rule=log_rule_of(view))
    expected = list(dict.fromkeys([7, 2, *variable.tolist(), *np.concatenate(marking).tolist()]))
    assert found.positions.tolist() == expected
    assert found.ids == tuple(f"G{i}" for i in expected)
    assert found.missing == ("nope",)
    assert found.missing_sentence == "1 gene is not in the dataset: nope."
    assert found.missing_sentence in found.warnings


def test_all_after_a_list_puts_the_list_first():
    found = choose_genes(small_view(), ExportSettings(genes=parse_gene_choice(["G7,G2", "all"])))
    assert found.ids == ("G7", "G2", *(f"G{i}" for i in range(12) if i not in (2, 7)))


def test_a_list_of_unknown_genes_is_no_error_beside_other_genes():
    unknown = GeneChoice("list", ids=("x", "y"))
    with pytest.raises(InputError, match="None of the 2 genes"):
        choose_genes(small_view(), ExportSettings(genes=unknown))
    variable = choose_genes(small_view(), ExportSettings(genes=HVG))
    found = choose_genes(small_view(), ExportSettings(genes=GeneChoice.of([HVG, unknown])))
    assert (found.ids, found.missing) == (variable.ids, ("x", "y"))


def test_markers_of_a_column_of_numbers():
    with pytest.raises(InputError, match="holds numbers"):
        choose_genes(small_view(), ExportSettings(genes=GeneChoice("markers", n=2, column="depth")))


def test_markers_of_a_column_that_is_not_there(demo_view):
    with pytest.raises(InputError, match="no column"):
        choose_genes(demo_view, ExportSettings(genes=GeneChoice("markers", n=2, column="nope")))


def test_genes_without_expression():
    with pytest.raises(InputError, match="no expression"):
        choose_genes(small_view(X=None, genes=None), ExportSettings(genes=GeneChoice.of([HVG, MARKERS])))
    assert choose_genes(small_view(X=None, genes=None), ExportSettings()).ids == ()


def test_choosing_reports_and_can_be_cancelled(demo_view):
    seen = []
    choose_genes(
        demo_view, ExportSettings(genes=parse_gene_choice(["hvg:5", "markers:louvain:2"])), lambda *a: seen.append(a)
    )
    what, done, total = seen[0]
    assert what == "Finding highly variable genes"
    assert 0 < done < total == 765
    assert seen[-1] == ("Ranking marker genes of louvain", 765, 765)

    def cancel(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        choose_genes(demo_view, ExportSettings(genes=GeneChoice("hvg", n=5)), cancel)
