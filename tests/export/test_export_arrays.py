"""Points, graph, vectors, groups and columns against plain loops over cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellucid_core.errors import WorkRefused
from cellucid_core.export.compact.graph import edges
from cellucid_core.export.compact.groups import centroids, group_cells, outlier_quantiles
from cellucid_core.export.compact.obs import (
    categorical_field,
    categories_of,
    codes_dtype,
    continuous_field,
    numbers_of,
)
from cellucid_core.export.compact.points import normalize
from cellucid_core.export.compact.vectors import identity_entry, label, vector_fields

# ---- points ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3])
def test_points_fill_the_unit_box_without_distortion(d):
    source = np.random.default_rng(d).normal(5, 3, (50, d)) * ([1, 4, 0.5][:d])
    points = normalize(source, d)
    assert points.array.dtype == np.dtype("<f4")
    extent = points.array.max(axis=0) - points.array.min(axis=0)
    assert extent.max() == pytest.approx(2, abs=1e-5)
    np.testing.assert_allclose(points.array.max(axis=0) + points.array.min(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(extent, np.ptp(source, axis=0) * points.scale, rtol=1e-4)


def test_points_that_are_all_the_same():
    points = normalize(np.full((4, 2), 7.0), 2)
    assert points.scale == 2.0
    assert not points.array.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_points_that_are_not_finite_are_refused(bad):
    with pytest.raises(WorkRefused, match="not finite"):
        normalize(np.array([[0.0, 1.0], [bad, 2.0]]), 2)


def test_points_of_other_shapes_are_refused():
    for shape in ((5, 3), (5,), (0, 2)):
        with pytest.raises(WorkRefused):
            normalize(np.zeros(shape), 2)
    with pytest.raises(WorkRefused, match="spans more"):
        normalize(np.array([[-3e38, 0], [3e38, 0]]), 2)


# ---- graph ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.data())
def test_edges_are_the_pairs_with_a_weight_in_either_direction(n, data):
    entries = data.draw(
        st.lists(
            st.tuples(st.integers(0, n - 1), st.integers(0, n - 1), st.sampled_from([0.0, 1.0, -2.0, 0.5, np.nan])),
            max_size=40,
        )
    )
    rows, columns, weights = (np.array([e[k] for e in entries]) for k in range(3))
    matrix = sparse.csr_matrix(
        (weights.astype(float), (rows.astype(int), columns.astype(int))) if entries else (n, n), shape=(n, n)
    )
    before = matrix.copy()
    dense = matrix.toarray()
    expected = [(i, j) for i in range(n) for j in range(i + 1, n) if dense[i, j] != 0 or dense[j, i] != 0]
    found = edges(matrix)
    assert list(zip(found.sources.tolist(), found.destinations.tolist(), strict=True)) == expected
    degree = np.bincount(np.array(expected, int).ravel(), minlength=n)
    assert found.max_neighbors == degree.max()
    np.testing.assert_array_equal(matrix.toarray(), before.toarray())


def test_stored_zeros_and_duplicates_that_cancel_are_no_edges():
    matrix = sparse.csr_matrix(([1.0, -1.0, 0.0, 2.0], [1, 1, 2, 0], [0, 3, 3, 4]), shape=(3, 3))
    found = edges(matrix)
    assert (found.sources.tolist(), found.destinations.tolist(), found.max_neighbors) == ([0], [2], 1)


@pytest.mark.parametrize(("n", "dtype"), [(65_535, "uint16"), (65_536, "uint32")])
def test_index_type_changes_at_65535_cells(n, dtype):
    matrix = sparse.csr_matrix(([1.0], ([n - 1], [0])), shape=(n, n))
    found = edges(matrix)
    assert found.sources.dtype == np.dtype(dtype)
    assert (found.sources.tolist(), found.destinations.tolist()) == ([0], [n - 1])


# ---- vectors --------------------------------------------------------------------------------------------------------


def test_vectors_explicit_keys_win_and_scales_apply():
    ones = {"velocity_umap": np.ones((4, 2)), "velocity_umap_2d": np.full((4, 2), 3.0), "flow": np.ones(4)}
    found = vector_fields(ones, {1: 0.5, 2: 2.0}, 4)
    arrays = {(name, d): array for name, d, array in found.arrays}
    assert arrays.keys() == {("velocity_umap", 2), ("flow", 1)}
    assert np.unique(arrays["velocity_umap", 2]).tolist() == [6.0]
    assert np.unique(arrays["flow", 1]).tolist() == [0.5]
    entry = identity_entry(found, ".gz")
    assert entry["default_field"] == "velocity_umap"
    assert entry["fields"]["velocity_umap"] == {
        "label": "Velocity (UMAP)",
        "available_dimensions": [2],
        "default_dimension": 2,
        "files": {"2d": "vectors/velocity_umap_2d.bin.gz"},
        "basis": "umap",
    }
    assert "basis" not in entry["fields"]["flow"]


def test_vectors_without_points_are_left_out_with_a_warning():
    found = vector_fields({"v_umap": np.ones((4, 3))}, {2: 1.0}, 4)
    assert found.arrays == ()
    assert "3D" in found.warnings[0]
    assert identity_entry(found, "") is None


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [("a b_umap", (4, 2), "'a_b_umap'"), ("v_2d", (4, 3), "shape"), ("v", (4, 4), "shape"), ("v", (3, 2), "shape")],
)
def test_vectors_that_cannot_be_written(key, shape, message):
    with pytest.raises(WorkRefused, match=message):
        vector_fields({key: np.ones(shape)}, {2: 1.0, 3: 1.0}, 4)


def test_vector_ids_that_differ_in_case_only():
    with pytest.raises(WorkRefused, match="letter case"):
        vector_fields({"Flow": np.ones((4, 2)), "flow": np.ones((4, 2))}, {2: 1.0}, 4)


def test_labels():
    assert label("velocity_umap") == "Velocity (UMAP)"
    assert label("my_flow") == "My flow"


# ---- groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_categories", [5, 40_000])
def test_groups_are_the_cells_of_each_code(n_categories):
    codes = np.random.default_rng(0).integers(-1, 5, 300)
    groups = group_cells(codes, n_categories)
    for category in range(5):
        np.testing.assert_array_equal(groups.cells(category), np.flatnonzero(codes == category))
    assert groups.sizes[5:].sum() == 0


def test_centroid_leaves_the_outlier_out_and_counts_what_it_used():
    points = np.zeros((21, 2), np.float32)
    points[:20, 0] = np.linspace(-0.1, 0.1, 20)
    points[20] = (50, 50)
    (entry,) = centroids(points, group_cells(np.zeros(21, int), 1), ["a"], 10, 0.95)
    assert entry["category"] == "a"
    assert entry["n_points"] == 20
    np.testing.assert_allclose(entry["position"], [0, 0], atol=1e-6)


def test_centroid_rules_at_the_minimum():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [9, 10, 11])
    points = rng.normal(size=(30, 2)).astype(np.float32)
    found = centroids(points, group_cells(codes, 3), ["a", "b", "c"], 10, 0.95)
    assert [(e["category"], e["n_points"]) for e in found] == [("b", 10), ("c", 10)]
    assert centroids(points, group_cells(codes, 3), ["a", "b", "c"], 10, None) == []


def test_outlier_quantiles_by_hand():
    latent = np.array([[0.0], [1.0], [2.0], [3.0], [14.0], [5.0]], np.float32)  # mean of the first five: 4
    codes = np.array([0, 0, 0, 0, 0, -1])
    found = outlier_quantiles(latent, group_cells(codes, 2), 5)
    np.testing.assert_allclose(found, [0.8, 0.6, 0.4, 0.2, 1.0, np.nan], atol=1e-7)
    assert np.isnan(outlier_quantiles(latent, group_cells(codes, 2), 6)).all()


# ---- columns --------------------------------------------------------------------------------------------------------

DATES = pd.to_datetime(["2026-01-02", "2025-01-01", None, "2026-01-02"])


@pytest.mark.parametrize(
    ("values", "labels", "codes"),
    [
        (pd.Categorical(["b", "a", None, "b"], categories=["b", "a", "z"]), ["b", "a", "z"], [0, 1, -1, 0]),
        (["b", "a", None, "b"], ["a", "b"], [1, 0, -1, 1]),
        ([True, False, True, True], ["False", "True"], [1, 0, 1, 1]),
        (pd.array([True, pd.NA, False, True], "boolean"), ["False", "True"], [1, -1, 0, 1]),
        (pd.array(["x", pd.NA, "é", "x"], "string"), ["x", "é"], [0, -1, 1, 0]),
        (DATES, ["2025-01-01 00:00:00", "2026-01-02 00:00:00"], [1, 0, -1, 1]),
        ([1, "a", None, 2.5], ["1", "2.5", "a"], [0, 2, -1, 1]),
        ([1, "1", None, "b"], ["1", "b"], [0, 0, -1, 1]),
        ([[1], [2], None, [1]], ["[1]", "[2]"], [0, 1, -1, 0]),
        (pd.Categorical([3, 1, 1, 3]), ["1", "3"], [1, 0, 0, 1]),
        ([None] * 4, [], [-1] * 4),
    ],
)
def test_categories(values, labels, codes):
    series = pd.Series(values, dtype=None if hasattr(values, "dtype") else object if None in values else None)
    found_codes, found_labels = categories_of(series)
    assert found_labels == labels
    assert found_codes.tolist() == codes


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 2, 3], np.int8),
        np.array([2**40, 0, -5]),
        np.array([0.5, np.nan, np.inf], np.float32),
        pd.array([1, pd.NA, 3], "Int64"),
        pd.array([1.5, pd.NA, 3], "Float64"),
    ],
)
def test_numbers(values):
    series = pd.Series(values)
    expected = [float("nan") if pd.isna(v) else float(v) for v in series]
    found = numbers_of(series)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


def test_complex_numbers_are_refused():
    with pytest.raises(WorkRefused, match="complex"):
        numbers_of(pd.Series([1 + 2j], name="z"))


@pytest.mark.parametrize(
    ("n", "wanted", "expected"),
    [
        (254, "auto", "uint8"),
        (255, "auto", "uint16"),
        (65_534, "auto", "uint16"),
        (254, "uint8", "uint8"),
        (2, "uint16", "uint16"),
        (65_535, "auto", None),
        (255, "uint8", None),
        (65_535, "uint16", None),
    ],
)
def test_type_of_codes(n, wanted, expected):
    if expected:
        assert codes_dtype("k", n, wanted) == expected
    else:
        with pytest.raises(WorkRefused, match="categories"):
            codes_dtype("k", n, wanted)


def test_fields_as_the_manifest_has_them():
    numbers = continuous_field("n counts", np.array([0.0, 5.0, np.nan]), 8)
    assert numbers.entry == ["n counts", 0.0, 5.0]
    assert [(name, array.tolist()) for name, array in numbers.files] == [("obs/n_counts.values.u8", [0, 254, 255])]
    codes, labels = np.array([0, -1, 1]), ["a", "b"]
    points = {2: np.zeros((3, 2), np.float32)}
    field = categorical_field("k", codes, labels, points, points[2], dtype="uint16", min_points=1, bits=None)
    assert field.entry[:4] == ["k", labels, "uint16", 65_535]
    assert list(field.entry[4]) == ["2"]
    assert [name for name, _ in field.files] == ["obs/k.codes.u16", "obs/k.outliers.f32"]
    assert field.files[0][1].tolist() == [0, 65_535, 1]
    assert field.summary == {"key": "k", "kind": "category", "n_categories": 2}
