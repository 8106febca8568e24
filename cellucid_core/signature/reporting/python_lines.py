"""Fill in the templates of Python lines; every value is written as a Python literal.

Names of genes, pages and columns come from files that others made; written as literals, they cannot become code.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jinja2 import Environment

WIDTH = 96
#: Longer lists of cells are written compressed.
_LISTED = 200


class Code(str):
    """Python code, which a template inserts without quoting."""


def python_lines(template: str, **values: Any) -> str:
    """Return the lines of a filled template.

    Parameters
    ----------
    template
        The name of one of the templates beside this file.
    values
        The values by name: `Code` is inserted as it is, everything else as its ``repr``.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined

    return Environment(
        loader=PackageLoader(__package__, ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the output is Python, not HTML
        finalize=lambda value: value if isinstance(value, Code | Undefined) else repr(value),
    )


def called(name: str, arguments: Sequence[str]) -> Code:
    """Write a call, over as many lines as it needs."""
    line = f"{name}({', '.join(arguments)})"
    return Code(line if len(line) <= WIDTH else "\n".join([f"{name}(", *(f"    {text}," for text in arguments), ")"]))


def assigned(start: str, items: Sequence[object], end: str = "") -> Code:
    """Write a list between two pieces of code, over as many lines as it needs."""
    whole = f"{start}{list(items)!r}{end}"
    if len(whole) <= WIDTH:
        return Code(whole)
    lines, line = [f"{start}["], "   "
    for item in items:
        piece = f" {item!r},"
        if len(line) + len(piece) > WIDTH and line.strip():
            lines.append(line)
            line = "   "
        line += piece
    return Code("\n".join([*lines, line, f"]{end}"]))


def indices(cells: np.ndarray) -> Code:
    """Write positions, ascending, as an expression: a list, or compressed text where there are more than 200."""
    if len(cells) <= _LISTED:
        return Code(f"np.array({cells.tolist()}, dtype=int)")
    packed = base64.b85encode(zlib.compress(np.diff(cells, prepend=0).astype("<u4").tobytes(), 9)).decode()
    return Code(
        'np.frombuffer(__import__("zlib").decompress(__import__("base64").b85decode('
        f'{packed!r})), "<u4").astype(int).cumsum()'
    )
