"""Tables of numbers: which way round they are, and that nothing ragged slips through."""

from __future__ import annotations

import csv
import gzip
import io
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.reading.formats import text_table
from cellucid_core.reading.formats.orientation import rows_are

BARCODES = [f"{a}{b}ACGTACGTAC-1" for a in ("AA", "CC", "GG", "TT") for b in ("AC", "GT", "TG")]
GENES = ["CD3D", "MS4A1", "ENSG00000123456", "MT-CO1", "RPL3", "unheard.of", "Actb"]


def matrix(n_cells=12, n_genes=7):
    rng = np.random.default_rng(0)
    X = np.round(rng.exponential(2, (n_cells, n_genes)), 3)
    X[rng.random(X.shape) < 0.6] = 0
    return X


def table(X=None, cells=BARCODES, genes=GENES):
    return pd.DataFrame(matrix() if X is None else X, index=list(cells), columns=list(genes))


def values_of(dataset):
    view = View(dataset, default_mapping(dataset))
    return view, view.expression.block(range(view.n_genes)).T


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_either_way_round_is_the_same_dataset(tmp_path, separator, transposed, packed):
    frame = table()
    text = (frame.T if transposed else frame).to_csv(sep=separator)
    path = tmp_path / ("x.txt.gz" if packed else "x.txt")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    dataset = open_dataset(path)
    view, values = values_of(dataset)
    assert view.cell_ids.tolist() == BARCODES
    assert view.gene_ids.tolist() == GENES
    np.testing.assert_array_equal(values, frame.to_numpy())
    assert dataset.id == "x"


@pytest.mark.parametrize("transposed", [False, True])
def test_in_pieces(tmp_path, monkeypatch, transposed):
    """Every seam between pieces is crossed."""
    monkeypatch.setattr(text_table, "PIECE_CHARS", 60)
    frame = table(matrix() + 1000)  # another content than above: nothing may come from the cache
    (frame.T if transposed else frame).to_csv(tmp_path / "x.csv")
    view, values = values_of(open_dataset(tmp_path / "x.csv"))
    np.testing.assert_array_equal(values, frame.to_numpy())
    assert view.cell_ids.tolist() == BARCODES


name_of_gene = st.one_of(
    st.from_regex(r"ENSG\d{11}", fullmatch=True),
    st.from_regex(r"ENSMUSG\d{11}\.\d", fullmatch=True),
    st.sampled_from(["MT-ND1", "RPS6", "ACTB", "Gapdh", "CD8A", "LINC00115", "IL7R", "HLA-DRA"]),
)
odd_gene = st.from_regex(r"[A-Z][A-Z0-9]{1,6}[0-9]", fullmatch=True)
name_of_cell = st.one_of(
    st.from_regex(r"[ACGT]{12,16}-\d", fullmatch=True),
    st.from_regex(r"sample\d_[ACGT]{16}", fullmatch=True),
    st.from_regex(r"[cC]ell[_-]\d{1,5}", fullmatch=True),
)


@given(
    genes=st.lists(name_of_gene, min_size=2, max_size=20),
    odd=st.lists(odd_gene, max_size=15),
    cells=st.lists(name_of_cell, min_size=2, max_size=20),
)
def test_names_tell_the_orientation(genes, odd, cells):
    assert rows_are(cells, genes + odd) == "cells"
    assert rows_are(genes + odd, cells) == "genes"


@given(rows=st.lists(st.text(max_size=12), max_size=10), columns=st.lists(st.text(max_size=12), max_size=10))
def test_the_decision_is_symmetric(rows, columns):
    opposite = {"cells": "genes", "genes": "cells", None: None}
    assert rows_are(columns, rows) == opposite[rows_are(rows, columns)]


@given(genes=st.lists(odd_gene, min_size=1, max_size=8), cells=st.lists(odd_gene, min_size=1, max_size=8, unique=True))
def test_known_cells_decide(genes, cells):
    known = [cell for cell in cells if cell not in genes]
    if known:
        assert rows_are(cells, genes, "gene", frozenset(known)) == "cells"
        assert rows_are(genes, cells, "cell", frozenset(known)) == "genes"


@pytest.mark.parametrize(("corner", "axis"), [("gene", "genes"), ("Barcode", "cells"), ("", None), ("x", None)])
def test_the_corner_tells_where_names_do_not(corner, axis):
    assert rows_are(["a", "b"], ["c", "d"], corner) == axis


def test_without_any_hint_rows_are_cells_and_it_is_said(tmp_path):
    table(np.arange(6.0).reshape(2, 3), ["a", "b"], ["x", "y", "z"]).to_csv(tmp_path / "x.csv")
    dataset = open_dataset(tmp_path / "x.csv")
    assert dataset.obs.index.tolist() == ["a", "b"]
    assert "Transpose" in dataset.notes[0]


def test_text_columns_are_annotations(tmp_path):
    frame = table()
    frame.insert(1, "cell_type", ["T", "B", "NK"] * 4)
    frame.to_csv(tmp_path / "x.csv")
    dataset = open_dataset(tmp_path / "x.csv")
    assert dataset.obs["cell_type"].tolist() == ["T", "B", "NK"] * 4
    assert View(dataset, default_mapping(dataset)).gene_ids.tolist() == GENES
    genes = table().T
    genes.insert(0, "description", [f"gene called {name}" for name in GENES])
    genes.to_csv(tmp_path / "y.csv")
    dataset = open_dataset(tmp_path / "y.csv")
    assert dataset.variables["X"]["description"].tolist() == genes["description"].tolist()
    np.testing.assert_array_equal(values_of(dataset)[1], matrix())


def test_r_header_without_a_corner(tmp_path):
    lines = table().to_csv(sep="\t").splitlines()
    (tmp_path / "x.tsv").write_text("\n".join([lines[0].lstrip("\t"), *lines[1:]]) + "\n")
    view, values = values_of(open_dataset(tmp_path / "x.tsv"))
    assert view.gene_ids.tolist() == GENES
    np.testing.assert_array_equal(values, matrix())


def test_excel_in_europe_and_other_encodings(tmp_path):
    frame = table(matrix() + 0.5)
    frame.to_csv(tmp_path / "x.csv", sep=";", decimal=",")
    np.testing.assert_array_equal(values_of(open_dataset(tmp_path / "x.csv"))[1], frame.to_numpy())
    frame = table(matrix() + 0.25)
    for encoding in ("utf-8-sig", "utf-16"):
        frame.to_csv(tmp_path / "y.csv", encoding=encoding)
        assert values_of(open_dataset(tmp_path / "y.csv"))[0].gene_ids.tolist() == GENES
    genes = [*GENES[:-1], "TNFα"]
    table(matrix() + 0.125, genes=genes).to_csv(tmp_path / "z.csv", encoding="utf-8")
    assert values_of(open_dataset(tmp_path / "z.csv"))[0].gene_ids.tolist() == genes


def test_missing_values_repeated_and_quoted_names(tmp_path):
    frame = table(matrix() + 3, genes=["CD3D", "CD3D", 'a "b"', "c,d", "MT-ND1", "RPL3", "x"])
    frame.iloc[2, 3] = np.nan
    frame.to_csv(tmp_path / "x.csv", na_rep="NA")
    view, values = values_of(open_dataset(tmp_path / "x.csv"))
    np.testing.assert_array_equal(values, frame.to_numpy())
    assert view.gene_ids.tolist() == list(frame.columns)


def test_cells_without_names(tmp_path):
    table(np.array([[1.0, 2.5], [1.0, 0], [4, 4]]), "abc", ["CD3D", "RPL3"]).to_csv(tmp_path / "x.csv", index=False)
    dataset = open_dataset(tmp_path / "x.csv")
    view, values = values_of(dataset)
    assert view.cell_ids.tolist() == ["cell_0", "cell_1", "cell_2"]
    assert (view.gene_ids.tolist(), values[:, 0].tolist()) == (["CD3D", "RPL3"], [1, 1, 4])
    assert any("cell_0" in note for note in dataset.notes)


@given(st.data())
def test_any_numbers_come_back(tmp_path_factory, data):
    n, m = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
    X = np.array(data.draw(st.lists(st.lists(numbers, min_size=m, max_size=m), min_size=n, max_size=n)))
    frame = table(X, BARCODES[:n], GENES[:m])
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    (frame.T if data.draw(st.booleans()) else frame).to_csv(path)
    np.testing.assert_array_equal(values_of(open_dataset(path))[1], X)


# ---- cell metadata ------------------------------------------------------------------------------------------------


def metadata(ids):
    return pd.DataFrame({"cluster": ["a", "b", "c"] * 4, "age": np.arange(12.0)}, index=pd.Index(ids, name="id"))


def test_cell_metadata_joins_by_id(tmp_path):
    table().to_csv(tmp_path / "x.csv")
    metadata(BARCODES).sample(frac=1, random_state=0).to_csv(tmp_path / "cells.tsv", sep="\t")
    plain = open_dataset(tmp_path / "x.csv")
    dataset = open_dataset(tmp_path / "x.csv", cell_metadata=tmp_path / "cells.tsv")
    assert dataset.obs["cluster"].tolist() == ["a", "b", "c"] * 4
    assert dataset.obs["age"].tolist() == list(range(12))
    assert plain.content_hash != dataset.content_hash


def test_cell_metadata_below_a_blank_line_and_packed_under_another_name(tmp_path):
    table().to_csv(tmp_path / "x.csv")
    content = metadata(BARCODES)[["age"]].to_csv()
    (tmp_path / "blank.csv").write_text(f"\n{content}")
    (tmp_path / "packed.csv").write_bytes(gzip.compress(content.encode()))
    for name in ("blank.csv", "packed.csv"):
        dataset = open_dataset(tmp_path / "x.csv", cell_metadata=tmp_path / name)
        assert dataset.obs["age"].tolist() == list(range(12)), name


def test_cell_metadata_decides_the_orientation(tmp_path):
    ids = [f"X{i}" for i in range(12)]
    frame = table(cells=ids, genes=[f"Y{i}" for i in range(7)])
    frame.T.to_csv(tmp_path / "x.csv")
    metadata(ids).to_csv(tmp_path / "cells.csv")
    assert open_dataset(tmp_path / "x.csv").obs.index[0] == "Y0"
    dataset = open_dataset(tmp_path / "x.csv", cell_metadata=tmp_path / "cells.csv")
    assert dataset.obs.index.tolist() == ids
    np.testing.assert_array_equal(values_of(dataset)[1], frame.to_numpy())


def test_cell_metadata_that_does_not_fit(tmp_path):
    table().to_csv(tmp_path / "x.csv")
    cells = tmp_path / "cells.csv"
    metadata(BARCODES).iloc[:9].to_csv(cells)
    dataset = open_dataset(tmp_path / "x.csv", cell_metadata=cells)
    assert any("3 cells are not in" in note for note in dataset.notes)
    assert np.isnan(dataset.obs["age"].iloc[-1])
    metadata([f"other{i}" for i in range(12)]).to_csv(cells)
    with pytest.raises(InputError, match="No cell"):
        open_dataset(tmp_path / "x.csv", cell_metadata=cells)
    metadata([*BARCODES[:-1], BARCODES[0]]).to_csv(cells)
    with pytest.raises(InputError, match="twice"):
        open_dataset(tmp_path / "x.csv", cell_metadata=cells)
    with pytest.raises(InputError, match="no file"):
        open_dataset(tmp_path / "x.csv", cell_metadata=tmp_path / "nowhere.csv")


# ---- broken -------------------------------------------------------------------------------------------------------


def broken(change):
    buffer = io.StringIO()
    table().to_csv(buffer)
    return change(buffer.getvalue())


BROKEN = {
    "only a header": (lambda text: text.splitlines()[0] + "\n", "no further line"),
    "blank": (lambda text: "\n\n\n", "is empty"),
    "prose": (lambda text: "Dear all\nplease find it attached\n", "not separated"),
    "cut off in a line": (lambda text: text[: text.rstrip().rfind(",")] + "\n", "fields in line 13"),
    "a field too many": (lambda text: text.rstrip() + ",5\n", "fields in line 13"),
    "an empty line": (lambda text: text.replace("\nCC", "\n\nCC", 1), "fields in line 5"),
    "only texts": (lambda text: "id,a\nx,y\nz,w\n", "no column of numbers"),
    "open quote": (lambda text: text.rstrip() + '\n"AC,1,2,3,4,5,6,7\n', "quotation mark|fields"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tables_are_sentences(tmp_path, name):
    change, words = BROKEN[name]
    (tmp_path / "x.csv").write_text(broken(change))
    with pytest.raises(InputError, match=words) as caught:
        open_dataset(tmp_path / "x.csv")
    assert caught.value.fix


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["cell_0,1"], "2 fields in line 5 and 3"),
        (["cell_0,1,2", "cell_1,1"], "2 fields in line 6 and 3"),
        ([*(f"cell_{i},1,2" for i in range(100)), "cell_100,1,high"], "in lines 5 to 105"),
        (['cell_0,1,"2'], "quotation mark .* in line 5"),
    ],
)
def test_lines_are_counted_from_the_first_of_the_file(tmp_path, rows, words):
    (tmp_path / "x.csv").write_text("\n".join(["# made by a tool", "", "# twice", "id,CD3D,RPL3", *rows]))
    with pytest.raises(InputError, match=words):
        open_dataset(tmp_path / "x.csv")


def test_csv_limits_of_the_process_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "field_size_limit", Mock(side_effect=AssertionError))
    long = "x" * 200_000  # longer than the limit of the module csv
    (tmp_path / "x.csv").write_text(f"id,CD3D,note\nc1,1,{long}\nc2,2,b\n")
    dataset = open_dataset(tmp_path / "x.csv")
    assert dataset.obs["note"].tolist() == [long, "b"]


def test_a_very_long_text_in_quotation_marks_is_a_sentence(tmp_path):
    (tmp_path / "x.csv").write_text(f'id,CD3D,note\nc1,1,"{"x" * 200_000}"\nc2,2,b\n')
    with pytest.raises(InputError, match="very long text in quotation marks, in line 2") as caught:
        open_dataset(tmp_path / "x.csv")
    assert caught.value.fix


def test_a_text_beyond_the_first_lines(tmp_path):
    lines = ["id,CD3D,RPL3", *(f"cell_{i},1,2" for i in range(100)), "cell_100,1,high"]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match="text where numbers are"):
        open_dataset(tmp_path / "x.csv")


def test_cut_off_gzip(tmp_path):
    data = gzip.compress(table(np.random.default_rng(0).normal(size=(12, 7))).to_csv().encode())
    (tmp_path / "x.csv.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cut off"):
        open_dataset(tmp_path / "x.csv.gz")
