"""Pickles as data: every instruction is carried out on inert objects, and nothing is ever called.

A pickle is a program. Python's own machine runs it: it imports what the pickle names and calls it with the arguments
that the pickle gives. This machine knows the instructions that tables need but calls nothing: a name must be on a short
list, and "calling" it makes a `Made` that describes the call. `rebuild` then reads tables from these, checking every
shape and length. Size, instructions, nesting and integers are bounded, so that no file can fill the memory either.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

from cellucid_core.errors import InputError

#: Most bytes of a pickle after unpacking, and most instructions; a large signature has about a million.
MAX_BYTES = 512 * 2**20
MAX_STEPS = 4_000_000
_MAX_DEPTH = 60
_MAX_MARKS = 1000
_MAX_WHOLE = 2**64

_FRAME = ("pandas.core.frame", "pandas")
_INDEX = ("pandas.core.indexes.base", "pandas")
_STRINGS = ("pandas.core.arrays.string_", "pandas.arrays", "pandas")
_ARROW_STRINGS = ("pandas.core.arrays.string_arrow", "pandas.arrays")
_NUMPY = ("numpy._core.multiarray", "numpy.core.multiarray")
_NUMERIC = ("numpy._core.numeric", "numpy.core.numeric")
_BUILTINS = ("builtins", "__builtin__")
#: Names that a pickle of tables may refer to: (their modules in different versions of the library, name).
_KNOWN: tuple[tuple[tuple[str, ...], str], ...] = (
    (_BUILTINS, "slice"),
    (_BUILTINS, "bytearray"),
    (_BUILTINS, "object"),
    (("_codecs",), "encode"),
    (("copyreg", "copy_reg"), "_reconstructor"),
    (("collections",), "OrderedDict"),
    (("numpy",), "dtype"),
    (("numpy",), "ndarray"),
    (_NUMPY, "_reconstruct"),
    (_NUMPY, "scalar"),
    (_NUMERIC, "_frombuffer"),
    (_FRAME, "DataFrame"),
    (("pandas.core.series", "pandas"), "Series"),
    (_INDEX, "_new_Index"),
    (_INDEX, "Index"),
    (("pandas.core.indexes.range", "pandas"), "RangeIndex"),
    (("pandas.core.internals.managers",), "BlockManager"),
    (("pandas.core.internals.managers",), "SingleBlockManager"),
    (("pandas._libs.internals",), "_unpickle_block"),
    (("pandas._libs.arrays",), "__pyx_unpickle_NDArrayBacked"),
    (_STRINGS, "StringArray"),
    (_STRINGS, "StringDtype"),
    (_ARROW_STRINGS, "ArrowStringArray"),
    (("pyarrow.lib",), "_restore_array"),
    (("pyarrow.lib",), "chunked_array"),
    (("pyarrow.lib",), "type_for_alias"),
    (("pyarrow.lib",), "py_buffer"),
)
ALLOWED = frozenset((module, name) for modules, name in _KNOWN for module in modules)


@dataclass(frozen=True)
class Named:
    """A name that a pickle refers to, without its module; nothing was imported."""

    name: str


class Made:
    """A description of the object that calling a name would have made.

    Attributes
    ----------
    name
        The name that was called, without its module.
    args
        The arguments.
    state
        The state that the pickle would have given the object, or None.
    """

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        self.name = name
        self.args = args
        self.state: Any = None


def read_inert(data: bytes, file_name: str) -> Any:
    """Return what a pickle describes as plain Python values, `Named` and `Made`.

    Raises
    ------
    InputError
        If it names anything that is not in `ALLOWED`, is damaged, or is too large, too deeply nested or too long.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{file_name} holds more than {MAX_BYTES // 2**20:,} MB.", "Split it by level.")
    machine = _Machine(file_name)
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if step >= MAX_STEPS:
                raise machine.refusal(f"has more than {MAX_STEPS:,} instructions")
            machine.do(opcode.name, argument)
            if machine.done:
                return machine.result
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError) as error:
        raise InputError(
            f"{file_name} is not a pickle, or a damaged one ({_line(error)}).", "Copy or download it again."
        ) from error
    raise InputError(f"{file_name} was cut off.", "Copy or download it again.")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


class _Machine:
    """The stack and the memo of a pickle that is being read."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.depth: dict[int, int] = {}
        self.kept: list[Any] = []
        self.done = False
        self.result: Any = None

    def refusal(self, what: str) -> InputError:
        return InputError(
            f"{self.file_name} {what}, so it was not opened; nothing in it was run.",
            "Ask for the signature as a table (.txt), or as .h5.",
        )

    def do(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _PUSHES:
            if isinstance(argument, int) and not -_MAX_WHOLE < argument < _MAX_WHOLE:
                raise self.refusal("holds a whole number of more than 64 bits")
            self.stack.append(argument)
            return
        if name in _GETS:
            self.stack.append(self.memo[argument])
            return
        if name in _PUTS:
            self.memo[argument] = self.stack[-1]
            return
        action = getattr(self, f"_do_{name.lower()}", None)
        if action is None:
            raise self.refusal(f"uses the pickle instruction {name}, which tables do not need")
        if argument is None:
            action()
        else:
            action(argument)

    # ---- what is only bookkeeping ------------------------------------------------------------------------------

    def _do_proto(self, version: int) -> None:
        if version > 5:
            raise self.refusal(f"is a pickle of the unknown protocol {version}")

    def _do_frame(self, size: int) -> None:
        pass

    def _do_stop(self) -> None:
        self.result = self.stack[-1]
        self.done = True

    def _do_memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _do_mark(self) -> None:
        if len(self.marks) >= _MAX_MARKS:
            raise self.refusal("is nested too deeply")
        self.marks.append(len(self.stack))

    def _do_pop(self) -> None:
        self.stack.pop()

    def _do_pop_mark(self) -> None:
        self._since_mark()

    def _do_dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    # ---- constants and containers ------------------------------------------------------------------------------

    def _do_none(self) -> None:
        self.stack.append(None)

    def _do_newtrue(self) -> None:
        self.stack.append(True)

    def _do_newfalse(self) -> None:
        self.stack.append(False)

    def _do_empty_list(self) -> None:
        self._push([], ())

    def _do_empty_dict(self) -> None:
        self._push({}, ())

    def _do_empty_tuple(self) -> None:
        self.stack.append(())

    def _do_list(self) -> None:
        items = self._since_mark()
        self._push(items, items)

    def _do_tuple(self) -> None:
        items = self._since_mark()
        self._push(tuple(items), items)

    def _do_tuple1(self) -> None:
        self._tuple_of(1)

    def _do_tuple2(self) -> None:
        self._tuple_of(2)

    def _do_tuple3(self) -> None:
        self._tuple_of(3)

    def _tuple_of(self, n: int) -> None:
        items = self.stack[-n:]
        if len(items) < n:
            raise IndexError("the stack is empty")
        del self.stack[-n:]
        self._push(tuple(items), items)

    def _do_dict(self) -> None:
        items = self._since_mark()
        self._push({}, ())
        self._fill(self.stack[-1], items)

    def _do_append(self) -> None:
        item = self.stack.pop()
        self._extend(self.stack[-1], [item])

    def _do_appends(self) -> None:
        items = self._since_mark()
        self._extend(self.stack[-1], items)

    def _do_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._fill(self.stack[-1], [key, value])

    def _do_setitems(self) -> None:
        items = self._since_mark()
        self._fill(self.stack[-1], items)

    def _extend(self, target: Any, items: list[Any]) -> None:
        if type(target) is not list:
            raise self.refusal("appends to something that is not a list")
        target.extend(items)
        self._deepen(target, items)

    def _fill(self, target: Any, items: list[Any]) -> None:
        if type(target) is not dict:
            raise self.refusal("sets items of something that is not a dict")
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values):
            raise ValueError("a key without a value")
        for key, value in zip(keys, values, strict=True):
            # Only plain values are hashed: hashing deeply nested ones could crash the process.
            if type(key) not in (str, int, float, bool, type(None)):
                raise self.refusal("has a dict whose keys are not names")
            target[key] = value
        self._deepen(target, values)

    def _push(self, made: Any, parts: Any) -> None:
        self.stack.append(made)
        self.depth[id(made)] = 1
        self.kept.append(made)  # kept alive, so that no other object gets its id
        self._deepen(made, parts)

    def _deepen(self, holder: Any, parts: Any) -> None:
        deepest = max((self.depth.get(id(part), 0) for part in parts if type(part) in _HOLDERS), default=0)
        if deepest >= _MAX_DEPTH:
            raise self.refusal("is nested too deeply")
        self.depth[id(holder)] = max(self.depth.get(id(holder), 1), deepest + 1)

    # ---- names and calls ---------------------------------------------------------------------------------------

    def _do_global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self._name(module, name)

    def _do_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise self.refusal("refers to something without a name")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        if (module, name) not in ALLOWED:
            raise self.refusal(f"would have called {module[:80]}.{name[:80]}")
        self.stack.append(Named(name))

    def _do_reduce(self) -> None:
        args, what = self.stack.pop(), self.stack.pop()
        self._call(what, args)

    _do_newobj = _do_reduce

    def _do_newobj_ex(self) -> None:
        keywords = self.stack.pop()
        if keywords != {}:
            raise self.refusal("makes an object with keywords")
        self._do_reduce()

    def _call(self, what: Any, args: Any) -> None:
        if type(what) is not Named or type(args) is not tuple:
            raise self.refusal("calls something that has no name")
        if what.name == "_reconstructor" and args and type(args[0]) is Named:  # protocols 0 and 1
            what, args = args[0], ()
        if what.name == "OrderedDict" and not args:
            self._push({}, ())
            return
        self._push(Made(what.name, args), args)

    def _do_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is not Made or target.state is not None:
            raise self.refusal("fills something that cannot be filled")
        target.state = state
        self._deepen(target, [state])


_HOLDERS = (list, tuple, dict, Made)
_PUSHES = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ]
)
_GETS = frozenset(["GET", "BINGET", "LONG_BINGET"])
_PUTS = frozenset(["PUT", "BINPUT", "LONG_BINPUT"])
