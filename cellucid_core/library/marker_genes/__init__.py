"""AutoGeneS: the genes that tell cell types apart best, found by a genetic algorithm with two objectives.

Aliee & Theis (2021), "AutoGeneS: Automatic gene selection using multi-objective optimization for RNA-seq
deconvolution", Cell Systems 12(7): among sets of a fixed number of genes, those with the least correlation between the
cell types' centroids and the greatest distances between them. Usually no set is best in both, so the search finds the
Pareto front, and weights pick the set that is used.
"""

from __future__ import annotations

from cellucid_core.library.marker_genes.fitness import Fitness
from cellucid_core.library.marker_genes.search import MarkerSearch, find_markers

__all__ = ["Fitness", "MarkerSearch", "find_markers"]
