"""How a prepared export stores numbers: which types there are, and what a code stands for.

Source: the specification of ``compact_v1``, "Quantization of a continuous vector" and "obs_manifest.json".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Bits = Literal[8, 16]

#: Codes run from 0 to this, per number of bits; the next higher code, the marker, stands for a missing value.
MAX_QUANT: dict[int, int] = {8: 254, 16: 65534}
MARKER: dict[int, int] = {8: 255, 16: 65535}


#: Most categories of a column, per type of its codes; the code after the highest possible one marks missing values.
MAX_CATEGORIES = {"uint8": 254, "uint16": 65_534}


@dataclass(frozen=True)
class Encoding:
    """How a vector is written.

    Attributes
    ----------
    ext
        Suffix of its file.
    dtype
        Type of its numbers in the file, little-endian.
    name
        Name of that type in a manifest.
    bits
        Bits of a code, or None for values that are stored as they are.
    """

    ext: str
    dtype: np.dtype[Any]
    name: str
    bits: Bits | None

    @property
    def quantized(self) -> bool:
        """Whether values are stored as codes."""
        return self.bits is not None


_ENCODINGS: dict[int | None, Encoding] = {
    8: Encoding("u8", np.dtype("u1"), "uint8", 8),
    16: Encoding("u16", np.dtype("<u2"), "uint16", 16),
    None: Encoding("f32", np.dtype("<f4"), "float32", None),
}


def encoding(bits: int | None) -> Encoding:
    """Return the encoding of 8 or 16 bits, or of full precision (float32) for None."""
    return _ENCODINGS[bits]


def dequantize(codes: np.ndarray, low: float, high: float, bits: int) -> np.ndarray:
    """Decode codes as the viewer does: ``min + q · (max − min) / max_quant``, NaN for the marker.

    Returns
    -------
    numpy.ndarray
        float64, the shape of `codes`.
    """
    if len(codes) <= MARKER[bits]:  # a table would have more entries than there are codes
        values = low + codes.astype(np.float64) * (high - low) / MAX_QUANT[bits]
        values[codes == MARKER[bits]] = np.nan
        return values
    table = low + np.arange(MARKER[bits] + 1, dtype=np.float64) * (high - low) / MAX_QUANT[bits]
    table[MARKER[bits]] = np.nan
    decoded: np.ndarray = table.take(codes, mode="clip")  # no code is above the marker, so "clip" only saves the check
    return decoded
