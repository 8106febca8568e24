"""What an export should hold, recomputed from the AnnData by the specification's words: slow, plain, none of our code.

Read with `json`, `gzip`, `zipfile` and numpy alone (`tests.export.standin.decode`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

TOP = {8: 254, 16: 65534}


@dataclass(frozen=True)
class Expected:
    """What the settings promise; the defaults are those of the command line."""

    embeddings: dict[int, str] = field(default_factory=lambda: {1: "X_umap_1d", 2: "X_umap", 3: "X_umap_3d"})
    latent: str = "X_pca"
    layer: str | None = None
    gene_id: str = "index"
    graph: str | None = "connectivities"
    vectors: tuple[str, ...] = ("velocity_umap", "velocity_umap_3d")
    obs_keys: tuple[str, ...] | None = None
    genes: list[str] | None = None
    var: int | None = 8
    obs: int | None = 8
    dtype: str = "auto"
    compression: int = 6
    min_points: int = 10
    quantile: float | None = 0.95
    identity: dict[str, Any] = field(default_factory=dict)


def assert_holds(found, adata, expected):
    """Everything in a decoded export is what it should be."""
    manifests = found["manifests"]
    identity, obs = manifests["dataset_identity.json"], manifests["obs_manifest.json"]
    n = adata.n_obs
    level = expected.compression or None
    points, scales = {}, {}
    for d, key in expected.embeddings.items():
        xy = np.asarray(adata.obsm[key], np.float64)
        widest = float((xy.max(axis=0) - xy.min(axis=0)).max())
        scales[d] = 2 / (widest if widest >= 1e-8 else 1)
        points[d] = (xy - (xy.max(axis=0) + xy.min(axis=0)) / 2) * scales[d]
    assert sorted(found["points"]) == sorted(points)
    for d, xy in points.items():
        np.testing.assert_allclose(found["points"][d], xy, atol=3e-7, err_msg=f"{d}D")
    assert identity["embeddings"]["available_dimensions"] == sorted(points)
    assert identity["embeddings"]["default_dimension"] == max(points)
    assert obs["n_points"] == n
    assert obs["compression"] == level
    assert obs["centroid_outlier_quantile"] == expected.quantile
    columns = list(adata.obs.columns) if expected.obs_keys is None else list(expected.obs_keys)
    assert [entry["key"] for entry in identity["obs_fields"]] == columns
    latent = np.asarray(adata.obsm[expected.latent], np.float64)
    entries = {entry[0]: entry for kind in ("_continuousFields", "_categoricalFields") for entry in obs[kind]}
    assert sorted(entries) == sorted(columns)
    for key in columns:
        series = adata.obs[key]
        if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
            assert_numbers(found, f"obs/{key}", entries[key][1:], series.to_numpy(float), expected.obs)
        else:
            assert_categories(found, key, entries[key], series, points, latent, expected)
    assert_genes(found, adata, expected, level)
    assert_graph(found, adata, expected)
    wanted = {}
    for key in expected.vectors:
        array = np.asarray(adata.obsm[key], np.float64)
        name = key if key.endswith("d") and key[-2:-1].isdigit() else f"{key}_{array.shape[1]}d"
        wanted[f"vectors/{name}.bin"] = array * scales[array.shape[1]]
    assert sorted(found["vectors"]) == sorted(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(found["vectors"][name], array.reshape(-1), rtol=1e-5)
    assert ("vector_fields" in identity) == bool(wanted)
    assert identity["export_settings"] == {
        "compression": level,
        "var_quantization": expected.var,
        "obs_continuous_quantization": expected.obs,
        "obs_categorical_dtype": expected.dtype,
    }
    assert ("source" in identity) == ("source" in expected.identity)
    for key, value in expected.identity.items():
        assert identity[key] == value, key


def assert_numbers(found, name, limits, source, bits):
    """A vector decodes to its source within half a step, with the marker exactly where it is not finite."""
    decoded, raw = found["values"][name], found["raw"][name]
    if bits is None:
        assert raw.dtype == np.dtype("<f4")
        assert limits == []
        np.testing.assert_array_equal(raw, source.astype(np.float32), err_msg=name)
        return
    assert raw.dtype.itemsize * 8 == bits
    finite = np.isfinite(source)
    low, high = (source[finite].min(), source[finite].max()) if finite.any() else (0.0, 1.0)
    high = high if high > low else low + 1
    np.testing.assert_allclose(limits, [low, high], rtol=1e-6, atol=1e-30)
    np.testing.assert_array_equal(raw == TOP[bits] + 1, ~finite, err_msg=name)
    error = np.abs(decoded[finite] - source[finite]).max(initial=0)
    assert error <= (high - low) / TOP[bits] / 2 * (1 + 1e-6), name


def assert_categories(found, key, entry, series, points, latent, expected):
    """Labels, the codes' type, centroids and outlier quantiles."""
    values = series.astype("category")
    labels = [str(label) for label in values.cat.categories]
    texts = [None if code < 0 else labels[code] for code in values.cat.codes]
    assert entry[1] == labels
    assert found["labels"][key] == texts
    name = ("uint8" if len(labels) <= 254 else "uint16") if expected.dtype == "auto" else expected.dtype
    assert entry[2:4] == [name, {"uint8": 255, "uint16": 65535}[name]]
    assert found["raw"][f"codes/{key}"].dtype == np.dtype(name)
    quantiles = np.full(len(texts), np.nan)
    centroids = {str(d): [] for d in points}
    for label in labels:
        cells = [i for i, text in enumerate(texts) if text == label]
        if len(cells) < expected.min_points:
            continue
        away = np.sqrt(((latent[cells] - latent[cells].mean(axis=0)) ** 2).sum(axis=1))
        for cell, distance in zip(cells, away, strict=True):
            quantiles[cell] = (away <= distance).sum() / len(cells)
        for d, xy in points.items():
            if expected.quantile is not None:
                centroids[str(d)].append(centroid(xy[cells], label, expected))
    assert entry[4].keys() == centroids.keys()
    for d, wanted in centroids.items():
        written = entry[4][d]
        assert [(c["category"], c["n_points"]) for c in written] == [(c["category"], c["n_points"]) for c in wanted]
        for one, other in zip(written, wanted, strict=True):
            np.testing.assert_allclose(one["position"], other["position"], atol=1e-6)
    raw, decoded = found["raw"][f"outliers/{key}"], found["values"][f"outliers/{key}"]
    np.testing.assert_array_equal(np.isnan(decoded), np.isnan(quantiles))
    known = ~np.isnan(quantiles)
    step = (entry[6] - entry[5]) / TOP[expected.obs] / 2 if expected.obs else 0
    assert raw.dtype.itemsize == {8: 1, 16: 2, None: 4}[expected.obs]
    assert np.abs(decoded[known] - quantiles[known]).max(initial=0) <= step * (1 + 1e-6) + 1e-6


def centroid(xy, label, expected):
    center, used = xy.mean(axis=0), len(xy)
    if len(xy) > expected.min_points:
        away = np.sqrt(((xy - center) ** 2).sum(axis=1))
        near = away <= np.quantile(away, expected.quantile) * (1 + 1e-6)
        if near.sum() >= expected.min_points:
            center, used = xy[near].mean(axis=0), int(near.sum())
    return {"category": label, "position": center, "n_points": used}


def assert_genes(found, adata, expected, level):
    """The chosen genes in their order, from the chosen matrix, by the chosen ids."""
    names = adata.var_names.tolist() if expected.gene_id == "index" else adata.var[expected.gene_id].tolist()
    genes = names if expected.genes is None else expected.genes
    assert found["manifests"]["dataset_identity.json"]["stats"]["n_genes"] == len(genes)
    if not genes:
        assert "var_manifest.json" not in found["manifests"]
        return
    manifest = found["manifests"]["var_manifest.json"]
    assert (manifest["var_gene_id_column"], manifest["compression"]) == (expected.gene_id, level)
    assert manifest["quantization"] == expected.var
    assert [entry[0] for entry in manifest["fields"]] == genes
    matrix = (
        adata.X if expected.layer is None else adata.raw.X if expected.layer == "raw" else adata.layers[expected.layer]
    )
    dense = np.asarray(matrix.todense() if sparse.issparse(matrix) else matrix, float)
    for gene, *limits in manifest["fields"]:
        assert_numbers(found, f"var/{gene}", limits, dense[:, names.index(gene)], expected.var)


def assert_graph(found, adata, expected):
    """Every pair once, in order, and the largest number of neighbours."""
    stats = found["manifests"]["dataset_identity.json"]["stats"]
    if expected.graph is None:
        assert "connectivity_manifest.json" not in found["manifests"]
        assert (stats["has_connectivity"], stats["n_edges"]) == (False, None)
        return
    dense = adata.obsp[expected.graph].toarray() != 0
    dense |= dense.T
    np.fill_diagonal(dense, False)
    pairs = np.argwhere(np.triu(dense)).tolist()
    assert [list(edge) for edge in found["edges"]] == pairs
    assert (stats["has_connectivity"], stats["n_edges"]) == (True, len(pairs))
    assert found["manifests"]["connectivity_manifest.json"]["max_neighbors"] == dense.sum(axis=1).max()
