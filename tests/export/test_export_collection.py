"""Several exports in one folder: the list, what goes in and out, and what must not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellucid_core.errors import CellucidError, InputError, WorkRefused
from cellucid_core.export import (
    ExportSettings,
    add_to_root,
    read_root,
    remove_from_root,
    verify,
    write,
    write_datasets,
    zip_root,
)
from cellucid_core.export.collections.collecting import _copy
from cellucid_core.prepared.containers import DamagedError
from tests.export.standin import small_view
from tests.patience import PATIENCE
from tests.peers.environments import peer_python


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Three exports: two zips and a folder."""
    folder = tmp_path_factory.mktemp("exports")
    found = {}
    for position, (name, target) in enumerate([("beta", "b.zip"), ("alpha", "folder"), ("Gamma", "c.zip")]):
        view = small_view(n_cells=60 + position, n_genes=2 + position, vectors={})
        chosen = ExportSettings(dataset_id=name, name=f"The {name} “set”", compression=position)
        found[name] = write(view, chosen, folder / target).path
    return found


@pytest.fixture(scope="module")
def made(exports, tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "root"
    for path in exports.values():
        add_to_root(path, root)
    return root


@pytest.fixture
def root(made, tmp_path):
    """The three, added one after the other."""
    return Path(shutil.copytree(made, tmp_path / "root"))


def listed(root):
    return json.loads((root / "datasets.json").read_text(encoding="ascii"))


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _denied(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_folder_that_cannot_be_read_is_a_sentence(root, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("os.open", _denied)
        with pytest.raises(InputError, match=r"root cannot be read \(Permission denied\)"):
            write_datasets(root)
    with monkeypatch.context() as patch:
        patch.setattr("cellucid_core.export.collections.collection_zip._files", _denied)
        with pytest.raises(InputError, match=r"root cannot be read \(Permission denied\)"):
            zip_root(root, tmp_path / "all.zip")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", _denied)
        with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
            verify(root / "datasets.json")


def test_the_list_is_as_specified(root):
    """In the order of adding; each entry with the members of the specification, in its order."""
    found = listed(root)
    assert list(found) == ["version", "default", "datasets"]
    assert (found["version"], found["default"]) == (1, "beta")
    assert found["datasets"] == [
        {"id": "beta", "path": "beta/", "name": "The beta “set”", "n_cells": 60, "n_genes": 2},
        {"id": "alpha", "path": "alpha/", "name": "The alpha “set”", "n_cells": 61, "n_genes": 3},
        {"id": "Gamma", "path": "Gamma/", "name": "The Gamma “set”", "n_cells": 62, "n_genes": 4},
    ]
    assert list(found["datasets"][0]) == ["id", "path", "name", "n_cells", "n_genes"]
    for entry in found["datasets"]:
        assert verify(root / entry["path"]).ok
    assert sorted(path.name for path in root.iterdir()) == ["Gamma", "alpha", "beta", "datasets.json"]


def test_what_is_added_is_the_export_itself(root, exports):
    with zipfile.ZipFile(exports["beta"]) as archive:
        inside = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    assert tree(root / "beta") == inside
    assert tree(root / "alpha") == tree(exports["alpha"])


def test_a_new_list_is_sorted_and_an_old_one_keeps_its_order_and_default(root):
    (root / "datasets.json").unlink()
    assert [member.folder for member in write_datasets(root).members] == ["Gamma", "alpha", "beta"]
    assert write_datasets(root).default == "Gamma"
    assert write_datasets(root, "alpha").default == "alpha"
    found = listed(root)
    found["datasets"] = found["datasets"][::-1]
    (root / "datasets.json").write_text(json.dumps(found))
    again = write_datasets(root)
    assert ([member.id for member in again.members], again.default) == (["beta", "alpha", "Gamma"], "alpha")
    shutil.rmtree(root / "alpha")
    again = write_datasets(root)
    assert ([member.id for member in again.members], again.default) == (["beta", "Gamma"], "beta")
    assert listed(root) == again.to_json()


def test_two_runs_write_the_same_bytes(root):
    before = (root / "datasets.json").read_bytes()
    write_datasets(root)
    assert (root / "datasets.json").read_bytes() == before


def test_an_unknown_default(root):
    before = tree(root)
    with pytest.raises(InputError, match=r"no dataset 'delta'.*beta, alpha, Gamma"):
        write_datasets(root, "delta")
    assert tree(root) == before


def test_replacing_keeps_the_place_the_folder_and_the_default(root, tmp_path):
    write_datasets(root, "alpha")
    other = write(small_view(n_cells=33), ExportSettings(dataset_id="alpha", name="New"), tmp_path / "new.zip").path
    before = tree(root)
    with pytest.raises(InputError, match=r"has a dataset 'alpha' already\. Replace it"):
        add_to_root(other, root)
    assert tree(root) == before
    found = add_to_root(other, root, replace=True)
    assert [(member.id, member.n_cells) for member in found.members] == [("beta", 60), ("alpha", 33), ("Gamma", 62)]
    assert found.default == "alpha"
    assert verify(root / "alpha", small_view(n_cells=33)).ok
    assert listed(root) == found.to_json()


def test_replacing_finds_the_dataset_in_another_folder(root, exports):
    (root / "beta").rename(root / "elsewhere")
    write_datasets(root)
    found = add_to_root(exports["beta"], root, replace=True)
    assert {member.id: member.folder for member in found.members}["beta"] == "elsewhere"
    assert not (root / "beta").exists()


def test_removing(root):
    write_datasets(root, "alpha")
    left = remove_from_root("alpha", root)
    assert [member.id for member in left.members] == ["beta", "Gamma"]
    assert (left.default, listed(root)) == ("beta", left.to_json())
    with pytest.raises(InputError, match="no dataset 'alpha'"):
        remove_from_root("alpha", root)
    remove_from_root("beta", root)
    assert remove_from_root("Gamma", root).members == ()
    assert list(root.iterdir()) == []


def test_folders_that_are_no_exports_are_left_out_and_said(root):
    (root / "notes").mkdir()
    (root / ".hidden").mkdir()
    (root / "readme.txt").write_text("x")
    found = write_datasets(root)
    assert found.notes == ("The folder notes is not an export and was left out.",)
    assert len(found.members) == 3


def test_a_damaged_export_is_said(root):
    folder = write_datasets(root).members[0].folder
    (root / folder / "obs_manifest.json").write_text("{")
    found = write_datasets(root)
    assert len(found.members) == 3
    (note,) = found.notes
    assert folder in note
    assert "obs_manifest.json" in note


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"datasets": [1]}', b'{"datasets": NaN}', b"\xff", b'{"datasets": [{"path": 1}]}']
)
def test_a_damaged_list_is_made_anew(root, content):
    (root / "datasets.json").write_bytes(content)
    found = write_datasets(root)
    assert [member.id for member in found.members] == ["Gamma", "alpha", "beta"]
    assert "datasets.json" in found.notes[0]
    assert write_datasets(root).notes == ()


def test_the_list_is_not_believed(root):
    """Paths that it names and that are no folders of the root come to nothing."""
    (root / "datasets.json").write_text(
        json.dumps({"default": ["x"], "datasets": [{"path": "../../etc/"}, {"path": "alpha"}, {"path": "beta/"}]})
    )
    assert [entry["path"] for entry in write_datasets(root).to_json()["datasets"]] == ["alpha/", "beta/", "Gamma/"]


def test_the_same_id_twice(root):
    shutil.copytree(root / "alpha", root / "copy")
    before = tree(root)
    with pytest.raises(WorkRefused, match="alpha and copy have the same id 'alpha'"):
        write_datasets(root)
    assert tree(root) == before


@pytest.mark.parametrize(
    ("name", "safe"), [("my data", "my_data"), ("a#b", "a_b"), ("CON", "dataset-CON"), ("é", "field")]
)
def test_folders_that_no_address_can_name(root, name, safe):
    (root / "alpha").rename(root / name)
    with pytest.raises(InputError, match=f"Rename it to '{safe}'"):
        write_datasets(root)


def test_what_is_no_root(root, exports, tmp_path):
    for path, words in [
        (tmp_path / "nowhere", "There is no folder"),
        (exports["beta"], "There is no folder"),
        (root / "alpha", "is an export itself"),
    ]:
        with pytest.raises(InputError, match=words):
            write_datasets(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no export"):
        write_datasets(tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []
    with pytest.raises(InputError, match="no folder"):
        add_to_root(exports["beta"], tmp_path / "a" / "b")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not a folder"):
        add_to_root(exports["beta"], tmp_path / "file")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"version": True},
        {"id": None},
        {"id": " "},
        {"id": ["x"]},
        {"id": "\ud800"},
        {"name": 7},
        {"stats": None},
        {"stats": {"n_cells": "60", "n_genes": 1}},
        {"stats": {"n_cells": 60.5, "n_genes": 1}},
        {"stats": {"n_cells": -1, "n_genes": 1}},
        {"stats": {"n_cells": True, "n_genes": 1}},
        {"stats": {"n_cells": 2**60, "n_genes": 1}},
        {"stats": {"n_cells": 60}},
    ],
)
def test_damaged_identities_are_named(root, changes):
    edit(root / "alpha" / "dataset_identity.json", **changes)
    before = tree(root)
    with pytest.raises(InputError, match=r"alpha.dataset_identity\.json is damaged: "):
        write_datasets(root)
    assert tree(root) == before


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"id": NaN}', b'{"id": "a", "id": "b"}', b"\xff\xfe", b"[" * 100_000]
)
def test_identities_that_are_no_json(root, content):
    (root / "alpha" / "dataset_identity.json").write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        write_datasets(root)


def test_a_broken_root_takes_nothing_in(root, exports, tmp_path):
    edit(root / "alpha" / "dataset_identity.json", version=9)
    other = write(small_view(), ExportSettings(dataset_id="delta"), tmp_path / "d.zip").path
    before = tree(root)
    with pytest.raises(InputError, match="is damaged"):
        add_to_root(other, root)
    assert tree(root) == before


def test_only_sound_exports_are_taken_in(exports, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(exports["alpha"], bad)
    (bad / "extra").write_text("x")
    with pytest.raises(WorkRefused, match="not a sound export: extra is in no manifest"):
        add_to_root(bad, tmp_path / "root")
    with pytest.raises(InputError):
        add_to_root(tmp_path / "nowhere.zip", tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_name_that_is_taken_by_something_else(root, exports, tmp_path):
    for taken in ("delta", "Delta", "ALPHA"):
        name = taken.lower() if taken != "ALPHA" else taken
        other = write(small_view(), ExportSettings(dataset_id=name), tmp_path / f"{taken}.zip").path
        if taken != "ALPHA":
            (root / taken).mkdir(exist_ok=True)
        with pytest.raises(InputError, match="is there already"):
            add_to_root(other, root, replace=True)
        if taken != "ALPHA":
            (root / taken).rmdir()


def with_vector(folder, name):
    """Add a vector field of any name to an export that is a folder, as its identity should say it."""
    path = folder / "dataset_identity.json"
    file = f"vectors/{name}_2d.bin.gz"
    entry = {"label": "x", "available_dimensions": [2], "default_dimension": 2, "files": {"2d": file}}
    edit(path, vector_fields={"default_field": name, "fields": {name: entry}})
    return file


def test_a_zip_that_leads_out_of_its_folder(exports, tmp_path):
    """A vector field may not be named ``../../../evil``, though every file that the identity names is there."""
    folder = tmp_path / "export"
    shutil.copytree(exports["alpha"], folder)
    points = (folder / "points_2d.bin.gz").read_bytes()
    file = with_vector(folder, "../../../evil")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for name, data in tree(folder).items():
            archive.writestr(f"x/{name}", data)
        archive.writestr(f"x/{file}", points)
    assert not verify(tmp_path / "evil.zip").ok
    with pytest.raises(WorkRefused, match="cannot be a file name"):
        add_to_root(tmp_path / "evil.zip", tmp_path / "root")
    assert not [path for path in tmp_path.rglob("*evil*") if path.name != "evil.zip"]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\x", "C:x", "a//x", ".", "a/.x"])
def test_no_copy_leaves_its_folder(name, tmp_path):
    """The second lock on that door: whatever a reader lets through."""
    with pytest.raises(DamagedError, match="unsafe name"):
        _copy(SimpleNamespace(names=frozenset([name])), tmp_path / "in")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_copying_leaves_the_root_as_it_was(root, exports, monkeypatch):
    before = tree(root)
    monkeypatch.setattr("cellucid_core.export.collections.collecting.shutil.copyfileobj", full_disk)
    for replace, name in ((True, "beta"),):
        with pytest.raises(InputError, match="No space left"):
            add_to_root(exports[name], root, replace=replace)
    assert tree(root) == before
    assert sorted(path.name for path in root.iterdir()) == ["Gamma", "alpha", "beta", "datasets.json"]


def full_disk(source, target, length=0):
    target.write(source.read(10))
    raise OSError(28, "No space left on device")


def test_a_list_that_cannot_be_written(root):
    (root / "datasets.json").unlink()
    (root / "datasets.json").mkdir()
    for change in (lambda: write_datasets(root), lambda: remove_from_root("alpha", root)):
        with pytest.raises(InputError, match="cannot be written"):
            change()
    assert (root / "alpha").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="locks of Unix")
def test_two_at_a_time_are_both_listed(tmp_path):
    root, zips = tmp_path / "root", []
    for number in range(6):
        chosen = ExportSettings(dataset_id=f"d{number}")
        zips.append(write(small_view(n_cells=20, n_genes=1), chosen, tmp_path / f"{number}.zip", verify=False).path)
    threads = [threading.Thread(target=add_to_root, args=(path, root)) for path in zips]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry["id"] for entry in listed(root)["datasets"]) == [f"d{number}" for number in range(6)]


# ---- the zip of it all --------------------------------------------------------------------------------------------


def test_the_zip_unpacks_to_the_root(root, tmp_path):
    (root / "notes").mkdir()
    (root / "notes" / "x.txt").write_text("x")
    (root / "alpha" / ".DS_Store").write_bytes(b"x")
    seen = []
    target = zip_root(root, tmp_path / "all.zip", name="mine", progress=lambda done, total: seen.append((done, total)))
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist()[0] == "mine/datasets.json"
        archive.extractall(tmp_path / "out")
    shutil.rmtree(root / "notes")
    (root / "alpha" / ".DS_Store").unlink()
    assert tree(tmp_path / "out" / "mine") == tree(root)
    assert seen[-1][0] == seen[-1][1] == sum(len(b) for name, b in tree(root).items() if name != "datasets.json")
    assert write_datasets(tmp_path / "out" / "mine").to_json() == listed(root)


def test_equal_collections_give_equal_bytes(root, tmp_path):
    one = zip_root(root, tmp_path / "1.zip").read_bytes()
    os.utime(root / "alpha" / "obs_manifest.json", (1, 1))
    assert zip_root(root, tmp_path / "2.zip").read_bytes() == one


def test_zips_that_cannot_be(root, tmp_path):
    (tmp_path / "there.zip").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        zip_root(root, tmp_path / "there.zip")
    assert (tmp_path / "there.zip").read_text() == "mine"
    zip_root(root, tmp_path / "there.zip", force=True)
    with pytest.raises(InputError, match="lies in the collection"):
        zip_root(root, root / "all.zip")
    with pytest.raises(InputError, match="is not a valid folder name"):
        zip_root(root, tmp_path / "x.zip", name="../up")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no export"):
        zip_root(tmp_path / "empty", tmp_path / "x.zip")
    with contextlib.suppress(OSError):
        (root / "alpha" / "obs" / "passwd").symlink_to("/etc/passwd")
        with pytest.raises(InputError, match="is a link"):
            zip_root(root, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_interrupted_zips_leave_nothing(root, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zip_root(root, tmp_path / "x.zip", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


# ---- anything at all in an identity ---------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HOSTILE = st.one_of(
    st.sampled_from(["../x", "/etc", "a\\b", "\ud800", "\x00", "\x1b[2J", "x" * 3000, "", "CON", "a/b", "..", "."]),
    JSON,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_identity_is_a_member_or_a_sentence(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("any") / "root"
    (root / "one").mkdir(parents=True)
    identity = {
        "version": data.draw(st.just(2) | HOSTILE),
        "id": data.draw(st.just("ok") | HOSTILE),
        "name": data.draw(st.just("Name") | HOSTILE),
        "stats": data.draw(
            st.fixed_dictionaries({"n_cells": st.just(3) | HOSTILE, "n_genes": st.just(0) | HOSTILE}) | HOSTILE
        ),
    }
    (root / "one" / "dataset_identity.json").write_text(json.dumps(identity), encoding="utf-8")
    (root / "datasets.json").write_text(json.dumps(data.draw(HOSTILE)), encoding="utf-8")
    before = tree(root)
    found = None
    with contextlib.suppress(CellucidError):
        found = write_datasets(root)
    if found is None:
        assert tree(root) == before
        return
    (entry,) = listed(root)["datasets"]
    assert entry == found.to_json()["datasets"][0]
    assert entry["path"] == "one/"
    assert (entry["id"], entry["name"]) == (identity["id"], identity["name"])
    assert json.dumps(found.to_json(), allow_nan=False, ensure_ascii=False).encode("utf-8")


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_no_crash(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("bytes") / "root"
    (root / "one").mkdir(parents=True)
    for name in ("one/dataset_identity.json", "datasets.json"):
        (root / name).write_bytes(content)
    with contextlib.suppress(CellucidError):
        read_root(root)


@pytest.mark.peer
def test_live_the_peer_lists_the_same(root, tmp_path):
    (root / "datasets.json").unlink()
    ours = write_datasets(root, "alpha").to_json()
    code = "import sys, cellucid.prepare_data as p; p.generate_datasets_manifest(sys.argv[1], 'peer.json', 'alpha')"
    subprocess.run([peer_python(), "-c", code, str(root)], check=True, capture_output=True, timeout=PATIENCE)
    assert json.loads((Path(root) / "peer.json").read_text(encoding="utf-8")) == ours
