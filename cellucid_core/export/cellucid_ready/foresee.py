"""Estimate how large a Cellucid-ready AnnData will be and how long writing it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.export.cellucid_ready.layout import SLICED, Deflater, raw_chunk
from cellucid_core.export.settings import ExportSettings

if TYPE_CHECKING:
    from cellucid_core.dataset import View
    from cellucid_core.export import Artefact, ChosenGenes

_SAMPLE_GENES = 16
#: Compressed share of raw bytes where nothing is sampled.
_SHARES = {"numbers": 0.85, "codes": 0.4, "graph": 0.6}
#: Uncompressed bytes per second and thread for what is not sampled, reading back included.
_RATE = 25e6


def plan_ready(view: View, settings: ExportSettings, genes: ChosenGenes) -> tuple[tuple[Artefact, ...], float]:
    """Plan a Cellucid-ready AnnData.

    Some genes are compressed to estimate X; the rest is estimated from its size.

    Returns
    -------
    tuple
        The artefacts (the first one counts as one file, the others as none, since all are in one file); and the
        seconds, reading back included.

    Raises
    ------
    InputError
        If the chosen graph does not fit the cells or cannot be read.
    """
    from cellucid_core.export import Artefact

    n = view.n_cells

    def artefact(name: str, raw: float, share: str) -> Artefact:
        return Artefact(name, 0, int(raw), int(raw * _SHARES[share]))

    arrays = {**view.dataset.obsm, **view.mapping.computed}.values()
    widths = [array.shape[1] if array.ndim == 2 else 1 for array in arrays if array.ndim in (1, 2)]
    found = [artefact("embeddings", 4 * n * sum(widths), "numbers")]
    categorical = sum(view.kind(key) == "categorical" for key in view.obs_keys)
    found.append(artefact("obs numbers", 8 * n * (len(view.obs_keys) - categorical), "numbers"))
    found.append(artefact("obs categories", n * categorical, "codes"))
    found.append(artefact("cell and gene names", 24 * (n + view.n_genes), "graph"))
    graph = view.graph() if settings.graph else None
    if graph is not None:
        found.append(artefact("graph", 8 * graph.nnz, "graph"))
    seconds = sum(item.raw_bytes for item in found) / _RATE / settings.threads
    if len(genes.ids):
        expression, seconds_of_genes = _estimate_genes(view, settings, genes)
        found.append(expression)
        seconds += seconds_of_genes
    first, *others = [item for item in found if item.raw_bytes] or found[:1]
    return (Artefact(first.name, 1, first.raw_bytes, first.estimated_bytes), *others), seconds


def _estimate_genes(view: View, settings: ExportSettings, genes: ChosenGenes) -> tuple[Artefact, float]:
    from cellucid_core.export import Artefact

    expression = view.expression
    assert expression is not None
    sample = np.unique(np.linspace(0, len(genes.ids) - 1, min(len(genes.ids), _SAMPLE_GENES)).astype(int))
    pairs = [expression.gene_stored(int(position)) for position in genes.positions[sample]]
    arrays = [(np.concatenate([values for _, values in pairs]).astype("<f4"), False)]
    if expression.is_sparse:
        arrays.append((np.concatenate([cells for cells, _ in pairs]).astype("<i4"), True))
    raw_bytes = written = 0
    seconds = 0.0
    for array, shuffle in arrays:
        piece = array[:SLICED]
        if not len(piece):
            continue
        raw = raw_chunk(piece, piece.shape, piece.dtype, shuffle)
        deflater = Deflater()
        deflater.learn(raw)
        began = time.perf_counter()
        share = len(deflater.compress(raw)) / len(raw)
        rate = (time.perf_counter() - began) / len(raw)
        bytes_in_all = array.nbytes * len(genes.ids) // len(sample)
        raw_bytes += bytes_in_all
        written += int(bytes_in_all * share)
        # Reading back takes about a third of the writing; the threads share the work with some loss.
        seconds += 1.3 * rate * bytes_in_all / (0.8 * settings.threads if settings.threads > 1 else 1)
    return Artefact("genes", 0, raw_bytes, written), seconds
