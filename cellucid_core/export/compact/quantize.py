"""Numbers as small integers: eight or sixteen bits between a vector's own minimum and maximum.

Source of every formula here: the specification of ``compact_v1``, "Quantization of a continuous vector". Codes
are rounded to the nearest, so a decoded value is off by at most half a step (cellucid 0.0.9 truncates: off by up to a
whole step).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.errors import WorkRefused
from cellucid_core.prepared import MARKER, MAX_QUANT, encoding

#: Loading the compiler takes longer than it saves on shorter vectors.
COMPILED_FROM = 20_000


@dataclass(frozen=True)
class Encoded:
    """A vector ready to be written.

    Attributes
    ----------
    array
        Codes (uint8, uint16) or float32 values, little-endian, (n,).
    minimum, maximum
        What codes 0 and `MAX_QUANT` stand for; None without quantization.
    """

    array: np.ndarray
    minimum: float | None = None
    maximum: float | None = None

    @property
    def limits(self) -> list[float]:
        """The end of a manifest entry: ``[minimum, maximum]``, or an empty list without quantization."""
        return [] if self.minimum is None or self.maximum is None else [self.minimum, self.maximum]


def encode(values: np.ndarray, bits: int | None, name: str = "") -> Encoded:
    """Encode a dense vector.

    Parameters
    ----------
    values
        Any real numeric type, (n,). NaN and infinities become the marker; in float32 they stay.
    bits
        8, 16, or None for float32.
    name
        What the error calls the vector.

    Returns
    -------
    Encoded
        Codes ``round((v − min) · max_quant / (max − min))`` in float64, half to even, clipped to 0…max_quant.

    Raises
    ------
    WorkRefused
        As in `limits`; never without quantization.
    """
    return encode_stored(len(values), None, values, bits, name)


def encode_stored(n: int, cells: np.ndarray | None, values: np.ndarray, bits: int | None, name: str = "") -> Encoded:
    """Encode a vector of which only some entries are stored; the others are 0.

    The result is that of `encode` on the dense vector, but only stored entries are computed.

    Parameters
    ----------
    n
        Length of the whole vector.
    cells
        Positions of the stored entries, each once, (n_stored,); None: all, in order.
    values
        The stored entries, (n_stored,).
    bits, name
        As in `encode`.

    Raises
    ------
    WorkRefused
        As in `encode`.
    """
    kind = encoding(bits)
    if bits is None:
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, as in any float32 file
            narrow = values.astype(kind.dtype)
        return Encoded(narrow if cells is None else _spread(n, cells, narrow, 0))
    with_zeros = cells is not None and len(values) < n
    low, high = limits(values, with_zeros=with_zeros, name=name)
    absent = _code(0.0, low, high, MAX_QUANT[bits]) if with_zeros else 0
    if n >= COMPILED_FROM and values.dtype.kind == "f":
        codes = _filled(n, absent, kind.dtype)
        compiled(put_codes)(values, cells, low, high - low, MAX_QUANT[bits], MARKER[bits], codes)
        return Encoded(codes, low, high)
    codes = quantize(values, low, high, bits)
    return Encoded(codes if cells is None else _spread(n, cells, codes, absent), low, high)


def limits(values: np.ndarray, *, with_zeros: bool = False, name: str = "") -> tuple[float, float]:
    """Return what the lowest and the highest code stand for.

    Parameters
    ----------
    values
        (n,); only finite values count.
    with_zeros
        Whether the vector also has zeros that are not stored.
    name
        What the error calls the vector.

    Returns
    -------
    tuple
        Minimum and maximum of the finite values; (0.0, 1.0) without any. If they are equal, the maximum is raised by 1,
        or to the next number where float64 does not hold one more.

    Raises
    ------
    WorkRefused
        If they are too far apart for the decoding formula in float64.
    """
    low, high = _finite_range(values)
    if with_zeros:
        low, high = min(low, 0.0), max(high, 0.0)
    if low > high:
        return 0.0, 1.0
    low, high = low + 0.0, high + 0.0  # -0.0 is written as 0.0
    if high == low:
        high = low + 1.0
        if high == low:  # beyond 2**53, float64 cannot add 1
            high = math.nextafter(low, math.inf)
        if math.isinf(high):  # low was the largest number
            low, high = math.nextafter(low, 0.0), low
    if not math.isfinite((high - low) * MAX_QUANT[16]):  # the viewer multiplies before it divides
        raise WorkRefused(
            f"The values of {name or 'a vector'} span more than a number can hold ({low:g} to {high:g}).",
            "Leave it out, or write it on a log scale.",
        )
    return low, high


def _finite_range(values: np.ndarray) -> tuple[float, float]:
    if len(values) == 0:
        return np.inf, -np.inf
    low, high = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return np.inf, -np.inf
    return float(finite.min()), float(finite.max())


def quantize(values: np.ndarray, low: float, high: float, bits: int) -> np.ndarray:
    """Turn values into codes between given limits.

    Parameters
    ----------
    values
        Any real numeric type, any shape.
    low, high
        As `limits` returns them.
    bits
        8 or 16.

    Returns
    -------
    numpy.ndarray
        uint8 or little-endian uint16 codes; the marker where a value is not finite.
    """
    top = MAX_QUANT[bits]
    with np.errstate(over="ignore", invalid="ignore"):
        position = values.astype(np.float64)
        position -= low
        position *= top
        position /= high - low
        np.rint(position, out=position)
        np.clip(position, 0, top, out=position)
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            if not finite.all():
                position[~finite] = MARKER[bits]
    return position.astype(encoding(bits).dtype)


def _code(value: float, low: float, high: float, top: int) -> int:
    return min(max(round((value - low) * top / (high - low)), 0), top)


def put_codes(
    values: np.ndarray,
    cells: np.ndarray | None,
    low: float,
    span: float,
    top: int,
    marker: int,
    codes: np.ndarray,
) -> None:
    """Write the codes of stored entries into `codes` (to be `compiled`): what `quantize` does, in one pass.

    Parameters
    ----------
    values, cells
        The stored entries and their positions, as in `encode_stored`.
    low, span
        The minimum, and how far above it the maximum is.
    top, marker
        The largest code, and the code of what is not finite.
    codes
        Written in place; holds the code of 0 where nothing is stored.
    """
    for k in range(len(values)):
        value = np.float64(values[k])
        place = k if cells is None else cells[k]
        if math.isfinite(value):
            codes[place] = min(max(np.rint((value - low) * top / span), 0), top)
        else:
            codes[place] = marker


def _filled(n: int, value: int, dtype: np.dtype[Any]) -> np.ndarray:
    return np.full(n, value, dtype) if value else np.zeros(n, dtype)


def _spread(n: int, cells: np.ndarray, stored: np.ndarray, absent: int) -> np.ndarray:
    whole = _filled(n, absent, stored.dtype)
    whole[cells.astype(np.intp)] = stored  # numpy is slower with narrow positions
    return whole
