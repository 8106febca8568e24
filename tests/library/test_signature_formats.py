"""Signature files: what is written is read back, and what makes no sense is a sentence."""

from __future__ import annotations

import gzip
import itertools
import json
import pickle
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.errors import InputError
from cellucid_core.library import Level, Signature, read_signature, write_signature
from tests.library.signatures_made import make_level, make_signature, published

WHOLE = [".pickle", ".h5", ".zarr", ".zip"]


def same(found, expected, *, exact=True):
    compare = np.testing.assert_array_equal if exact else np.testing.assert_allclose
    assert [level.name for level in found.levels] == [level.name for level in expected.levels]
    for one, other in zip(found.levels, expected.levels, strict=True):
        assert one.genes == other.genes
        assert one.cell_types == other.cell_types
        for what in ("mean", "variance", "std"):
            compare(getattr(one, what).to_numpy(), getattr(other, what).to_numpy())
        assert (one.hvgs, one.degs, one.cells) == (other.hvgs, other.degs, other.cells)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(WHOLE, WHOLE)))
def test_round_trips(tmp_path, first, second):
    signature = make_signature()
    one = read_signature(write_signature(signature, tmp_path / f"one{first}"))
    found = read_signature(write_signature(one, tmp_path / f"two{second}"))
    same(found, signature)
    for what in ("dataset", "source", "created_at"):
        assert getattr(found, what) == getattr(signature, what)
    if ".pickle" not in (first, second):
        assert found.parents == signature.parents
        assert found.record == signature.record
        np.testing.assert_array_equal(found.levels[0].front, signature.levels[0].front)
        assert (found.levels[1].chosen, found.levels[1].unlabelled) == (1, 3)


@pytest.mark.parametrize("suffix", WHOLE)
def test_round_trips_through_the_statescope_table(tmp_path, suffix):
    signature = make_signature()
    path = write_signature(signature, tmp_path / "a.txt", level="sub/types")
    table = pd.read_csv(path, sep="\t", float_precision="round_trip")
    assert list(table.columns[:3]) == ["Gene", "IsMarker", "scExp_CD4"]
    np.testing.assert_array_equal(table["scVar_NK"], signature.levels[1].variance["NK"] + 0.01)
    other = read_signature(write_signature(read_signature(path), tmp_path / f"b{suffix}")).levels[0]
    found = read_signature(write_signature(Signature("x", [other]), tmp_path / "c.txt")).levels[0]
    expected = signature.levels[1]
    np.testing.assert_array_equal(found.mean.to_numpy(), expected.mean.to_numpy())
    np.testing.assert_allclose(found.variance.to_numpy(), expected.variance.to_numpy(), atol=1e-15)
    assert found.degs == expected.degs
    assert set(found.cells.values()) == {None}


def test_the_pickle_is_what_the_seed_describes(tmp_path):
    signature = make_signature()
    with write_signature(signature, tmp_path / "a.pickle").open("rb") as file:
        assert file.read(2) == b"\x80\x04"
        file.seek(0)
        content = pickle.load(file)
    assert list(content) == ["dataset", "source", "created_at", "levels"]
    assert list(content["levels"]) == ["major", "sub/types"]
    level = content["levels"]["major"]
    assert list(level) == ["mean", "variance", "std", "genes", "hvgs", "degs", "cell_types"]
    assert level["cell_types"] == {"T cell": 10, "B": 11, "NK/ILC": 12}
    pd.testing.assert_frame_equal(level["mean"], signature.levels[0].mean, check_index_type=False, check_names=False)
    assert level["mean"].index.dtype == object


def test_the_portable_file_opens_in_anndata(tmp_path):
    import anndata
    import h5py

    path = write_signature(make_signature(), tmp_path / "a.h5")
    with h5py.File(path) as file:
        level = anndata.io.read_elem(file["levels"]["level_2"])
    assert level.shape == (4, 12)
    assert list(level.obs_names) == ["CD4", "CD8", "B", "NK"]
    np.testing.assert_array_equal(level.X, make_signature().levels[1].mean.to_numpy().T)
    assert level.var["deg"].sum() == 2


def test_the_published_table():
    signature = read_signature(published())
    (level,) = signature.levels
    assert len(level.genes) == 24_737
    assert level.cell_types == [
        "T_cells_CD8+", "T_cells_CD4+", "Monocytes", "B_cells", "NK_cells", "T_cells_CD4-CD8-", "Dendritic_cells",
    ]  # fmt: skip
    assert len(level.degs) == 419
    assert "HES4" in level.degs
    assert level.mean.loc["ISG15", "Monocytes"] == 1.37472
    assert level.variance.loc["ISG15", "Monocytes"] == pytest.approx(0.925623 - 0.01)
    assert any("0.01" in note for note in signature.notes)


NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff\u2028\u2029\x85"), min_size=1
)
PLAIN = NAMES.filter(lambda name: name.strip() == name and "\x00" not in name)
NUMBERS = st.floats(0, 1e6, allow_subnormal=False)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(PLAIN, min_size=1, max_size=4, unique=True),
    st.lists(PLAIN, min_size=1, max_size=3, unique=True),
    st.sampled_from([".pickle", ".h5", ".zip"]),
    st.data(),
)
def test_any_names_and_numbers_survive(tmp_path_factory, genes, types, suffix, data):
    values = data.draw(st.lists(NUMBERS, min_size=len(genes) * len(types), max_size=len(genes) * len(types)))
    table = pd.DataFrame(
        np.reshape(values, (len(genes), len(types))), pd.Index(genes, dtype=object), pd.Index(types, dtype=object)
    )
    level = Level("any", table, table * 2, np.sqrt(table * 2), cells=dict.fromkeys(types, 1))
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    same(read_signature(write_signature(Signature("x", [level]), path)), Signature("x", [level]))


TABLE = "Gene\tIsMarker\tscExp_T\tscExp_B\tscVar_T\tscVar_B\nA\tTrue\t1\t2\t0.1\t0.2\nB\tFalse\t3\t4\t0.3\t0.4\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("IsMarker\t", "Marked\t"), "no column IsMarker"),
        (("Gene\tIs", "Name\tIs"), "no column Gene"),
        (("\tscVar_B", "\tother"), "no scVar_B"),
        (("scExp_T\tscExp_B", "T\tB"), "no columns scExp_"),
        (("scExp_B", "scExp_T"), "two columns named scExp_T"),
        (("B\tFalse\t3", "B\tFalse\tmany"), "'many' for B in T"),
        (("B\tFalse\t3", "A\tFalse\t3"), "occur more than once: A"),
        (("B\tFalse\t3", "B\tFalse\t"), "missing or infinite values in T"),
        (("B\tFalse\t3", "B\tFalse\tinf"), "missing or infinite"),
        (("B\tFalse\t3", "B\tperhaps\t3"), "neither True nor False"),
        (("B\tFalse\t3", "\tFalse\t3"), "without a name"),
        (("0.3\t0.4", "-1\t0.4"), "below 0"),
        (("B\tFalse\t3\t4\t0.3\t0.4\n", "B\tFalse\n"), "fields"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, change, words):
    path = tmp_path / "table.txt"
    assert change[0] in TABLE
    path.write_text(TABLE.replace(*change))
    with pytest.raises(InputError) as refused:
        read_signature(path)
    assert words in str(refused.value)
    assert refused.value.fix


def test_tables_in_other_dresses(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(TABLE.replace("\t", ",").replace("True", "1").replace("False", "0").encode()))
    level = read_signature(path).levels[0]
    assert level.degs == ["A"]
    np.testing.assert_allclose(level.variance["B"], [0.19, 0.39])
    path = tmp_path / "plain.txt"
    path.write_text(TABLE.replace("0.1\t0.2", "0\t0.2"))  # a producer that adds nothing
    np.testing.assert_allclose(read_signature(path).levels[0].variance["B"], [0.2, 0.4])


def test_broken_files_of_every_kind(tmp_path):
    signature = make_signature()
    for suffix in (".pickle", ".h5", ".zip", ".txt"):
        path = write_signature(signature, tmp_path / f"whole{suffix}", level="major")
        data = path.read_bytes()
        for cut in (0, 1, 9, len(data) // 2):
            broken = tmp_path / f"broken{suffix}"
            broken.write_bytes(data[:cut])
            with pytest.raises(InputError) as refused:
                read_signature(broken)
            assert refused.value.fix
    folder = write_signature(signature, tmp_path / "whole.zarr")
    shutil.rmtree(folder / "levels" / "level_1" / "layers")
    for path in (folder, tmp_path, tmp_path / "missing.h5"):
        with pytest.raises(InputError):
            read_signature(path)


def test_a_link_to_another_file_is_not_followed(tmp_path):
    import h5py

    whole, path = (write_signature(make_signature(), tmp_path / name) for name in ("whole.h5", "a.h5"))
    with h5py.File(path, "r+") as file:
        del file["levels/level_1"]
        file["levels/level_1"] = h5py.ExternalLink(str(whole), "/levels/level_1")
    with pytest.raises(InputError, match="from another file"):
        read_signature(path)


def test_tables_of_terabytes_are_not_read(tmp_path):
    import h5py

    path = write_signature(make_signature(), tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        told = dict(file["levels/level_1/X"].attrs)
        del file["levels/level_1/X"]
        file.create_dataset("levels/level_1/X", (10**6, 10**6), "f8", chunks=(1000, 1000)).attrs.update(told)
    folder = write_signature(make_signature(), tmp_path / "a.zarr")
    about = folder / "levels" / "level_1" / "X" / ".zarray"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"shape": [10**6, 10**6], "chunks": [1000, 1000]}))
    for hostile in (path, folder):
        with pytest.raises(InputError, match="of memory"):
            read_signature(hostile)


def test_enormous_pieces_are_not_unpacked(tmp_path):
    folder = write_signature(make_signature(), tmp_path / "a.zarr")
    about = folder / "levels" / "level_1" / "X" / ".zarray"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"chunks": [10**6, 10**6]}))
    with pytest.raises(InputError, match="in pieces of"):
        read_signature(folder)


def test_datasets_and_foreign_zips_are_no_signatures(tmp_path):
    from tests.making import make_adata

    make_adata().write_h5ad(tmp_path / "data.h5ad")
    with pytest.raises(InputError, match="holds no signature"):
        read_signature(tmp_path / "data.h5ad")
    for content in ("{}", "[]", "{", json.dumps({"format": "cellucid-signature", "version": 99, "levels": []})):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("signature.json", content)
        with pytest.raises(InputError):
            read_signature(tmp_path / "a.zip")


def test_writing_is_refused_in_a_sentence(tmp_path):
    signature = make_signature()
    for name, words in (("a.doc", "known endings"), ("a.txt", "holds one level"), ("none/a.h5", "no folder")):
        with pytest.raises(InputError, match=words):
            write_signature(signature, tmp_path / name)
    with pytest.raises(InputError, match="no level 'x'"):
        write_signature(signature, tmp_path / "a.txt", level="x")
    odd = make_level(types=("a\tb", "c"))
    with pytest.raises(InputError, match="tab"):
        write_signature(Signature("x", [odd]), tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda level: level.update(degs=["nowhere"]), "not among the genes: nowhere"),
        (lambda level: level.update(cell_types={"alien": 3}), "no means for: alien"),
        (lambda level: level.update(cell_types={"B": 1.5}), "'1.5' cells"),
        (lambda level: level.update(variance=level["variance"].iloc[1:]), "other genes or cell types"),
        (lambda level: level.update(variance=-level["variance"]), "below 0"),
        (lambda level: level.update(genes=["a"]), "lists other genes"),
        (lambda level: level.pop("variance"), "no table variance"),
        (lambda level: level.update(mean=level["mean"].replace(level["mean"].iloc[0, 0], np.nan)), "missing"),
    ],
)
def test_pickles_that_make_no_sense(tmp_path, change, words):
    path = write_signature(make_signature(), tmp_path / "a.pickle")
    content = pickle.loads(path.read_bytes())
    change(content["levels"]["major"])
    path.write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError) as refused:
        read_signature(path)
    assert words in str(refused.value)


def test_plain_frames_and_dicts_of_frames(tmp_path):
    frame = pd.DataFrame({"Gene": ["A", "B"], "IsMarker": [True, False], "scExp_T": [1.0, 2], "scVar_T": [0.1, 0.2]})
    path = tmp_path / "a.pkl"
    for value, names in ((frame, ["a"]), ({"x": frame, "y": frame.set_index("Gene")}, ["x", "y"])):
        path.write_bytes(pickle.dumps(value))
        signature = read_signature(path)
        assert [level.name for level in signature.levels] == names
        assert signature.levels[-1].degs == ["A"]
        np.testing.assert_allclose(signature.levels[-1].variance["T"], [0.09, 0.19])
