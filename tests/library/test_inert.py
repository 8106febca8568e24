"""Pickles of strangers: nothing runs, everything is named."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import pickletools
import struct
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.errors import InputError
from cellucid_core.library import read_signature
from cellucid_core.library.formats.inert import read_inert
from tests.library.signatures_made import make_signature

RAN = []


def note(*args):
    RAN.append(args)


class Calls:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def stranger(name, *args, protocol=4):
    """A pickle that calls module.name, whether or not that exists here."""
    module, _, attribute = name.rpartition(".")
    body = f"c{module}\n{attribute}\n".encode() + pickle.dumps(args, protocol=0)[:-1] + b"R."
    return pickle.PROTO + bytes([protocol]) + body


@pytest.fixture
def read(tmp_path):
    def call(data, name="evil.pickle"):
        path = tmp_path / name
        path.write_bytes(data)
        return read_signature(path)

    return call


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "posix.system", "nt.system", "subprocess.Popen", "builtins.eval", "builtins.exec",
        "builtins.getattr", "builtins.__import__", "builtins.open", "operator.attrgetter", "operator.methodcaller",
        "functools.partial", "importlib.import_module", "numpy.load", "numpy.memmap",
        "numpy.testing._private.utils.runstring",
        "numpy._core.multiarray.fromfile", "numpy.core.records.fromfile", "numpy.f2py.crackfortran.myeval",
        "pandas.read_pickle", "pandas.eval", "pandas.io.pickle.read_pickle", "pandas.core.computation.eval.eval",
        "pandas.compat.pickle_compat.loads", "pickle.loads", "_pickle.loads", "copyreg.add_extension", "shutil.rmtree",
        "tests.library.test_inert.note", "pandas.core.frame.DataFrame.to_pickle", "pydoc.locate", "types.FunctionType",
    ],
)  # fmt: skip
def test_calls_of_strangers_are_refused_by_name(read, name):
    for data in (stranger(name, "touch /tmp/ran"), gzip.compress(stranger(name, "x"))):
        with pytest.raises(InputError) as refused:
            read(data)
        assert name in str(refused.value)
        assert "nothing in it was run" in str(refused.value)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_runs_wherever_it_hides(read, protocol, tmp_path):
    proof = tmp_path / "ran"
    evil = [Calls(os.system, f"touch {proof}"), Calls(eval, "1+1"), Calls(note, 1)]
    frame = pd.DataFrame({"Gene": ["A"], "IsMarker": [True], "scExp_T": [1.0], "scVar_T": [1.0]})
    hidden = frame.astype(object)
    hidden.iloc[0, 2] = evil[0]
    attributes = frame.copy()
    attributes.attrs["x"] = evil[0]
    nested = {"levels": {"a": {"mean": frame, "genes": [[evil[2]]]}}}
    called = []
    for value in (*evil, hidden, attributes, nested, [evil[1]], {"a": evil[2]}, (evil[0],)):
        with pytest.raises(InputError) as refused:
            read(pickle.dumps(value, protocol=protocol))
        called.append(str(refused.value))
    assert not proof.exists()
    assert not RAN
    assert any("system" in text for text in called)
    assert any("eval" in text for text in called)


def test_pickle_instructions_that_tables_do_not_need(read):
    for data, word in (
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"\x80\x02Pwho\n.", "PERSID"),
        (b"\x80\x02K\x01Q.", "BINPERSID"),
        (b"\x80\x02(ios\nsystem\n.", "INST"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02(cos\nsystem\no.", "os.system"),
    ):
        with pytest.raises(InputError, match=word):
            read(data)


def test_allowed_names_with_hostile_arguments(read):
    frame = b"cpandas.core.frame\nDataFrame\n)\x81"
    for data in (
        frame + b"}X\x04\x00\x00\x00_mgrK\x01sb.",
        frame + b"(cbuiltins\nslice\nK\x01K\x02tb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\xff\xff\xff\x7ftU\x01btR.",
        b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        b"cnumpy\ndtype\nX\x0b\x00\x00\x00V1000000000\x85R.",
        b"cbuiltins\nslice\nK\x01K\x02K\x03\x87RK\x01b.",  # state for something that has none
        b"ccollections\nOrderedDict\n)Rcbuiltins\nslice\nK\x01s.",
        b"}]K\x01s.",
        b"K\x01K\x02a.",
    ):
        with pytest.raises(InputError):
            read(b"\x80\x04" + data)


def test_bombs(read):
    deep = b"\x80\x04)" + b"\x85" * 20_000_000 + b"."
    wide = b"\x80\x04" + b"(" * 5_000_000
    put = b"\x80\x04K\x01r\xff\xff\xff\xff."  # a memo of 4 billion places, in Python's own machine
    long = b"\x80\x04\x8b" + struct.pack("<i", 4_000_000) + b"\x01" * 4_000_000 + b"."
    cut = b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x"
    array = b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x"
    laughs = b"\x80\x04]q\x00" + b"".join(b"]q%c(h%ch%ce" % (i + 1, i, i) for i in range(50)) + b"."
    for data in (deep, wide, put, long, cut, array, laughs, gzip.compress(deep)):
        with pytest.raises(InputError):
            read(data)


def test_the_number_of_instructions_is_bounded(monkeypatch):
    monkeypatch.setattr("cellucid_core.library.formats.inert.MAX_STEPS", 1000)
    read_inert(b"\x80\x04K\x01" + b"0K\x01" * 400 + b".", "short")
    with pytest.raises(InputError, match="instructions"):
        read_inert(b"\x80\x04K\x01" + b"0K\x01" * 600 + b".", "long")


def test_a_gzip_bomb_is_cut_off(read, monkeypatch):
    monkeypatch.setattr("cellucid_core.library.formats.pickle_file.MAX_BYTES", 10**6)
    monkeypatch.setattr("cellucid_core.library.formats.inert.MAX_BYTES", 10**6)
    with pytest.raises(InputError, match="MB"):
        read(gzip.compress(b"\x80\x04" + b"0" * 10**7))


def cyclic():
    items = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    "value",
    [None, 1, "text", [], {}, {"levels": 1}, {"levels": {}}, {"levels": {"a": 1}}, {"levels": {"a": {}}}, {"a": [1, 2]},
     {"levels": {"a": {"mean": [1]}}}, cyclic(), np.arange(3), pd.Series([1.0]), pd.DataFrame({"x": [1.0]}),
     {"a": pd.DataFrame({"x": [1.0]})}, pd.DataFrame(), {"levels": {"a": pd.DataFrame()}}],
)  # fmt: skip
def test_pickles_without_a_signature(read, value):
    with pytest.raises(InputError):
        read(pickle.dumps(value, protocol=4))


def reference():
    from cellucid_core.library.formats.pickle_file import write_pickle

    file = io.BytesIO()

    class Target:
        def open(self, mode):
            file.close = lambda: None
            return file

    write_pickle(make_signature(), Target())
    return file.getvalue()


REFERENCE = reference()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_pickles_are_sentences(tmp_path_factory, data):
    damaged = bytearray(REFERENCE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.sampled_from([None, len(damaged) // 2, len(damaged) - 1]))]
    path = tmp_path_factory.getbasetemp() / "damaged.pickle"
    path.write_bytes(bytes(damaged))
    with suppress(InputError):  # anything else would be a traceback
        read_signature(path)


OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(OPCODES), st.binary(max_size=6)), max_size=60))
def test_any_bytes_are_read_or_refused(parts):
    with suppress(InputError):
        read_inert(b"".join(parts), "any")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["float64", "float32", "int64", ">f8"])
def test_tables_of_any_protocol_and_type(read, protocol, kind):
    values = np.arange(12).reshape(4, 3).astype(kind)
    mean = pd.DataFrame(values, index=list("abcd"), columns=["T", "B", "NK"])
    level = {"mean": mean, "variance": mean * 2, "genes": list("abcd"), "degs": np.array(["b"]), "cell_types": ["T"]}
    found = read(pickle.dumps({"levels": {"x": level}, "created_at": np.str_("now")}, protocol=protocol)).levels[0]
    np.testing.assert_array_equal(found.mean.to_numpy(), values.astype(float))
    np.testing.assert_allclose(found.std.to_numpy(), np.sqrt(values * 2.0))
    assert found.degs == ["b"]
    assert found.cells == {"T": None, "B": None, "NK": None}
