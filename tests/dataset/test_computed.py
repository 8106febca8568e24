"""What is computed of a dataset is kept: once for all, noticed when damaged, absent when it failed."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from cellucid_core.cache.sealed_folder import clear_drafts
from cellucid_core.dataset import View, default_mapping
from cellucid_core.dataset import computed as module
from cellucid_core.dataset.computed import Derived, NotComputed, derived
from cellucid_core.dataset.log_rule import log_rule_of
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.ranking import gene_rankings
from cellucid_core.ranking.gene_rankings import kept_markers, kept_variability
from cellucid_core.ranking.marker_genes import marker_genes
from cellucid_core.ranking.variable_genes import variability
from tests.making import make_adata
from tests.patience import PATIENCE


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def never():
    raise AssertionError("it was computed again")


def result():
    return Derived({"a": np.arange(6.0).reshape(2, 3), "empty": np.zeros((0, 2), np.float32)}, ["one", "zwei ≥"])


def hidden(home):
    return [path.name for path in (home / "computed").iterdir() if path.name.startswith(".")]


def test_it_is_computed_once_and_read_as_it_was(monkeypatch):
    monkeypatch.setattr(module, "_MAPPED_FROM", 1)
    with pytest.raises(NotComputed, match=r"The sum: this has not been computed"):
        derived("k", "The sum", never, ready_only=True)
    derived("k", "The sum", result)
    found = derived("k", "The sum", never, ready_only=True)
    assert found.words == ("one", "zwei ≥")
    for name, array in result().arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


@pytest.mark.parametrize("part", ["a.npy", "words.json", "seal.json"])
@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
def test_damage_is_noticed_and_it_is_computed_again(home, part, damage):
    derived("k", "It", result)
    file = home / "computed" / "k" / part
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.unlink()
    if damage != "gone":
        file.write_bytes(data if damage == "bit" else data[:-3])
    with pytest.raises(NotComputed):
        derived("k", "It", never, ready_only=True)
    np.testing.assert_array_equal(derived("k", "It", result).arrays["a"], result().arrays["a"])
    assert hidden(home) == []


def test_what_fails_leaves_nothing(home, monkeypatch):
    def refuse():
        raise WorkRefused("No.", "Yes.")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with pytest.raises(WorkRefused, match="No"):
        derived("k", "It", refuse)
    with monkeypatch.context() as broken:
        broken.setattr(module.np, "save", full)
        with pytest.raises(InputError, match=r"It: the result could not be kept .No space left.*Free some"):
            derived("k", "It", result)
    assert {path.name for path in (home / "computed").iterdir()} <= {"k.lock"}
    derived("k", "It", result)


def test_two_at_once_compute_it_once():
    begun, end, counted, said, found = threading.Event(), threading.Event(), [], threading.Event(), []

    def make():
        counted.append(1)
        begun.set()
        assert end.wait(PATIENCE)
        return result()

    def ask():
        found.append(derived("k", "It", make, waiting=said.set))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    threads[0].start()
    assert begun.wait(PATIENCE)
    threads[1].start()
    assert said.wait(PATIENCE)  # the second waits, and says so
    end.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert (len(counted), len(found)) == (1, 2)


def test_drafts_of_the_dead_go_and_those_of_the_living_stay(home):
    from filelock import FileLock

    derived("k", "It", result)
    folder = home / "computed"
    for draft in (".k.abc", ".other.abc", ".unknown.abc"):
        (folder / draft).mkdir()
    with FileLock(folder / "other.lock"):
        assert clear_drafts(folder) == 1
    assert sorted(hidden(home)) == [".other.abc", ".unknown.abc"]


def test_the_key_holds_what_the_result_depends_on(opened):
    dataset = opened(make_adata())
    mapping = default_mapping(dataset)
    view = View(dataset, mapping)
    others = [
        View(dataset, replace(mapping, cells_out=np.array([1]))),
        View(dataset, replace(mapping, genes_kept=np.arange(5))),
        View(dataset, replace(mapping, matrix=None)),
        View(opened(make_adata(seed=3)), mapping),
    ]
    keys = [one.key_of("x", np.arange(3)) for one in (view, *others)]
    keys += [view.key_of("y", np.arange(3)), view.key_of("x", np.arange(4)), view.key_of("x", np.arange(3.0))]
    assert len(set(keys)) == len(keys)
    assert view.key_of("x", np.arange(3)) == keys[0]
    # Neither what is exported nor, where it is said so, the genes matter.
    assert View(dataset, replace(mapping, obs_keys=())).key_of("x", np.arange(3)) == keys[0]
    assert view.key_of("x", expression=False) == others[1].key_of("x", expression=False)
    assert view.key_of("x", expression=False) != others[0].key_of("x", expression=False)


def test_rankings_of_large_matrices_are_kept_and_the_same(viewed, home, monkeypatch):
    view = viewed(make_adata(200, 60))
    codes = view.obs("cell_type").cat.codes.to_numpy()
    rule = log_rule_of(view)
    plain = variability(view.expression, rule=rule), marker_genes(view.expression, codes, 3, 4, rule=rule)
    small = kept_variability(view, ready_only=True), kept_markers(view, codes, 3, 4, ready_only=True)
    assert not (home / "computed").exists()  # quicker than the disk
    monkeypatch.setattr(gene_rankings, "READ_AT_ONCE", 1)
    for ask in (lambda **how: kept_variability(view, **how), lambda **how: kept_markers(view, codes, 3, 4, **how)):
        with pytest.raises(NotComputed):
            ask(ready_only=True)
        ask()
    large = kept_variability(view, ready_only=True), kept_markers(view, codes, 3, 4, ready_only=True)
    for found in (small, large):
        np.testing.assert_array_equal(found[0][0], plain[0][0])
        assert found[0][1] == plain[0][1]
        assert [genes.tolist() for genes in found[1][0]] == [genes.tolist() for genes in plain[1][0]]
        assert found[1][1] == plain[1][1]
    with pytest.raises(NotComputed):
        kept_markers(view, codes, 3, 5, ready_only=True)
