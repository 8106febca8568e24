"""Columns of the cell table: ``obs/`` and ``obs_manifest.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellucid_core.errors import WorkRefused
from cellucid_core.export.compact.groups import Groups, centroids, group_cells, outlier_quantiles
from cellucid_core.export.compact.quantize import encode
from cellucid_core.names import safe_key
from cellucid_core.prepared import MAX_CATEGORIES, encoding

if TYPE_CHECKING:
    from cellucid_core.dataset import View
    from cellucid_core.export.settings import ExportSettings

_MISSING = {"uint8": 255, "uint16": 65_535}
_SUFFIX = {"uint8": "u8", "uint16": "u16"}


@dataclass(frozen=True)
class ObsField:
    """One column as it is written.

    Attributes
    ----------
    key
        Name in the export.
    kind
        ``"category"`` or ``"continuous"``.
    entry
        Its entry in the manifest.
    files
        (Path without compression suffix, array) of each file.
    n_categories
        Number of categories, None for a continuous column.
    """

    key: str
    kind: str
    entry: list[Any]
    files: tuple[tuple[str, np.ndarray], ...]
    n_categories: int | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """Its entry in ``obs_fields`` of the identity."""
        counted = {} if self.n_categories is None else {"n_categories": self.n_categories}
        return {"key": self.key, "kind": self.kind, **counted}


def numbers_of(series: pd.Series) -> np.ndarray:
    """Return a numeric column as float64, missing values as NaN, (n_cells,).

    Raises
    ------
    WorkRefused
        If it does not hold real numbers.
    """
    try:
        if series.dtype.kind == "c":
            raise TypeError("complex numbers")
        return pd.to_numeric(series).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise WorkRefused(
            f"The column {series.name} cannot be written as numbers ({error}).",
            "Leave it out, or treat it as categories.",
        ) from None


def categories_of(series: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return a column as categories: those of a pandas categorical as they are, else the sorted distinct values.

    As in pandas, numbers come before texts in a column that mixes them, and values that cannot be sorted stay in the
    order of their first appearance. Categories with the same text (1 and ``"1"``) become one, since a viewer could not
    tell them apart.

    Returns
    -------
    tuple
        Codes, int64 (n_cells,), −1 for missing; and the labels, ``str`` of each category.
    """
    if not isinstance(series.dtype, pd.CategoricalDtype):
        try:
            series = series.astype("category")
        except TypeError:  # values without a hash: lists, arrays
            present = series.notna()
            series = series.where(~present, series[present].map(str)).astype("category")
    codes = series.cat.codes.to_numpy(dtype=np.int64)
    labels = [str(category) for category in series.cat.categories]
    distinct = list(dict.fromkeys(labels))
    if len(distinct) < len(labels):
        place = {label: position for position, label in enumerate(distinct)}
        moved = np.array([place[label] for label in labels] + [-1], np.int64)
        codes = moved[codes]
    return codes, distinct


def codes_dtype(key: str, n_categories: int, wanted: str) -> str:
    """Return the integer type of a column's codes.

    Parameters
    ----------
    wanted
        ``"auto"`` (uint8 up to 254 categories, else uint16), ``"uint8"`` or ``"uint16"``.

    Raises
    ------
    WorkRefused
        If the type cannot hold the categories.
    """
    if wanted == "auto":
        wanted = "uint8" if n_categories <= MAX_CATEGORIES["uint8"] else "uint16"
    if n_categories > MAX_CATEGORIES[wanted]:
        way_out = "Leave the column out" if wanted == "uint16" else "Use auto or uint16, or leave the column out"
        raise WorkRefused(
            f"The column {key} has {n_categories:,} categories, {wanted} holds {MAX_CATEGORIES[wanted]:,}.",
            f"{way_out}.",
        )
    return wanted


def field_of(
    view: View,
    key: str,
    settings: ExportSettings,
    *,
    points: Callable[[], Mapping[int, np.ndarray]],
    latent: Callable[[], np.ndarray],
    numbers: Callable[[pd.Series], np.ndarray] | None = None,
    categories: Callable[[pd.Series], tuple[np.ndarray, list[str]]] | None = None,
) -> ObsField:
    """Return the field that a column becomes, by its kind and the settings.

    Parameters
    ----------
    view, key
        The column.
    settings
        Quantization, type of codes and centroids.
    points, latent
        Return the coordinates by dimension and the latent space; called for columns of categories only.
    numbers, categories
        Read the column, of the same cells as `points` and `latent`; by default `numbers_of` and `categories_of`.

    Raises
    ------
    InputError
        If there is no such column.
    WorkRefused
        As `numbers_of`, `continuous_field` and `categorical_field`.
    """
    name, series = view.exported_name(key), view.obs(key)
    if view.kind(key) == "continuous":
        return continuous_field(name, (numbers or numbers_of)(series), settings.obs_quantization)
    codes, labels = (categories or categories_of)(series)
    return categorical_field(
        name,
        codes,
        labels,
        points(),
        latent(),
        dtype=settings.categorical_dtype,
        min_points=settings.centroid_min_points,
        quantile=settings.centroid_quantile,
        bits=settings.obs_quantization,
    )


def continuous_field(key: str, values: np.ndarray, bits: int | None) -> ObsField:
    """Encode a column of numbers.

    Parameters
    ----------
    key
        Name in the export.
    values
        (n_cells,) float64; NaN and infinities become the missing marker; in float32 they stay.
    bits
        8, 16 or None for float32.

    Raises
    ------
    WorkRefused
        As `encode`.
    """
    encoded = encode(values, bits, f"the column {key}")
    path = f"obs/{safe_key(key)}.values.{encoding(bits).ext}"
    return ObsField(key, "continuous", [key, *encoded.limits], ((path, encoded.array),))


def categorical_field(
    key: str,
    codes: np.ndarray,
    labels: list[str],
    points: Mapping[int, np.ndarray],
    latent: np.ndarray,
    *,
    dtype: str = "auto",
    min_points: int = 10,
    quantile: float | None = 0.95,
    bits: int | None = None,
) -> ObsField:
    """Encode a column of categories with its centroids and outlier quantiles.

    Parameters
    ----------
    key
        Name in the export.
    codes, labels
        As `categories_of` returns them.
    points
        Dimension → normalized points, float32.
    latent
        (n_cells, k) float32.
    dtype, min_points, quantile, bits
        See `ExportSettings`.

    Raises
    ------
    WorkRefused
        If there are more categories than the type holds.
    """
    name = codes_dtype(key, len(labels), dtype)
    written = np.where(codes < 0, _MISSING[name], codes).astype(np.dtype(name).newbyteorder("<"))
    groups: Groups = group_cells(codes, len(labels))
    centers = {str(d): centroids(array, groups, labels, min_points, quantile) for d, array in points.items()}
    outliers = encode(outlier_quantiles(latent, groups, min_points), bits)
    stem = f"obs/{safe_key(key)}"
    files = (
        (f"{stem}.codes.{_SUFFIX[name]}", written),
        (f"{stem}.outliers.{encoding(bits).ext}", outliers.array),
    )
    entry = [key, labels, name, _MISSING[name], centers, *outliers.limits]
    return ObsField(key, "category", entry, files, len(labels))


def manifest(
    fields: Sequence[ObsField],
    n_cells: int,
    *,
    bits: int | None,
    quantile: float | None,
    suffix: str,
    compression: int | None,
) -> dict[str, Any]:
    """Return the content of ``obs_manifest.json`` (``compact_v1``).

    Parameters
    ----------
    bits, quantile
        Quantization of numbers and outlier quantiles, and the share of cells that centroids are taken from.
    suffix, compression
        ``".gz"`` and the level, or ``""`` and None.
    """
    kind = encoding(bits)
    schemas: dict[str, Any] = {}
    continuous = [field.entry for field in fields if field.kind == "continuous"]
    categorical = [field.entry for field in fields if field.kind == "category"]
    if continuous:
        schemas["continuous"] = {
            "pathPattern": f"obs/{{key}}.values.{kind.ext}{suffix}",
            "ext": kind.ext,
            "dtype": kind.name,
            "quantized": kind.quantized,
            **({"quantizationBits": kind.bits} if kind.quantized else {}),
        }
    if categorical:
        schemas["categorical"] = {
            "codesPathPattern": f"obs/{{key}}.codes.{{ext}}{suffix}",
            "outlierPathPattern": f"obs/{{key}}.outliers.{kind.ext}{suffix}",
            "outlierExt": kind.ext,
            "outlierDtype": kind.name,
            "outlierQuantized": kind.quantized,
        }
    return {
        "_format": "compact_v1",
        "n_points": n_cells,
        "centroid_outlier_quantile": quantile,
        "latent_key": "latent_space",
        "compression": compression,
        "_obsSchemas": schemas,
        "_continuousFields": continuous,
        "_categoricalFields": categorical,
    }
