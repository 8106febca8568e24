"""Compare decoded arrays of an export with the view that it was made from.

Problems are ends of sentences that begin with the file's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.errors import CellucidError
from cellucid_core.export.compact import (
    COMPILED_FROM,
    Edges,
    Groups,
    Points,
    categories_of,
    centroids,
    edges,
    group_cells,
    limits,
    normalize,
    numbers_of,
    outlier_quantiles,
    vector_fields,
)
from cellucid_core.prepared import MARKER, MAX_QUANT, Categories, Numbers, dequantize

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Half a step, and room for the rounding of float64.
_HALF = 0.5 + 1e-6
#: Largest difference between limits, relative to the larger limit: they may have been rounded to float32.
_LIMITS = 1e-6


@dataclass
class Found:
    """What a comparison found.

    Attributes
    ----------
    problems
        What differs, as ends of sentences.
    error_steps
        Largest error, in quantization steps.
    """

    problems: list[str] = field(default_factory=list)
    error_steps: float = 0.0


class SourceArrays:
    """The arrays of a view as an export should have them, computed when they are first needed.

    The properties take no lock: read those that a method needs before several threads call it.

    Parameters
    ----------
    view
        What was exported.
    min_points
        Cells that a category needs for a centroid; None if it is not known.
    """

    def __init__(self, view: View, min_points: int | None = None) -> None:
        self.view = view
        self.min_points = min_points

    @cached_property
    def points(self) -> dict[int, Points]:
        """Dimension → normalized coordinates."""
        return {d: normalize(self.view.embedding(d), d) for d in self.view.dimensions}

    @cached_property
    def vectors(self) -> dict[tuple[str, int], np.ndarray]:
        """(Field id, dimension) → scaled vectors, float32 (n_cells, dimension)."""
        scales = {d: item.scale for d, item in self.points.items()}
        written = vector_fields(self.view.vectors(), scales, self.view.n_cells)
        return {(name, d): array for name, d, array in written.arrays}

    @cached_property
    def edges(self) -> Edges | None:
        """Edges of the chosen graph, or None."""
        graph = self.view.graph()
        return None if graph is None else edges(graph)

    @cached_property
    def latent(self) -> np.ndarray:
        """The latent space, float32 (n_cells, k)."""
        latent: np.ndarray = np.ascontiguousarray(self.view.latent(), dtype=np.float32)
        return latent

    @cached_property
    def column_keys(self) -> dict[str, str]:
        """Column's name in the export → its name in the source."""
        return {self.view.exported_name(key): key for key in self.view.obs_keys}

    @cached_property
    def gene_positions(self) -> dict[str, int]:
        """Gene id → position of the first gene that has it."""
        place: dict[str, int] = {}
        if self.view.expression is not None:
            for position, gene in enumerate(self.view.gene_ids):
                place.setdefault(gene, position)
        return place

    def gene(self, spec: Numbers, written: np.ndarray) -> Found:
        """Compare a gene with its codes or float32 values, (n_cells,)."""
        position, expression = self.gene_positions.get(spec.key), self.view.expression
        if position is None or expression is None:
            return Found(["it is of a gene that the source does not have"])
        cells, values = expression.gene_stored(position)
        return compare_numbers(spec, written, values, cells if expression.is_sparse else None)

    def number_column(self, spec: Numbers, written: np.ndarray) -> Found:
        """Compare a column of numbers with its codes or float32 values, (n_cells,)."""
        key = self.column_keys.get(spec.key, spec.key)
        try:
            if self.view.kind(key) != "continuous":
                return Found(["it is written as numbers, the source has categories"])
            return compare_numbers(spec, written, numbers_of(self.view.obs(key)), None)
        except CellucidError as error:
            return Found([f"it has no source: {error.what.removesuffix('.')}"])

    def category_column(
        self, spec: Categories, codes: np.ndarray, outliers: np.ndarray, quantile: float | None
    ) -> Found:
        """Compare a column of categories, its centroids and its outlier quantiles.

        Parameters
        ----------
        spec
            What the manifest says of it, with the centroids.
        codes, outliers
            As they are stored, (n_cells,).
        quantile
            Share of a category's cells that centroids were taken from; None for no centroids.
        """
        key = self.column_keys.get(spec.key, spec.key)
        try:
            if self.view.kind(key) != "categorical":
                return Found(["it is written as categories, the source has numbers"])
            wanted, labels = categories_of(self.view.obs(key))
        except CellucidError as error:
            return Found([f"it has no source: {error.what.removesuffix('.')}"])
        if labels != spec.labels:
            return Found(["it has other categories than the source"])
        decoded = np.where(codes == spec.missing, -1, codes.astype(np.int64))
        if n_wrong := int((decoded != wanted).sum()):
            return Found([f"it puts {n_wrong:,} cells into other categories than the source"])
        groups = group_cells(wanted, len(labels))
        return self._landmarks(spec, groups, outliers, quantile)

    def _landmarks(self, spec: Categories, groups: Groups, outliers: np.ndarray, quantile: float | None) -> Found:
        written = _decode(spec.outliers, outliers)
        has_value = np.array([bool(np.isfinite(written[groups.cells(k)]).any()) for k in range(len(groups))], bool)
        sizes = groups.sizes
        # The smallest size that counts is not in the manifest; the categories that have values bound it.
        present, absent = sizes[has_value], sizes[~has_value]
        high = int(present.min()) if len(present) else int(sizes.max(initial=0)) + 1
        low = max(1, int(absent.max(initial=0)) + 1)
        known = self.min_points
        if low > high or (known is not None and (known < low or (len(present) > 0 and known > high))):
            return Found(["it has outlier quantiles for a smaller category, but not for a larger one"])
        minimum = min(max(10, low), high) if known is None else known
        expected = outlier_quantiles(self.latent, groups, minimum)
        found = compare_numbers(spec.outliers, outliers, expected, None, slack=_rank_slack(groups))
        found.problems = [f"has outlier quantiles that differ: {text}" for text in found.problems]
        for d, entries in spec.centroids.items():
            if d in self.points:
                points = self.points[d].array
                made = partial(centroids, points, groups, spec.labels, quantile=quantile)
                tried = [minimum] if known is not None else _minimums(made, minimum, low, high)
                if not any(_same_centroids(entries, made(number)) for number in tried):
                    found.problems.append(f"has other {d}D centroids than the source")
        return found


def _minimums(made: Callable[[int], list[dict[str, Any]]], likely: int, low: int, high: int) -> Iterator[int]:
    """Yield the values of `min_points` that lead to different centroids, the likely one first.

    It decides which categories have a centroid and how many cells must remain for a trimmed one, so between `low` and
    `high` only the trimmed sizes make a difference.
    """
    yield likely
    trimmed = {entry["n_points"] + 1 for entry in made(low)}
    yield from sorted({low, high, *(size for size in trimmed if low < size < high)} - {likely})


def _rank_slack(groups: Groups) -> np.ndarray:
    """Return one rank for each cell, as a quantile: nearly equal distances may change places between machines."""
    slack = np.zeros(len(groups.order))
    for category in np.flatnonzero(groups.sizes):
        slack[groups.cells(int(category))] = 1.0 / groups.sizes[category]
    return slack


def _same_centroids(written: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    if [entry["category"] for entry in written] != [entry["category"] for entry in wanted]:
        return False
    return all(
        abs(one["n_points"] - other["n_points"]) <= 1 and np.allclose(one["position"], other["position"], 0, 1e-4)
        for one, other in zip(written, wanted, strict=True)
    )


def _decode(spec: Numbers, written: np.ndarray) -> np.ndarray:
    return written if spec.bits is None else dequantize(written, spec.low, spec.high, spec.bits)


def compare_numbers(
    spec: Numbers,
    written: np.ndarray,
    values: np.ndarray,
    cells: np.ndarray | None,
    slack: np.ndarray | None = None,
) -> Found:
    """Compare a vector of the export with its source.

    Parameters
    ----------
    spec
        What the manifest says of it.
    written
        Codes or float32 values, (n_cells,).
    values
        The source's stored values, (n_stored,).
    cells
        The cells that they belong to, (n_stored,); the others are 0. None: all cells in order.
    slack
        Further difference that is allowed in each cell, in units of the values, (n_cells,).

    Returns
    -------
    Found
        No problems if floats equal the source's as float32; or, for codes, if values are within half a step, the marker
        stands exactly where the source is not finite, and the limits are those of the source.
    """
    if cells is not None and len(values) == len(written):
        cells = None  # nothing is absent
    if spec.bits is None:
        return _compare_floats(written, values, cells, slack)
    wanted = limits(values, with_zeros=cells is not None)
    reach = max(abs(wanted[0]), abs(wanted[1]))
    if max(abs(spec.low - wanted[0]), abs(spec.high - wanted[1])) > _LIMITS * reach:
        return Found([f"it has the limits {spec.low:g} to {spec.high:g}, the source {wanted[0]:g} to {wanted[1]:g}"])
    # A range near the smallest float has no representable step; any positive one keeps the division defined.
    step = max((spec.high - spec.low) / MAX_QUANT[spec.bits], np.finfo(np.float64).smallest_subnormal)
    # What float64 can tell apart near the limits, in steps.
    with np.errstate(over="ignore"):
        tolerance = _HALF + 4 * np.spacing(reach) / step
    if cells is None:
        error, mismatch = _errors(spec, written, values, step, slack)
    else:
        zero = int(np.clip(np.rint(-spec.low / step), 0, MAX_QUANT[spec.bits]))
        if len(written) >= COMPILED_FROM and values.dtype.kind == "f":
            top, marker = MAX_QUANT[spec.bits], MARKER[spec.bits]
            error, mismatch, zeros = compiled(stored_errors)(
                written, cells, values, spec.low, spec.high - spec.low, top, marker, zero
            )
            error /= step
        else:
            stored = written.take(cells)
            error, mismatch = _errors(spec, stored, values, step, None)
            zeros = np.count_nonzero(stored == zero)
        if np.count_nonzero(written == zero) - zeros != len(written) - len(cells):
            rest = written.copy()
            rest[cells] = zero
            absent, lost = _errors(spec, rest, np.zeros(len(rest)), step, None)
            error, mismatch = max(error, absent), mismatch + lost
        else:
            error = max(error, abs(spec.low + zero * step) / step)
    if mismatch:
        return Found([f"{mismatch:,} cells with a value are marked as missing, or the reverse"], error)
    if error > tolerance:
        return Found([f"its values are off by up to {error:.3g} quantization steps, half a step is allowed"], error)
    return Found([], error)


def _errors(
    spec: Numbers, codes: np.ndarray, values: np.ndarray, step: float, slack: np.ndarray | None
) -> tuple[float, int]:
    """Return the largest error in steps, and the number of cells whose marker is missing or wrong."""
    if slack is None:
        with np.errstate(invalid="ignore", over="ignore"):
            error = _decode(spec, codes)
            error -= values
            largest = float(np.abs(error, out=error).max(initial=0.0))
        if np.isfinite(largest):  # then every value is finite, and no code is the marker
            return largest / step, 0
    marked, finite = codes == MARKER[spec.bits or 8], np.isfinite(values)
    mismatch = int((marked == finite).sum())
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(_decode(spec, codes) - values)
    if slack is not None:
        error -= slack
    valid = error[finite & ~marked]
    return (max(0.0, float(valid.max())) / step if len(valid) else 0.0), mismatch


def stored_errors(
    written: np.ndarray,
    cells: np.ndarray,
    values: np.ndarray,
    low: float,
    span: float,
    top: int,
    marker: int,
    zero: int,
) -> tuple[float, int, int]:
    """Compare stored entries in one pass (to be `compiled`).

    Returns
    -------
    tuple
        The largest error in units of the values (`_errors` gives steps); the number of cells whose marker is missing or
        wrong; the number of codes that are `zero`.
    """
    largest, mismatch, zeros = 0.0, 0, 0
    for k in range(len(cells)):
        code, value = written[cells[k]], np.float64(values[k])
        zeros += code == zero
        finite = math.isfinite(value)
        if finite == (code == marker):
            mismatch += 1
        elif finite:
            largest = max(largest, abs(low + code * span / top - value))
    return largest, mismatch, zeros


def _compare_floats(
    written: np.ndarray, values: np.ndarray, cells: np.ndarray | None, slack: np.ndarray | None
) -> Found:
    with np.errstate(over="ignore", invalid="ignore"):
        stored = wanted = values.astype(np.float32)
        if cells is not None:
            wanted = np.zeros(len(written), np.float32)
            wanted[cells] = stored
        equal = (written == wanted) | (np.isnan(written) & np.isnan(wanted))
        if slack is not None:
            equal |= np.abs(written - wanted) <= slack + 1e-6
    n_wrong = int((~equal).sum())
    if not n_wrong and int(np.isfinite(values).sum()) != int(np.isfinite(stored).sum()):
        return Found(["it has infinite values where the source exceeds float32"])
    return Found([f"{n_wrong:,} of its values differ from the source"] if n_wrong else [])
