"""Tell whether two decoded exports are the same, but for what the specification does better than the peer."""

from __future__ import annotations

import numpy as np

from cellucid_core.export import ExportSettings, GeneChoice
from tests.export.standin import ArrayView


def view_of(case, given):
    """Return the case's arrays as our exporter takes them."""
    return ArrayView(
        given["obs"],
        given["embeddings"],
        latent=given["latent"],
        X=given["X"],
        genes=given["genes"],
        sparse=case.matrix in ("csr", "csc", "counts"),
        graph=given["graph"],
        vectors=given["vectors"],
    )


def settings_of(case):
    """Return the case's settings as ours."""
    return ExportSettings(
        genes=GeneChoice("list", ids=case.genes) if case.genes else GeneChoice(),
        var_quantization=case.var,
        obs_quantization=case.obs,
        compression=case.compression or 0,
        categorical_dtype=case.dtype,
        centroid_quantile=case.quantile,
        centroid_min_points=case.min_points,
        dataset_id="golden",
        name="Golden files",
        description="made by the peer",
        **case.words,
    )


def shape_of(value):
    """Structure of a JSON value: keys in order, lengths, types."""
    if isinstance(value, dict):
        return [(key, shape_of(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [shape_of(item) for item in value]
    return type(value).__name__


def assert_same_json(theirs, ours, case):
    """Manifests have the same members in the same order with values of the same types, and say the same."""
    assert sorted(theirs) == sorted(ours)
    for name, manifest in theirs.items():
        assert shape_of(ours[name]) == shape_of(manifest), name
    one, other = ({**side["dataset_identity.json"], "created_at": ""} for side in (theirs, ours))
    if case.genes is not None:  # the peer counts the genes of the dataset, the specification those that are written
        assert other["stats"]["n_genes"] == len(theirs["var_manifest.json"]["fields"])
        one["stats"]["n_genes"] = other["stats"]["n_genes"]
    assert other == one
    for name in ("obs_manifest.json", "var_manifest.json", "connectivity_manifest.json"):
        for key, value in theirs.get(name, {}).items():
            if not key.endswith("ields"):
                assert ours[name][key] == value, (name, key)
    assert_same_limits(theirs["obs_manifest.json"]["_continuousFields"], ours["obs_manifest.json"]["_continuousFields"])
    if "var_manifest.json" in theirs:
        assert_same_limits(theirs["var_manifest.json"]["fields"], ours["var_manifest.json"]["fields"])
    pairs = zip(
        theirs["obs_manifest.json"]["_categoricalFields"], ours["obs_manifest.json"]["_categoricalFields"], strict=True
    )
    for peer, mine in pairs:
        assert mine[:4] == peer[:4]
        assert mine[4] == peer[4], f"centroids of {peer[0]}"
        assert_same_limits([peer[:1] + peer[5:]], [mine[:1] + mine[5:]])


def assert_same_limits(theirs, ours):
    """Limits may differ by what float32 rounds off: the peer narrows before it looks for them."""
    for one, other in zip(theirs, ours, strict=True):
        assert one[0] == other[0]
        np.testing.assert_allclose(other[1:], one[1:], rtol=1e-6, err_msg=one[0])


def assert_same_arrays(theirs, ours):
    """Floats and category codes are equal, quantized codes are one apart at most, markers stand in the same cells."""
    assert ours["points"].keys() == theirs["points"].keys()
    for d, array in theirs["points"].items():
        np.testing.assert_array_equal(ours["points"][d], array)
    assert ours["vectors"].keys() == theirs["vectors"].keys()
    for name, array in theirs["vectors"].items():
        np.testing.assert_array_equal(ours["vectors"][name], array)
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
    assert theirs["labels"] == ours["labels"]
    assert theirs.get("edges") == ours.get("edges")


def source_of(given, name):
    """Return the numbers that a vector of the export was made from, as float64 with NaN for what is missing."""
    kind, _, key = name.partition("/")
    if kind == "var":
        return given["X"][:, given["genes"].index(key)].astype(float)
    return given["obs"][key].to_numpy(float, na_value=np.nan)


def assert_half_a_step(ours, given):
    """Every decoded number is within half a step of its source; float32 values are the source's."""
    entries = {f"obs/{key}": rest for key, *rest in ours["manifests"]["obs_manifest.json"]["_continuousFields"]}
    fields = ours["manifests"].get("var_manifest.json", {"fields": []})["fields"]
    entries.update({f"var/{key}": rest for key, *rest in fields})
    assert entries
    for name, ends in entries.items():
        source, decoded = source_of(given, name), ours["values"][name]
        if not ends:
            np.testing.assert_array_equal(decoded, source.astype(np.float32), err_msg=name)
            continue
        top = np.iinfo(ours["raw"][name].dtype).max - 1
        finite = np.isfinite(source)
        np.testing.assert_array_equal(np.isnan(decoded), ~finite, err_msg=name)
        error = np.abs(decoded[finite] - source[finite]).max(initial=0)
        rounding = 4 * np.spacing(max(map(abs, ends)))
        assert error <= (ends[1] - ends[0]) / top * (0.5 + 1e-9) + rounding, name


def without_columns(decoded, names):
    """Return a decoded export as if columns had been left out."""
    manifests = {**decoded["manifests"]}
    obs = manifests["obs_manifest.json"] = {**manifests["obs_manifest.json"]}
    for kind in ("_continuousFields", "_categoricalFields"):
        obs[kind] = [entry for entry in obs[kind] if entry[0] not in names]
    identity = manifests["dataset_identity.json"] = {**manifests["dataset_identity.json"]}
    identity["obs_fields"] = [entry for entry in identity["obs_fields"] if entry["key"] not in names]
    kinds = [entry["kind"] for entry in identity["obs_fields"]]
    identity["stats"] = {
        **identity["stats"],
        "n_obs_fields": len(kinds),
        "n_categorical_fields": kinds.count("category"),
        "n_continuous_fields": kinds.count("continuous"),
    }
    gone = {f"{kind}/{name}" for kind in ("obs", "codes", "outliers") for name in names}
    keep = {part: {k: v for k, v in decoded[part].items() if k not in gone} for part in ("raw", "values")}
    labels = {key: value for key, value in decoded["labels"].items() if key not in names}
    return {**decoded, "manifests": manifests, **keep, "labels": labels}
