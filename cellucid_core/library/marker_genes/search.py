"""The search for marker genes: NSGA-II, generation by generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cellucid_core.errors import InputError
from cellucid_core.library.marker_genes.fitness import Fitness
from cellucid_core.library.marker_genes.variation import cross, mutate, random_masks

POPULATION = 100
#: As in `autogenes`: of ten children seven are mated and three mutated; each gene changes with probability 1/1000.
_MATED = 0.7
_FLIP = 1e-3


@dataclass(frozen=True, eq=False)
class MarkerSearch:
    """What a search found.

    Attributes
    ----------
    front
        (n, 2) the objectives of each set on the Pareto front, sorted by correlation: the sum of absolute pairwise
        correlations (low is good) and the sum of pairwise distances (high is good).
    masks
        (n, n_candidates) bool, which genes each set has.
    generations
        How many generations were asked for.
    weights
        Weights of correlation and of distance, by which a set is picked.
    """

    front: np.ndarray
    masks: np.ndarray
    generations: int
    weights: tuple[float, float] = (-1.0, 1.0)

    @property
    def chosen(self) -> int:
        """Position of the set with the highest weighted sum of objectives, each over its maximum (as `autogenes`)."""
        best = self.front.max(axis=0)
        scaled = self.front / np.where(best > 0, best, 1.0)
        return int(np.argmax(scaled @ np.asarray(self.weights)))

    @property
    def genes(self) -> np.ndarray:
        """Positions of the picked set's genes among the candidates, ascending int64."""
        return np.flatnonzero(self.masks[self.chosen]).astype(np.int64)


def find_markers(
    centroids: np.ndarray,
    n_genes: int,
    *,
    generations: int = 5000,
    population: int = POPULATION,
    seed: int = 0,
    weights: Sequence[float] = (-1.0, 1.0),
    progress: Callable[[int, int], None] | None = None,
) -> MarkerSearch:
    """Find sets of genes that tell cell types apart.

    NSGA-II (Deb, Pratap, Agarwal & Meyarivan 2002): parents and children compete; whole non-dominated fronts survive,
    and of the last front the individuals in the least crowded places. moocore sorts them into fronts.

    Parameters
    ----------
    centroids
        (n_types, n_candidates) mean of each candidate gene in each cell type.
    n_genes
        How many genes a set has.
    generations, population
        Number of generations, and of individuals in each.
    seed
        The same seed gives the same result.
    weights
        Weights of correlation and of distance, by which the set that is used is picked.
    progress
        Called with (generations done, all generations); an exception that it raises ends the search.

    Raises
    ------
    InputError
        If there are fewer than two cell types, fewer genes in a set than cell types, too few candidates or individuals,
        or a mean is not finite.
    """
    from threadpoolctl import threadpool_limits

    centroids = np.asarray(centroids, dtype=np.float64)
    _check(centroids, n_genes, generations, population)
    rng = np.random.default_rng(seed)
    fitness = Fitness(centroids)
    n_candidates = centroids.shape[1]
    masks = np.unique(random_masks(population, n_candidates, n_genes, rng), axis=0)
    largest_swap = min(n_genes, n_candidates - n_genes)
    # The products are small: threads would only wait for one another, and would make the last digits, and with them the
    # search, depend on the number of cores.
    with threadpool_limits(1, "blas"):
        values = fitness(masks)
        for generation in range(generations if largest_swap else 0):
            children = _children(masks, population, largest_swap, rng)
            masks, values = _survivors(
                np.concatenate([masks, children]), np.concatenate([values, fitness(children)]), population
            )
            if progress is not None:
                progress(generation + 1, generations)
    best = _fronts(values)[0]
    order = best[np.lexsort((values[best, 1], values[best, 0]))]
    return MarkerSearch(values[order], masks[order], generations, (float(weights[0]), float(weights[1])))


def _check(centroids: np.ndarray, n_genes: int, generations: int, population: int) -> None:
    n_types, n_candidates = centroids.shape
    if n_types < 2:
        raise InputError("Markers tell cell types apart, and there is only one.", "Choose another column.")
    if not np.isfinite(centroids).all():
        raise InputError("Some means are not finite.", "Choose another matrix, or leave those cells out.")
    if not n_types <= n_genes <= n_candidates:
        raise InputError(
            f"{n_genes:,} marker genes cannot be chosen for {n_types:,} cell types from {n_candidates:,} variable "
            "genes.",
            f"Ask for {n_types:,} to {n_candidates:,} genes."
            if n_types <= n_candidates
            else "Take more variable genes, or a coarser level.",
        )
    if generations < 1 or population < 4:
        raise InputError("A search needs at least 1 generation and 4 individuals.", "Raise them.")


def _children(masks: np.ndarray, n: int, largest_swap: int, rng: np.random.Generator) -> np.ndarray:
    """Return the next generation's children, before selection."""
    n_mated = int(rng.binomial(n, _MATED))
    parents = rng.integers(0, len(masks), n)
    partners = rng.integers(0, len(masks), n_mated)
    mated = cross(masks[parents[:n_mated]], masks[partners], rng)
    flips = rng.binomial(masks.shape[1], _FLIP, n - n_mated)
    swaps = np.clip(flips // 2, 1, largest_swap)
    return np.concatenate([mated, mutate(masks[parents[n_mated:]], swaps, rng)])


def _survivors(masks: np.ndarray, values: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep the best `n` by fronts and crowding."""
    # Sets with equal objectives are taken as the same and kept once, or copies of a good one would fill the population.
    _, first = np.unique(values, axis=0, return_index=True)
    masks, values = masks[np.sort(first)], values[np.sort(first)]
    kept: list[np.ndarray] = []
    left = n
    for front in _fronts(values):
        if len(front) <= left:
            kept.append(front)
        else:
            kept.append(front[np.argsort(-_crowding(values[front]), kind="stable")[:left]])
        left -= len(kept[-1])
        if left == 0:
            break
    chosen = np.concatenate(kept)
    return masks[chosen], values[chosen]


def _fronts(values: np.ndarray) -> list[np.ndarray]:
    """Return the positions of the individuals of each front, best first: low correlation and high distance are good."""
    from moocore import pareto_rank

    ranks = pareto_rank(values, maximise=[False, True])
    return [np.flatnonzero(ranks == rank) for rank in range(int(ranks.max()) + 1)]


def _crowding(values: np.ndarray) -> np.ndarray:
    """Return the crowding distance of each point of a front, (n,) float64; infinite at the ends.

    Per objective the distance between a point's neighbours, over the objective's range (Deb et al. 2002,
    10.1109/4235.996017, III B).
    """
    crowding = np.zeros(len(values))
    for objective in values.T:
        order = np.argsort(objective, kind="stable")
        padded = np.concatenate([[-np.inf], objective[order], [np.inf]])
        spread = objective.max() - objective.min()
        if spread > 0:
            crowding[order] += (padded[2:] - padded[:-2]) / spread
    return crowding
