"""Pages from pasted and uploaded cell ids."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.cell_pages import Page, pages_from_ids
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.signature import run_signature
from cellucid_core.signature.reporting.scores_table import write_csv
from tests.making import make_adata, write_and_view

IDS = ["AAAC-1", "AAAG-1", "cell one", "a,b", "x;y", "twice", "twice", "Zürich", "'q'", "=1+1"]


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    adata = make_adata(n_cells=10)
    adata.obs_names = IDS
    return write_and_view(adata, tmp_path_factory.mktemp("data"))


def rows(view, source):
    made = pages_from_ids(view, source)
    assert len(made.pages) == 1
    return made.pages[0].rows.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "AAAC-1,AAAG-1,Zürich",
        "AAAC-1; AAAG-1 ;Zürich",
        "AAAC-1 AAAG-1\tZürich",
        "Zürich\r\nAAAG-1\r\n\r\nAAAC-1\r\n",
        '"AAAC-1","AAAG-1"\n"Zürich"',
        "cell_id\nAAAC-1\nAAAG-1\nZürich\n",
        "\ufeffAAAC-1\nAAAG-1\nZürich",
        "AAAC-1\nAAAC-1\nAAAG-1, Zürich",
        "cell_id,cluster\nAAAC-1,3\nAAAG-1,4\nZürich,AAAC-1\n",
        "cluster;cell_id\r\n1;AAAC-1\r\n2;AAAG-1\r\n2;Zürich\r\n",
        ",cluster\nAAAC-1,3\nAAAG-1,4\nZürich,5\n",
        "Cell_ID\tx\nAAAC-1\t3\nAAAG-1\t4\nZürich\t5\n",
    ],
)
def test_ids_however_they_are_written(view, text):
    assert rows(view, text) == [0, 1, 7]
    assert rows(view, text.encode()) == [0, 1, 7]


def test_ids_that_hold_what_stands_between_ids(view):
    assert rows(view, "cell one\na,b\nx;y\n'q'\n=1+1") == [2, 3, 4, 8, 9]
    assert rows(view, "AAAC-1;a,b") == [0]
    assert rows(view, 'cell_id,n\n"a,b",1\ncell one,2\n') == [2, 3]


def test_unknown_ids_are_counted_and_named_and_repeated_ones_said(view):
    made = pages_from_ids(view, "AAAC-1, nobody, twice, nobody, else")
    assert made.pages[0].rows.tolist() == [0, 5, 6]
    assert made.notes == [
        "2 ids are not in the dataset: nobody, else.",
        "1 id belongs to several cells, which are all included: twice.",
    ]


@pytest.mark.parametrize("text", ["nobody", "a b c", "cell_id,page\nnobody,1\n"])
def test_without_a_known_id_it_says_how_they_look(view, text):
    with pytest.raises(InputError, match="AAAC-1"):
        pages_from_ids(view, text)


@pytest.mark.parametrize("text", ["", " \n", ",;,", "cell_id\n", "cell_id,page\n"])
def test_without_ids(view, text):
    with pytest.raises(InputError, match="no cell ids"):
        pages_from_ids(view, text)


def test_what_is_no_text_or_no_table(view):
    with pytest.raises(InputError, match="UTF-8"):
        pages_from_ids(view, b"\xff\xfe\x00A")
    with pytest.raises(InputError, match="Line 3"):
        pages_from_ids(view, "cell_id,n\nAAAC-1,1\nAAAG-1\n")
    # Which of the two depends on csv's limit of a field, which is the process's and is raised where a table is read.
    with pytest.raises(InputError, match=r"cannot be read|is not in the dataset"):
        pages_from_ids(view, 'cell_id,n\n"' + "A" * 200_000 + '",1\n')


def test_left_out_cells_are_said_and_come_back(view):
    fewer = View(view.dataset, replace(view.mapping, cells_out=np.array([1, 2])))
    made = pages_from_ids(fewer, "AAAC-1\nAAAG-1")
    assert made.notes == ["1 of the cells is left out by a fix."]
    assert made.pages[0].in_view(fewer).cells.tolist() == [0]
    assert made.pages[0].in_view(view).cells.tolist() == [0, 1]


def test_a_column_of_pages_makes_one_each(view):
    made = pages_from_ids(view, "cell_id,page\nAAAC-1,T\nZürich,B\nAAAG-1,T\nnobody,gone\n")
    assert [(p.name, p.rows.tolist()) for p in made.pages] == [("T", [0, 1]), ("B", [7])]
    assert made.notes == [
        "1 id is not in the dataset: nobody.",
        "No cell of this page is in the dataset: gone.",
    ]
    with pytest.raises(InputError, match="101 different"):
        pages_from_ids(view, "cell_id,page\n" + "".join(f"AAAC-1,{i}\n" for i in range(101)))


def test_our_own_table_of_scores_joins_back_exactly_even_where_ids_repeat(view):
    pages = [Page("one", np.array([0, 5])), Page("two", np.array([3, 6, 9]))]
    run = run_signature(view, "GENE1, GENE2", pages=pages)
    text = io.StringIO()
    write_csv(run.table(view), text)
    made = pages_from_ids(view, text.getvalue())
    assert [(p.name, p.rows.tolist()) for p in made.pages] == [("one", [0, 5]), ("two", [3, 6, 9])]
    assert made.notes == []


@pytest.mark.parametrize("index", ["x", "99", "-1", "3", "9" * 30])
def test_rows_that_are_not_this_datasets_do_not_count(view, index):
    made = pages_from_ids(view, f"cell_id,page,cell_index\ntwice,p,{index}\n")
    assert made.pages[0].rows.tolist() == [5, 6]


def test_a_cell_table_saved_by_pandas(view):
    table = view.dataset.obs.iloc[[1, 4]].to_csv()
    assert rows(view, table) == [1, 4]
    assert rows(view, pd.DataFrame({"cell_id": IDS[:2]}).to_csv(index=False)) == [0, 1]


@settings(deadline=None)
@given(st.text() | st.binary() | st.text(alphabet="cell_id,page\n\"'ACG-1\t;", max_size=60))
def test_any_text_gives_pages_or_a_sentence(demo, source):
    from cellucid_core.dataset import default_mapping

    try:
        made = pages_from_ids(View(demo, default_mapping(demo)), source)
    except CellucidError:
        return
    assert all(len(page.rows) for page in made.pages)
