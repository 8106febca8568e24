"""AutoGeneS: the objectives as `autogenes` 1.0.4 defines them, and a search that keeps its promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from cellucid_core.errors import InputError
from cellucid_core.library.marker_genes import Fitness, MarkerSearch, find_markers, search
from cellucid_core.library.marker_genes.variation import cross, mutate, random_masks
from tests.library.fronts import hypervolume


def by_definition(centroids, mask):
    """Sum of absolute correlations and of distances, pair by pair, as the published program takes them."""
    chosen = centroids[:, mask]
    with np.errstate(all="ignore"):
        correlation = np.nan_to_num(np.corrcoef(chosen))
    return np.abs(correlation[np.triu_indices(len(chosen), 1)]).sum(), pdist(chosen).sum()


@pytest.mark.parametrize(("types", "genes", "k"), [(2, 10, 2), (5, 60, 12), (20, 300, 40), (3, 8, 8)])
@pytest.mark.parametrize("pieces", [False, True])
def test_fitness_equals_the_definition(monkeypatch, types, genes, k, pieces):
    if pieces:  # as for so many types that the table of pairs does not fit
        monkeypatch.setattr("cellucid_core.library.marker_genes.fitness._TABLE_BYTES", 8 * genes * 2)
    rng = np.random.default_rng(types)
    centroids = rng.gamma(0.5, 1, (types, genes))
    centroids[0] = 0.25  # correlates with nothing
    masks = random_masks(40, genes, k, rng)
    found = Fitness(centroids)(masks)
    np.testing.assert_allclose(found, [by_definition(centroids, mask) for mask in masks], rtol=1e-9, atol=1e-9)


def test_fitness_computed_by_hand():
    centroids = np.array([[1.0, 2, 3], [3.0, 2, 1], [0, 0, 0]])
    # Types 0 and 1 are opposite (|r| = 1); the third has no variance. Distances: √8, √14, √14.
    np.testing.assert_allclose(Fitness(centroids)(np.ones((1, 3)))[0], [1.0, np.sqrt(8) + 2 * np.sqrt(14)])


def test_golden_values_of_autogenes():
    """`autogenes.objectives.correlation` and `.distance` of 1.0.4 on the first 5 genes of this table."""
    centroids = np.random.RandomState(7).rand(4, 9)
    mask = np.arange(9) < 5
    np.testing.assert_allclose(Fitness(centroids)(mask[None])[0], GOLDEN, rtol=1e-12)


GOLDEN = (2.1831147233074777, 6.175589449618952)


def test_children_keep_the_number_of_genes_and_only_their_parents_genes():
    rng = np.random.default_rng(0)
    one, other = random_masks(50, 80, 20, rng), random_masks(50, 80, 20, rng)
    other[0] = one[0]
    child = cross(one, other, rng)
    assert (child.sum(axis=1) == 20).all()
    assert not (child & ~(one | other)).any()
    assert (child[one & other]).all()
    np.testing.assert_array_equal(child[0], one[0])
    swaps = rng.integers(0, 6, 50)
    mutant = mutate(child, swaps, rng)
    assert (mutant.sum(axis=1) == 20).all()
    changed = (mutant & ~child).sum(axis=1)
    assert (changed <= swaps).all()
    assert (changed[swaps == 1] == 1).all()
    taken = sum(cross(one[:1], other[1:2], rng)[0].astype(int) for _ in range(300))
    only = (one[0] ^ other[1]).nonzero()[0]
    assert np.abs(taken[only] / 300 - 0.5).max() < 0.2  # no gene is favoured for its place


def test_a_search_finds_a_front_that_random_sets_do_not_reach():
    rng = np.random.default_rng(1)
    centroids = rng.gamma(0.5, 1, (6, 200))
    found = find_markers(centroids, 30, generations=60, seed=3)
    again = find_markers(centroids, 30, generations=60, seed=3)
    np.testing.assert_array_equal(found.masks, again.masks)
    assert (found.masks.sum(axis=1) == 30).all()
    np.testing.assert_allclose(found.front, Fitness(centroids)(found.masks), rtol=1e-12)
    assert (np.diff(found.front[:, 0]) > 0).all()
    assert (np.diff(found.front[:, 1]) > 0).all()  # else one would beat the other in both
    random = Fitness(centroids)(random_masks(5000, 200, 30, rng))
    worst = (float(random[:, 0].max()), float(random[:, 1].min()))
    assert hypervolume(found.front, worst) > hypervolume(random, worst)
    assert len(find_markers(centroids, 30, generations=1, seed=4).genes) == 30


def test_all_genes_or_as_many_as_types():
    centroids = np.random.default_rng(0).random((3, 5))
    assert find_markers(centroids, 5, generations=3).genes.tolist() == [0, 1, 2, 3, 4]
    assert len(find_markers(centroids, 3, generations=3).genes) == 3


def test_the_set_is_picked_by_weights():
    front = np.array([[1.0, 2.0], [2.0, 9.0], [4.0, 10.0]])
    masks = np.eye(3, dtype=bool)
    picked = [MarkerSearch(front, masks, 1, weights).chosen for weights in ((-1, 1), (-1, 0), (0, 1))]
    assert picked == [1, 0, 2]


def test_hypervolume_by_hand():
    front = np.array([[1.0, 1.0], [2.0, 3.0], [9.0, 9.0]])
    assert hypervolume(front, (4.0, 0.0)) == 3 * 1 + 2 * 2
    assert hypervolume(front, (1.0, 5.0)) == 0


def test_what_cannot_be_searched_is_said():
    good = np.random.default_rng(0).random((3, 6))
    for centroids, n, more in (
        (good[:1], 2, {}),
        (good, 2, {}),
        (good, 7, {}),
        (good * np.nan, 4, {}),
        (good, 4, {"generations": 0}),
        (good, 4, {"population": 1}),
    ):
        with pytest.raises(InputError):
            find_markers(centroids, n, **more)


def test_progress_can_end_a_search():
    seen = []

    def report(done, total):
        seen.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_markers(np.random.default_rng(0).random((3, 20)), 5, generations=10, progress=report)
    assert seen == [(1, 10), (2, 10), (3, 10)]


def test_fronts_and_crowding_by_hand():
    """Correlation low, distance high; by NSGA-II's own definitions."""
    values = np.array([[1.0, 5.0], [2.0, 6.0], [2.0, 4.0], [3.0, 9.0], [1.0, 5.0], [4.0, 1.0]])
    assert [front.tolist() for front in search._fronts(values)] == [[0, 1, 3, 4], [2], [5]]
    front = np.array([[1.0, 5.0], [2.0, 6.0], [4.0, 9.0]])
    crowding = search._crowding(front)
    assert crowding[1] == pytest.approx((4 - 1) / (4 - 1) + (9 - 5) / (9 - 5))
    assert np.isinf(crowding[[0, 2]]).all()
    assert search._crowding(np.ones((3, 2))).tolist() == [0, 0, 0]
