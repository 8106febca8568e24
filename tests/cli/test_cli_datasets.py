"""``datasets``: the contract of the command; the list itself is tested in ``tests/export``."""

from __future__ import annotations

import json

import pytest

from cellucid_core.cli import main
from cellucid_core.export import ExportSettings, write
from tests.export.standin import small_view


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    for name in ("one", "two"):
        write(small_view(n_cells=40, n_genes=2), ExportSettings(dataset_id=name), root / name, verify=False)
    return root


@pytest.fixture
def root(made):
    (made / "datasets.json").unlink(missing_ok=True)
    return made


def test_the_contract(command, root):
    status, result, _ = command("datasets", root)
    assert status == 0
    assert result["path"] == str(root / "datasets.json")
    assert [entry["id"] for entry in result["datasets"]] == ["one", "two"]
    assert (result["default"], result["notes"]) == ("one", [])
    written = json.loads((root / "datasets.json").read_text())
    assert written == {key: result[key] for key in ("version", "default", "datasets")}
    assert command("datasets", root, "--default", "two")[1]["default"] == "two"
    assert command("datasets", root)[1]["default"] == "two"


def test_for_people(root, capsys):
    (root / "notes").mkdir(exist_ok=True)
    assert main(["datasets", str(root)]) == 0
    out, err = capsys.readouterr()
    (root / "notes").rmdir()
    assert "2 datasets" in out
    assert "'one': 40 cells, 2 genes (opened first)" in out
    assert err == "Note: The folder notes is not an export and was left out.\n"


def test_what_cannot_be(command, root, tmp_path):
    for arguments, words in [
        ((tmp_path / "nowhere",), "There is no folder"),
        ((tmp_path,), "holds no export"),
        ((root / "one",), "is an export itself"),
        ((root, "--default", "three"), "no dataset 'three'"),
    ]:
        status, result, err = command("datasets", *arguments)
        assert (status, err.count("Error: ")) == (2, 1)
        assert words in result["error"]
    assert not (root / "datasets.json").exists()


def test_the_same_id_twice_is_refused(command, made, tmp_path):
    for folder in ("a", "b"):
        write(small_view(n_cells=40, n_genes=2), ExportSettings(dataset_id="same"), tmp_path / folder, verify=False)
    status, result, _ = command("datasets", tmp_path)
    assert status == 1
    assert "'same'" in result["error"]


def test_exporting_into_a_root_and_listing_it(command, tmp_path):
    for name in ("first", "second"):
        arguments = ["export", "demo", "--out", tmp_path / name, "--id", name, "--genes", "CD3D", "--no-verify"]
        assert command(*arguments)[0] == 0
    status, result, _ = command("datasets", tmp_path, "--default", "second")
    assert (status, result["default"]) == (0, "second")
    assert {(entry["id"], entry["n_cells"], entry["n_genes"]) for entry in result["datasets"]} == {
        ("first", 700, 1),
        ("second", 700, 1),
    }
