"""Every kind of damage is found, and nothing that a file can hold makes reading back fail."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, verify, write
from tests.export.standin import small_view


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "folder"
    write(small_view(), ExportSettings(), path)
    return path


@pytest.fixture
def folder(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "copy")
    return tmp_path / "copy"


def edit(folder, name, change):
    """Change a manifest."""
    data = json.loads((folder / name).read_text())
    change(data)
    (folder / name).write_text(json.dumps(data))


def rewrite(folder, name, change):
    """Change the raw bytes of a compressed file, keeping it a sound gzip file."""
    raw = bytearray(gzip.decompress((folder / name).read_bytes()))
    change(raw)
    (folder / name).write_bytes(gzip.compress(bytes(raw)))


def test_a_whole_export(folder):
    report = verify(folder)
    assert (report.ok, report.problems, report.max_error_steps) == (True, (), None)
    assert report.checked_files == sum(f.is_file() for f in folder.rglob("*"))
    report = verify(folder, small_view())
    assert report.ok
    assert 0.3 < report.max_error_steps <= 0.5
    assert json.dumps(report.to_json())


def test_what_systems_leave_behind_is_no_problem(folder):
    (folder / ".DS_Store").write_bytes(b"x")
    assert verify(folder).ok


BINARIES = [
    "points_2d.bin.gz",
    "vectors/velocity_umap_2d.bin.gz",
    "obs/depth.values.u8.gz",
    "obs/cell_type.codes.u8.gz",
    "obs/cell_type.outliers.u8.gz",
    "var/G3.values.u8.gz",
    "connectivity/edges.src.bin.gz",
    "connectivity/edges.dst.bin.gz",
]
MANIFESTS = ["dataset_identity.json", "obs_manifest.json", "var_manifest.json", "connectivity_manifest.json"]


@pytest.mark.parametrize("name", BINARIES)
@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "longer", "shorter", "empty", "tail"])
def test_damaged_binaries(folder, name, damage):
    path = folder / name
    data = path.read_bytes()
    if damage == "flip":
        at = len(data) // 2
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
    elif damage == "cut":
        path.write_bytes(data[:-5])
    elif damage == "remove":
        path.unlink()
    elif damage == "longer":
        rewrite(folder, name, lambda raw: raw.extend(raw[:8]))
    elif damage == "shorter":
        rewrite(folder, name, lambda raw: raw.__delitem__(slice(0, 8)))
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(data + b"x")
    report = verify(folder)
    assert not report.ok
    assert any(name.split(".")[0] in problem for problem in report.problems), report.problems
    assert not verify(folder, small_view()).ok


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize("damage", ["nan", "cut", "array", "number", "latin", "twice", "remove"])
def test_damaged_manifests(folder, name, damage):
    path = folder / name
    if damage == "remove":
        if name == "dataset_identity.json":
            path.unlink()
            with pytest.raises(InputError, match="not a prepared export"):
                verify(folder)
            return
        path.unlink()
    else:
        text = path.read_text()
        first = text.index('"')
        damaged = {
            "nan": text[:first] + '"extra": NaN, ' + text[first:],
            "cut": text[:-3],
            "array": "[]",
            "number": "7",
            "latin": "\xe9" + text,
            "twice": text[:first] + '"name": 1, "name": 2, ' + text[first:],
        }[damage]
        path.write_bytes(damaged.encode("latin-1"))
    report = verify(folder)
    assert not report.ok
    assert any(
        name in problem or "no manifest" in problem or "manifests have" in problem for problem in report.problems
    )


def test_a_file_too_many(folder):
    (folder / "var" / "more.values.u8.gz").write_bytes(b"x")
    assert verify(folder).problems == ("var/more.values.u8.gz is in no manifest.",)


def set_in(*keys_and_value):
    *keys, value = keys_and_value

    def change(data):
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dataset_identity.json", set_in("stats", "n_cells", 119)),
        ("dataset_identity.json", set_in("stats", "n_cells", 10**15)),
        ("dataset_identity.json", set_in("stats", "n_cells", True)),
        ("dataset_identity.json", set_in("stats", "n_genes", 3)),
        ("dataset_identity.json", set_in("stats", "n_edges", None)),
        ("dataset_identity.json", set_in("version", 1)),
        ("dataset_identity.json", set_in("embeddings", "files", "2d", "../../etc/passwd")),
        ("dataset_identity.json", set_in("embeddings", "default_dimension", 1)),
        ("dataset_identity.json", set_in("obs_fields", 0, "kind", "continuous")),
        ("dataset_identity.json", set_in("obs_fields", [[]])),
        ("dataset_identity.json", set_in("vector_fields", "fields", "velocity_umap", "files", {})),
        ("obs_manifest.json", set_in("_format", "compact_v2")),
        ("obs_manifest.json", set_in("compression", None)),
        ("obs_manifest.json", set_in("centroid_outlier_quantile", 2)),
        ("obs_manifest.json", set_in("_continuousFields", 0, 1, 1e9)),
        ("obs_manifest.json", set_in("_continuousFields", 0, 0, 5)),
        ("obs_manifest.json", set_in("_categoricalFields", 0, 1, ["B"])),
        ("obs_manifest.json", set_in("_categoricalFields", 0, 2, "int8")),
        ("obs_manifest.json", set_in("_categoricalFields", 0, 2, [])),
        ("obs_manifest.json", set_in("_categoricalFields", 0, 3, 254)),
        ("obs_manifest.json", set_in("_categoricalFields", 0, 4, "2", 0, "position", [0])),
        ("obs_manifest.json", set_in("_categoricalFields", 0, 4, "2", 0, "category", "?")),
        ("obs_manifest.json", set_in("_obsSchemas", "continuous", "ext", "f32")),
        ("var_manifest.json", set_in("quantization", 16)),
        ("var_manifest.json", set_in("fields", 1, ["G0", 0, 1])),
        ("var_manifest.json", set_in("fields", 1, [])),
        ("var_manifest.json", set_in("_varSchema", "pathPattern", "elsewhere/{key}")),
        ("connectivity_manifest.json", set_in("n_edges", 5)),
        ("connectivity_manifest.json", set_in("max_neighbors", 1)),
        ("connectivity_manifest.json", set_in("index_dtype", "uint32")),
        ("connectivity_manifest.json", set_in("sourcesPath", "/etc/passwd")),
    ],
)
def test_manifests_that_contradict_the_files(folder, name, change):
    edit(folder, name, change)
    report = verify(folder)
    assert not report.ok
    assert all(problem.endswith(".") for problem in report.problems)
    assert not verify(folder, small_view()).ok


def out_of_range(raw):
    raw[0] = 77


def swap_edges(raw):
    raw[0:2], raw[-2:] = raw[-2:], raw[0:2]


def far_away(raw):
    raw[0:4] = np.float32(2).tobytes()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("obs/cell_type.codes.u8.gz", out_of_range, "beyond its 3 categories"),
        ("connectivity/edges.src.bin.gz", swap_edges, "edges"),
        ("points_2d.bin.gz", far_away, "outside"),
        ("points_3d.bin.gz", lambda raw: raw.__setitem__(slice(0, 4), np.float32(np.nan).tobytes()), "not finite"),
    ],
)
def test_values_that_cannot_be(folder, name, change, message):
    rewrite(folder, name, change)
    report = verify(folder)
    assert message in report.problems[0]


def one_up(raw):
    raw[0] = (raw[0] + 1) % 255


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("var/G3.values.u8.gz", one_up),
        ("var/G3.values.u8.gz", lambda raw: raw.__setitem__(5, 255)),
        ("obs/depth.values.u8.gz", one_up),
        ("obs/cell_type.codes.u8.gz", lambda raw: raw.__setitem__(0, (raw[0] + 1) % 3)),
        ("obs/cell_type.outliers.u8.gz", lambda raw: raw.__setitem__(0, (raw[0] + 100) % 255)),
        ("points_2d.bin.gz", lambda raw: raw.__setitem__(0, raw[0] ^ 1)),
        ("vectors/velocity_umap_2d.bin.gz", lambda raw: raw.__setitem__(0, raw[0] ^ 1)),
    ],
)
def test_only_the_source_can_tell(folder, name, change):
    rewrite(folder, name, change)
    assert verify(folder).ok
    report = verify(folder, small_view())
    assert not report.ok
    assert name.split(".")[0] in report.problems[0]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("obs_manifest.json", set_in("_categoricalFields", 0, 4, "2", 0, "position", [0.5, 0.5])),
        ("obs_manifest.json", set_in("_categoricalFields", 0, 4, "3", [])),
        ("obs_manifest.json", set_in("_continuousFields", 0, 2, 99_999.0)),
        ("var_manifest.json", set_in("fields", 0, 2, 99.0)),
    ],
)
def test_only_the_source_can_tell_of_manifests(folder, name, change):
    edit(folder, name, change)
    assert verify(folder).ok
    assert not verify(folder, small_view()).ok


def test_another_source(folder):
    assert "120 cells" in verify(folder, small_view(n_cells=60)).problems[0]
    assert not verify(folder, small_view(seed=5)).ok
    bare = verify(folder, small_view(X=None, genes=None, graph=None, vectors=None))
    assert {"graph", "vector", "gene"} <= {w for w in ("graph", "vector", "gene") if w in " ".join(bare.problems)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(MANIFESTS),
    st.randoms(use_true_random=False),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=4,
    ),
)
def test_any_json_in_any_place_is_survived(exported, tmp_path_factory, name, random, value):
    folder = tmp_path_factory.mktemp("fuzz") / "copy"
    shutil.copytree(exported, folder)

    def change(data):
        while True:
            keys = list(data) if isinstance(data, dict) else list(range(len(data)))
            if not keys:
                return
            key = random.choice(keys)
            if isinstance(data[key], (dict, list)) and random.random() < 0.7:
                data = data[key]
                continue
            data[key] = value
            return

    edit(folder, name, change)
    for against in (None, small_view()):
        report = verify(folder, against, threads=1)
        assert report.ok == (not report.problems)
    shutil.rmtree(folder)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_report_or_an_input_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "x.zip"
    path.write_bytes(data)
    with pytest.raises(InputError):
        verify(path)


@pytest.fixture(scope="module")
def zipped(tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "x.zip"
    write(small_view(n_genes=3), ExportSettings(), path)
    return path


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_zip_with_a_changed_byte_is_found(zipped, tmp_path_factory, data):
    zipped = zipped.read_bytes()
    at = data.draw(st.integers(0, len(zipped) - 1))
    bit = data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "x.zip"
    damaged = bytearray(zipped)
    damaged[at] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        report = verify(path, threads=1)
    except InputError:
        return
    if report.ok:  # a byte that says nothing: times, versions and rights of entries
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(__import__("io").BytesIO(zipped)) as whole:
            assert [archive.read(e) for e in archive.infolist()] == [whole.read(e) for e in whole.infolist()]


def test_a_zip_that_was_packed_again_and_one_of_two(zipped, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "again.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/x", b"")
    assert verify(tmp_path / "again.zip", small_view()).ok
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a/dataset_identity.json", "{}")
        archive.writestr("b/dataset_identity.json", "{}")
    with pytest.raises(InputError, match="2 datasets"):
        verify(tmp_path / "two.zip")


def test_an_extracted_zip_is_found_one_level_down(folder):
    assert verify(folder.parent).ok


@pytest.mark.parametrize("name", ["nowhere", "nowhere.zip"])
def test_what_does_not_exist(tmp_path, name):
    with pytest.raises(InputError, match="does not exist"):
        verify(tmp_path / name)


def test_long_lists_of_problems_are_cut(folder):
    shutil.rmtree(folder / "var")
    for number in range(200):
        (folder / f"extra{number}").write_bytes(b"")
    report = verify(folder)
    assert len(report.problems) == 101
    assert "more problems" in report.problems[-1]
