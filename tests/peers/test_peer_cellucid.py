"""Our exports against those of cellucid 0.0.9 on the same arrays (golden files, see make_golden.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellucid_core.export import ExportSettings, verify, write
from tests.export.standin import ArrayView, decode
from tests.peers.golden_inputs import CASES, make_inputs

GOLDEN = Path(__file__).parent / "golden"
pytestmark = pytest.mark.peer


def view_of(given, is_sparse):
    return ArrayView(
        given["obs"],
        given["embeddings"],
        latent=given["latent"],
        X=given["X"],
        genes=given["genes"],
        sparse=is_sparse,
        graph=given["graph"],
        vectors=given["vectors"],
    )


@pytest.fixture(scope="module", params=CASES)
def pair(request, tmp_path_factory):
    """The peer's export and ours, decoded, and the inputs."""
    options, is_sparse = CASES[request.param]
    given = make_inputs()
    view = view_of(given, is_sparse)
    settings = ExportSettings(
        var_quantization=options["var_quantization"],
        obs_quantization=options["obs_continuous_quantization"],
        compression=options["compression"] or 0,
        categorical_dtype=options.get("obs_categorical_dtype", "auto"),
        centroid_quantile=options.get("centroid_outlier_quantile", 0.95),
        dataset_id="golden",
        name="Golden files",
        description="made by the peer",
        source_name="nowhere",
        source_url="https://example.org",
    )
    path = tmp_path_factory.mktemp("ours") / "ours.zip"
    assert write(view, settings, path).verified
    return decode(GOLDEN / f"{request.param}.zip"), decode(path), given


def shape_of(value):
    """Structure of a JSON value: keys and types, with int and float told apart only where both are numbers."""
    if isinstance(value, dict):
        return {key: shape_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape_of(item) for item in value]
    return type(value).__name__


def test_same_manifests_in_structure(pair):
    theirs, ours, _ = pair
    assert sorted(theirs["manifests"]) == sorted(ours["manifests"])
    for name, manifest in theirs["manifests"].items():
        assert shape_of(ours["manifests"][name]) == shape_of(manifest), name


def test_same_identity_but_for_the_time(pair):
    theirs, ours, _ = pair
    identities = [{**side["manifests"]["dataset_identity.json"], "created_at": ""} for side in (theirs, ours)]
    assert identities[0] == identities[1]


def test_same_schemas_keys_and_labels(pair):
    theirs, ours, _ = pair
    for name in ("obs_manifest.json", "var_manifest.json", "connectivity_manifest.json"):
        one, other = theirs["manifests"][name], ours["manifests"][name]
        for key, value in one.items():
            if key == "max_neighbors" or key.endswith("ields"):
                continue
            assert other[key] == value, (name, key)
    for kind in ("_continuousFields", "_categoricalFields"):
        fields = [
            [
                entry[:4:] if kind[1] == "c" and len(entry) > 4 else entry[:1]
                for entry in s["manifests"]["obs_manifest.json"][kind]
            ]
            for s in (theirs, ours)
        ]
        assert fields[0] == fields[1]
    assert theirs["labels"] == ours["labels"]


def test_same_limits(pair):
    theirs, ours, _ = pair
    for manifest, field in (("obs_manifest.json", "_continuousFields"), ("var_manifest.json", "fields")):
        for one, other in zip(theirs["manifests"][manifest][field], ours["manifests"][manifest][field], strict=True):
            assert one[0] == other[0]
            np.testing.assert_allclose(other[1:], one[1:], rtol=1e-6)


def test_same_floats_for_points_centroids_and_vectors(pair):
    theirs, ours, _ = pair
    for d in (1, 2, 3):
        np.testing.assert_array_equal(ours["points"][d], theirs["points"][d])
    assert ours["vectors"].keys() == theirs["vectors"].keys()
    for name, array in theirs["vectors"].items():
        np.testing.assert_array_equal(ours["vectors"][name], array)
    entries = [
        {e[0]: e[4] for e in side["manifests"]["obs_manifest.json"]["_categoricalFields"]} for side in (theirs, ours)
    ]
    assert entries[0] == entries[1]


def test_codes_differ_by_one_at_most(pair):
    theirs, ours, _ = pair
    assert theirs["raw"].keys() == ours["raw"].keys()
    for name, codes in theirs["raw"].items():
        mine = ours["raw"][name]
        assert mine.dtype == codes.dtype, name
        if codes.dtype.kind == "f" or name.startswith("codes/"):
            np.testing.assert_array_equal(mine, codes, err_msg=name)
        else:
            assert np.abs(mine.astype(int) - codes.astype(int)).max() <= 1, name
            marker = np.iinfo(codes.dtype).max
            np.testing.assert_array_equal(mine == marker, codes == marker, err_msg=name)


def test_values_are_within_half_a_step_of_the_source(pair):
    _, ours, given = pair
    limits = {f"var/{key}": rest for key, *rest in ours["manifests"]["var_manifest.json"]["fields"]}
    for column, gene in enumerate(given["genes"]):
        source = given["X"][:, column].astype(float)
        decoded, ends = ours["values"][f"var/{gene}"], limits[f"var/{gene}"]
        if not ends:
            np.testing.assert_array_equal(decoded, source)
            continue
        top = np.iinfo(ours["raw"][f"var/{gene}"].dtype).max - 1
        finite = np.isfinite(source)
        np.testing.assert_array_equal(np.isnan(decoded), ~finite)
        error = np.abs(decoded[finite] - source[finite]).max(initial=0)
        assert error <= (ends[1] - ends[0]) / top * (0.5 + 1e-9)


def test_same_edges(pair):
    theirs, ours, given = pair
    assert ours["edges"] == theirs["edges"]
    dense = given["graph"].toarray() != 0
    degrees = (dense | dense.T).sum(axis=1)
    assert ours["manifests"]["connectivity_manifest.json"]["max_neighbors"] == degrees.max()


@pytest.mark.parametrize("case", CASES)
def test_the_peers_exports_are_whole(case):
    report = verify(GOLDEN / f"{case}.zip")
    assert report.ok, report.problems


def test_verify_tells_that_the_peer_truncates():
    view = view_of(make_inputs(), is_sparse=True)
    report = verify(GOLDEN / "u8_gzip_sparse.zip", view)
    assert report.max_error_steps is not None
    assert 0.9 < report.max_error_steps < 1.0001
    assert all("steps, half a step is allowed" in problem for problem in report.problems), report.problems
