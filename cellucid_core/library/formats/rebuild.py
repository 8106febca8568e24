"""Read tables and lists from the inert objects of a pickle, checking every shape and length."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.library.formats.inert import Made, Named

#: Most values of all tables of one file together.
MAX_VALUES = 200_000_000
_DTYPE = re.compile(r"^[<>=|]?([biufOU]\d+)$")


class Rebuild:
    """Reads tables, lists and numbers from what `read_inert` returned.

    Parameters
    ----------
    file_name
        For messages.

    Raises
    ------
    InputError
        By every method that returns a value, if the objects do not describe one.
    """

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._values = 0

    def wrong(self, what: str) -> InputError:
        """Return the error for objects that describe no table."""
        return InputError(f"{self._file_name} is damaged: {what}.", "Write it again with pandas, or ask for a table.")

    def is_frame(self, value: Any) -> bool:
        """Tell whether a value is a table."""
        return type(value) is Made and value.name == "DataFrame"

    def frame(self, value: Any) -> pd.DataFrame:
        """Return a table of numbers, truth values and texts."""
        if not self.is_frame(value):
            raise self.wrong("there is no table where one is expected")
        blocks, (columns, rows) = self._manager(value, "BlockManager", 2)
        self._values += len(columns) * len(rows)
        if self._values > MAX_VALUES:
            raise InputError(f"{self._file_name} holds too many values.", "Split it by level.")
        parts: list[Any] = [None] * len(columns)
        for block in blocks:
            values, places = self._block(block, len(columns), 2)
            lines = values if values.ndim == 2 else values[None, :]
            if lines.shape != (len(places), len(rows)):
                raise self.wrong("a block of a table has another shape than the table")
            for place, line in zip(places, lines, strict=True):
                if parts[place] is not None:
                    raise self.wrong("a column of a table stands in it twice")
                parts[place] = line
        if any(part is None for part in parts):
            raise self.wrong("a column of a table has no values")
        table = pd.DataFrame(dict(enumerate(parts)), index=pd.Index(rows, dtype=object))
        table.columns = pd.Index(columns, dtype=object)
        return table

    def series(self, value: Made) -> dict[Any, Any]:
        """Return a Series as a dict."""
        blocks, (labels,) = self._manager(value, "SingleBlockManager", 1)
        if len(blocks) != 1:
            raise self.wrong("a series has several blocks")
        values, _ = self._block(blocks[0], 1, 1)
        if values.shape != (len(labels),):
            raise self.wrong("a series has another length than its labels")
        return dict(zip(labels, values.tolist(), strict=True))

    def names(self, value: Any) -> list[Any]:
        """Return a list, a 1D array or an index as a list."""
        if type(value) in (list, tuple):
            return [self.scalar(item) for item in value]
        if type(value) is Made and value.name == "_new_Index":
            return self._labels(value)
        array = self._array(value)
        if array.ndim != 1:
            raise self.wrong("a list has several dimensions")
        return list(array.tolist())

    def scalar(self, value: Any) -> Any:
        """Return a plain value (None, a text, a number or a truth value), also from a numpy scalar."""
        if value is None or type(value) in (str, int, float, bool):
            return value
        if type(value) is Made and value.name == "scalar" and len(value.args) == 2:
            dtype = self._dtype(value.args[0])
            data = self._bytes(value.args[1])
            if dtype.hasobject or len(data) != dtype.itemsize:
                raise self.wrong("a number has the wrong length")
            return np.frombuffer(data, dtype)[0].item()
        raise self.wrong("there is something else where a number or a name is expected")

    # ---- pandas ------------------------------------------------------------------------------------------------

    def _manager(self, value: Made, kind: str, n_axes: int) -> tuple[list[Any], list[list[Any]]]:
        state = value.state
        manager = state.get("_mgr") if type(state) is dict else None
        if type(manager) is not Made or manager.name != kind or len(manager.args) != 2:
            raise self.wrong("a table was written by a version of pandas that is too old or too new")
        blocks, axes = manager.args
        if type(blocks) not in (tuple, list) or type(axes) is not list or len(axes) != n_axes:
            raise self.wrong("a table has no columns or no rows")
        return list(blocks), [self._labels(axis) for axis in axes]

    def _labels(self, value: Any) -> list[Any]:
        if type(value) is not Made or value.name != "_new_Index" or len(value.args) != 2:
            raise self.wrong("the names of rows or columns are not a list")
        kind, given = value.args
        if type(kind) is not Named or type(given) is not dict:
            raise self.wrong("the names of rows or columns are not a list")
        if kind.name == "RangeIndex":
            bounds = [bound for key in ("start", "stop", "step") if type(bound := given.get(key)) is int]
            if len(bounds) != 3 or bounds[2] == 0:
                raise self.wrong("the numbers of rows or columns make no sense")
            if any(abs(b) > MAX_VALUES for b in bounds):
                raise self.wrong("there are too many rows")
            numbers = range(*bounds)
            return list(numbers)
        array = self._array(given.get("data"))
        if array.ndim != 1:
            raise self.wrong("the names of rows or columns have several dimensions")
        return list(array.tolist())

    def _block(self, block: Any, n_columns: int, n_dimensions: int) -> tuple[np.ndarray, list[int]]:
        if type(block) is not Made or block.name != "_unpickle_block" or len(block.args) != 3:
            raise self.wrong("a table has a part of an unknown kind")
        values, placement, dimensions = block.args
        if dimensions != n_dimensions:
            raise self.wrong("a part of a table has several dimensions")
        if type(placement) is Made and placement.name == "slice":
            if len(placement.args) != 3 or any(type(a) not in (int, type(None)) for a in placement.args):
                raise self.wrong("a part of a table has no place")
            places = list(range(n_columns))[slice(*placement.args)]
        else:
            places = self.names(placement)
        if any(type(place) is not int or not 0 <= place < n_columns for place in places):
            raise self.wrong("a part of a table has no place")
        return self._array(values), places

    # ---- arrays ------------------------------------------------------------------------------------------------

    def _array(self, value: Any) -> np.ndarray:
        if type(value) is not Made:
            raise self.wrong("there is no array where one is expected")
        match value.name:
            case "_reconstruct" if type(value.state) is tuple and len(value.state) == 5:
                _, shape, dtype, fortran, data = value.state
                return self._shaped(data, dtype, shape, "F" if fortran else "C")
            case "_frombuffer" if len(value.args) == 4:
                data, dtype, shape, order = value.args
                return self._shaped(data, dtype, shape, "F" if order == "F" else "C")
            case "ArrowStringArray" if type(value.state) is dict:
                return self._arrow(value.state.get("_pa_array", value.state.get("_data")))
            case "__pyx_unpickle_NDArrayBacked" if type(value.state) is tuple:
                arrays = [part for part in value.state if type(part) is Made and part.name != "StringDtype"]
                if len(arrays) == 1 and arrays[0].name in ("_reconstruct", "_frombuffer"):
                    return self._array(arrays[0])
        raise self.wrong(f"an array of the kind {value.name} cannot be read")

    def _shaped(self, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        kind = self._dtype(dtype)
        if type(shape) is int:
            shape = (shape,)
        if type(shape) is not tuple or any(type(n) is not int or n < 0 for n in shape) or len(shape) > 2:
            raise self.wrong("an array has no shape")
        size = 1
        for n in shape:
            size *= n
        if kind.hasobject:
            if type(data) is not list or len(data) != size:
                raise self.wrong("an array has another length than its shape")
            objects = np.empty(size, dtype=object)
            objects[:] = [self.scalar(item) for item in data]
            return objects.reshape(shape, order=order)
        raw = self._bytes(data)
        if len(raw) != size * kind.itemsize:
            raise self.wrong("an array has another length than its shape")
        array = np.frombuffer(raw, kind).reshape(shape, order=order)
        return array.astype(kind.newbyteorder("="), copy=False)

    def _dtype(self, value: Any) -> np.dtype[Any]:
        if type(value) is not Made or value.name != "dtype" or not value.args or type(value.args[0]) is not str:
            raise self.wrong("an array has no type")
        found = _DTYPE.match(value.args[0])
        if found is None:
            raise self.wrong(f"an array has the type {value.args[0][:20]!r}; only numbers and texts are read")
        order = "="
        if type(value.state) is tuple and len(value.state) > 1 and value.state[1] in ("<", ">"):
            order = value.state[1]
        code = "O" if found[1].startswith("O") else found[1]
        if code[0] == "U" and type(value.state) is tuple and len(value.state) > 5 and type(value.state[5]) is int:
            code = f"U{value.state[5] // 4}"
        try:
            return np.dtype(code if code == "O" else order + code)
        except (TypeError, ValueError, OverflowError):
            raise self.wrong(f"an array has the unknown type {code[:20]!r}") from None

    def _bytes(self, value: Any) -> bytes:
        if type(value) in (bytes, bytearray):
            return bytes(value)
        if type(value) is Made:
            if value.name in ("py_buffer", "bytearray") and len(value.args) == 1:
                return self._bytes(value.args[0])
            if value.name == "bytearray" and not value.args:
                return b""
            # Pickle protocols 0 to 2 have no bytes and write them as text.
            if (
                value.name in ("encode", "bytearray")
                and len(value.args) == 2
                and value.args[1] in ("latin1", "latin-1")
            ):
                text = value.args[0]
                if type(text) is str and all(ord(letter) < 256 for letter in text):
                    return text.encode("latin-1")
        if type(value) is str and all(ord(letter) < 256 for letter in value):  # a pickle of Python 2
            return value.encode("latin-1")
        raise self.wrong("an array has no bytes")

    def _arrow(self, value: Any) -> np.ndarray:
        """Return a pyarrow array of texts, which is offsets into UTF-8 and a bit per text that tells if it is there."""
        if type(value) is not Made:
            raise self.wrong("a column of texts is empty")
        if value.name == "chunked_array" and value.args and type(value.args[0]) is list:
            chunks = value.args[0]
            if any(type(chunk) is not Made or chunk.name != "_restore_array" for chunk in chunks):
                raise self.wrong("a column of texts has an unknown form")
            parts = [self._arrow(chunk) for chunk in chunks]
            return np.concatenate(parts) if parts else np.empty(0, dtype=object)
        given = value.args[0] if value.name == "_restore_array" and len(value.args) == 1 else None
        if type(given) is not tuple or len(given) < 5 or type(given[4]) is not list or len(given[4]) != 3:
            raise self.wrong("a column of texts has an unknown form")
        kind, length, offset, buffers = given[0], given[1], given[3], given[4]
        name = kind.args[0] if type(kind) is Made and kind.name == "type_for_alias" and kind.args else None
        if name not in ("string", "large_string", "utf8", "large_utf8"):
            raise self.wrong("a column of texts has an unknown type")
        if type(length) is not int or type(offset) is not int or length < 0 or offset < 0:
            raise self.wrong("a column of texts has no length")
        there = None if buffers[0] is None else self._bytes(buffers[0])
        width = np.dtype("<i8" if str(name).startswith("large") else "<i4")
        ends_raw, text = self._bytes(buffers[1]), b"" if buffers[2] is None else self._bytes(buffers[2])
        if len(ends_raw) < (offset + length + 1) * width.itemsize or (there and len(there) * 8 < offset + length):
            raise self.wrong("a column of texts was cut off")
        ends = np.frombuffer(ends_raw, width, offset + length + 1)[offset:].tolist()
        if any(not 0 <= start <= stop <= len(text) for start, stop in pairwise(ends)):
            raise self.wrong("a column of texts was cut off")
        result = np.empty(length, dtype=object)
        for i in range(length):
            at = offset + i
            missing = there is not None and not there[at // 8] >> (at % 8) & 1
            result[i] = np.nan if missing else text[ends[i] : ends[i + 1]].decode("utf-8", "replace")
        return result
