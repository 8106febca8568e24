"""``signature build|inspect|convert`` keep the command line's contract."""

from __future__ import annotations

import os
import pickle


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


def test_build_inspect_convert(command, tmp_path):
    first = tmp_path / "demo.pickle"
    options = ("--n-hvg", 100, "--n-degs", 20, "--generations", 5, "--seed", 1)
    status, built, err = command(
        "signature", "build", "demo", "--levels", "bulk_labels,louvain", "--out", first, *options
    )
    assert status == 0
    assert [(one["level"], one["genes"], one["hvgs"], one["degs"]) for one in built["levels"]] == [
        ("bulk_labels", 765, 100, 20), ("louvain", 765, 100, 20),
    ]  # fmt: skip
    assert len(built["levels"][0]["cell_types"]) == 10
    assert "falls into" in err
    names = built["levels"][1]["deg_names"]
    for suffix in (".h5", ".zip", ".zarr", ".pickle"):
        status, converted, _ = command("signature", "convert", first, "--out", tmp_path / f"b{suffix}")
        assert (status, converted["path"]) == (0, str(tmp_path / f"b{suffix}"))
        status, found, _ = command("signature", "inspect", tmp_path / f"b{suffix}")
        assert status == 0
        assert found["levels"] == [{**one, "unlabelled": 0} for one in built["levels"]]
    assert command("signature", "convert", first, "--out", tmp_path / "c.txt")[0] == 2
    assert command("signature", "convert", first, "--out", tmp_path / "c.txt", "--level", "louvain")[0] == 0
    _, found, _ = command("signature", "inspect", tmp_path / "c.txt")
    assert found["levels"][0]["deg_names"] == names
    status, _, _ = command("signature", "build", "demo", "--levels", "phase", "--out", tmp_path / "d.txt", *options)
    assert status == 0
    _, again, _ = command("signature", "build", "demo", "--levels", "louvain", "--out", tmp_path / "e.h5", *options)
    assert again["levels"][0]["deg_names"] == names


def test_what_goes_wrong_is_a_sentence(command, tmp_path):
    evil = tmp_path / "evil.pickle"
    evil.write_bytes(pickle.dumps({"levels": Evil()}))
    status, result, err = command("signature", "inspect", evil)
    assert status == 2
    assert "system" in result["error"]
    assert err.count("\n") == 1
    for arguments in (
        ("inspect", tmp_path / "nowhere.h5"),
        ("convert", evil, "--out", evil),
        ("convert", evil, "--out", tmp_path / "x.doc"),
        ("build", "demo", "--levels", "nowhere", "--out", tmp_path / "x.h5"),
        ("build", "demo", "--levels", "louvain,phase", "--out", tmp_path / "x.txt"),
        ("build", "demo", "--levels", "louvain", "--out", tmp_path / "none" / "x.h5"),
        ("build", "demo", "--levels", "louvain", "--out", tmp_path / "x.h5", "--generations", 0),
        ("build", "demo", "--levels", "louvain", "--out", tmp_path / "x.h5", "--n-degs", 3),
        (),
    ):
        assert command("signature", *arguments)[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.pickle"]
