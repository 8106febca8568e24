"""How many bytes an export will have and how long it will take, from writing samples of it.

Samples are encoded and compressed as the export does it: some genes, and of large datasets some cells. Results are
remembered, so that after a change of settings only what depends on it is measured again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from zlib_ng import zlib_ng

from cellucid_core.export.compact import (
    Buffer,
    Compressor,
    blocks,
    edges,
    encode_gene,
    normalize,
    to_json,
    vector_fields,
)
from cellucid_core.export.compact import obs as obs_files
from cellucid_core.export.compare import compare_numbers
from cellucid_core.export.settings import ExportSettings
from cellucid_core.prepared import Numbers, encoding

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, View
    from cellucid_core.export.chosen_genes import ChosenGenes

T = TypeVar("T")

_SAMPLE_GENES, _TIMED_GENES = 24, 8
#: Genes whose names are counted for the size of the manifest.
_NAMED = 1000
#: Cells of a sample: this many runs of this many cells, spread over the file. Runs keep what is sorted sorted.
_RUNS, _RUN = 8, 4096
#: Bytes of the edges that are compressed to estimate the rest.
_EDGE_SAMPLE = 2**20
#: Seconds for each file apart from its bytes: for its zip entry and for opening it again.
_PER_FILE = 1.5e-4
#: Seconds for each byte as written: for checksums and for reading it again.
_PER_BYTE = 5e-9
#: Share of one thread's work that each further thread adds.
_THREAD_GAIN = 0.75


@dataclass(frozen=True)
class Artefact:
    """One kind of files of an export: how many, and how many bytes raw and as written (estimated)."""

    name: str
    files: int
    raw_bytes: int
    estimated_bytes: int
    #: Processor time to write them and read them back on one thread, in seconds.
    seconds: float = 0.0


class Estimator:
    """Estimates the artefacts of one view's export from samples; each method returns some of them."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[Hashable, object] = {}

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]  # type: ignore[return-value]

    @cached_property
    def _cells(self) -> np.ndarray | slice:
        """The cells of the sample: all, or their positions."""
        n = self._view.n_cells
        if n <= _RUNS * _RUN:
            return slice(None)
        starts = np.linspace(0, n - _RUN, _RUNS).astype(np.int64)
        return (starts[:, None] + np.arange(_RUN)).reshape(-1)

    @property
    def _share(self) -> float:
        """Cells per sampled cell."""
        return max(1.0, self._view.n_cells / (_RUNS * _RUN))

    def coordinates(self, settings: ExportSettings) -> list[Artefact]:
        """Estimate the points, and the vector fields if they are exported."""
        found = [self._once(("points", settings.compression), lambda: self._points(settings.compression))]
        if settings.vectors:
            found.append(self._once(("vectors", settings.compression), lambda: self._vectors(settings.compression)))
        return found

    def _points(self, level: int) -> Artefact:
        began = time.thread_time()
        arrays = [normalize(self._view.embedding(d)[self._cells], d).array for d in self._view.dimensions]
        return self._artefact("points", arrays, level, began)

    def _vectors(self, level: int) -> Artefact:
        began = time.thread_time()
        given = {key: array[self._cells] for key, array in self._view.vectors().items()}
        n_cells = min(map(len, given.values()), default=0)
        written = vector_fields(given, dict.fromkeys(self._view.dimensions, 1.0), n_cells)
        return self._artefact("vectors", [array for _, _, array in written.arrays], level, began)

    def _artefact(self, name: str, arrays: list[np.ndarray], level: int, began: float) -> Artefact:
        sampled = sum(len(_stored(array, Compressor(level) if level else None)) for array in arrays)
        raw = sum(array.nbytes for array in arrays)
        # Reading back decodes, computes the source's arrays again and compares: about as much work as writing.
        seconds = 2 * (time.thread_time() - began) * self._share
        return Artefact(name, len(arrays), round(raw * self._share), round(sampled * self._share), seconds)

    def columns(self, settings: ExportSettings) -> list[Artefact]:
        """Estimate the columns of the cell table, and their manifest."""
        bits, level = settings.obs_quantization, settings.compression
        found, manifest, seconds = [], 0, 0.0
        for key in self._view.obs_keys:
            dtype, groups = settings.categorical_dtype, (settings.centroid_min_points, settings.centroid_quantile)
            artefact, entry = self._once(
                ("obs", key, bits, level, dtype, groups),
                lambda key=key: self._column(key, settings),  # type: ignore[misc]
            )
            found.append(artefact)
            manifest += entry
            seconds += artefact.seconds
        total = Artefact(
            "cell columns",
            sum(item.files for item in found),
            sum(item.raw_bytes for item in found),
            sum(item.estimated_bytes for item in found),
            seconds,
        )
        return [total, Artefact("columns' manifest", 1, manifest + 900, manifest + 900)]

    def _column(self, key: str, settings: ExportSettings) -> tuple[Artefact, int]:
        began = time.thread_time()
        field = obs_files.field_of(
            self._view,
            key,
            settings,
            points=lambda: self._once("sampled points", self._sampled_points),
            latent=lambda: self._once("sampled latent", self._sampled_latent),
            numbers=lambda series: obs_files.numbers_of(series.iloc[self._cells]),
            categories=lambda series: self._categories(key),
        )
        arrays = [array for _, array in field.files]
        return self._artefact(key, arrays, settings.compression, began), len(to_json({key: field.entry}))

    def _categories(self, key: str) -> tuple[np.ndarray, list[str]]:
        """Return the sampled cells' codes of a column of categories, and its labels."""

        def read() -> tuple[np.ndarray, list[str]]:
            codes, labels = obs_files.categories_of(self._view.obs(key))
            return codes[self._cells].copy(), labels

        return self._once(("categories", key), read)

    def n_categories(self) -> dict[str, int]:
        """Return how many categories each column of categories has."""
        view = self._view
        return {key: len(self._categories(key)[1]) for key in view.obs_keys if view.kind(key) == "categorical"}

    def _sampled_latent(self) -> np.ndarray:
        return np.asarray(self._view.latent()[self._cells], np.float32)

    def _sampled_points(self) -> dict[int, np.ndarray]:
        return {d: normalize(self._view.embedding(d)[self._cells], d).array for d in self._view.dimensions}

    def genes(self, settings: ExportSettings, genes: ChosenGenes) -> list[Artefact]:
        """Estimate the genes and their manifest; an empty list without genes."""
        if not len(genes.ids):
            return []
        which = hashlib.sha256(genes.positions.tobytes()).digest()
        key = ("genes", which, settings.var_quantization, settings.compression)
        return self._once(key, lambda: self._genes(settings.var_quantization, settings.compression, genes))

    def _genes(self, bits: int | None, level: int, genes: ChosenGenes) -> list[Artefact]:
        expression = self._view.expression
        assert expression is not None
        # A gene's compressed size depends on its number of stored values, which is known for every gene.
        stored = (expression.stats.n_nonzero + expression.stats.n_not_finite)[genes.positions]
        n = len(stored)
        order = np.argsort(stored, kind="stable")
        sample = order[np.unique(np.linspace(0, n - 1, min(n, _SAMPLE_GENES)).astype(int))]
        compressor = Compressor(level) if level else None
        began = time.thread_time()
        written = [
            len(_stored(encode_gene(expression, int(genes.positions[gene]), bits).array, compressor)) for gene in sample
        ]
        first = time.thread_time() - began
        # The compressor now knows how to compress these, as it does in each block after its first genes.
        timed = sample[:: max(1, len(sample) // _TIMED_GENES)]
        spent = [_seconds_of(expression, int(genes.positions[gene]), bits, compressor) for gene in timed]
        block = len(blocks(n, self._view.n_cells, bits)[0])
        learning = max(0.0, first - float(np.mean(spent)) * len(sample)) * min(1.0, block / len(sample)) * n / block
        raw = n * self._view.n_cells * encoding(bits).dtype.itemsize
        names = sum(len(to_json({gene: 0})) for gene in genes.ids[:_NAMED]) * n / min(n, _NAMED)
        manifest = round(names + n * (2 if bits is None else 34) + 400)
        return [
            Artefact(
                "genes", n, raw, round(_over_all(stored, sample, written)), _over_all(stored, timed, spent) + learning
            ),
            Artefact("genes' manifest", 1, manifest, manifest),
        ]

    def graph(self, settings: ExportSettings) -> list[Artefact]:
        """Estimate the edges and their manifest; an empty list without a graph."""
        if not settings.graph:
            return []
        return self._once(("graph", settings.compression), lambda: self._graph(settings.compression))

    def _graph(self, level: int) -> list[Artefact]:
        n_bytes, pieces, seconds = self._once("edges", self._edges)
        if n_bytes is None:
            return []
        compressor, began = Compressor(level) if level else None, time.thread_time()
        share = n_bytes / max(1, pieces[0].nbytes)
        written = sum(len(_stored(piece, compressor)) for piece in pieces) * share
        seconds += 2 * (time.thread_time() - began) * share
        return [
            Artefact("graph", 2, 2 * n_bytes, round(written), seconds),
            Artefact("graph's manifest", 1, 290, 290),
        ]

    def _edges(self) -> tuple[int | None, list[np.ndarray], float]:
        """Return the bytes of one file of edges, the beginning of both files, and the seconds that edges take."""
        began = time.thread_time()
        matrix = self._view.graph()
        if matrix is None:
            return None, [], 0.0
        found = edges(matrix)
        length = _EDGE_SAMPLE // found.sources.itemsize
        pieces = [found.sources[:length].copy(), found.destinations[:length].copy()]  # views would keep all edges
        return found.sources.nbytes, pieces, 2 * (time.thread_time() - began)  # reading back takes as long


def _stored(array: np.ndarray, compressor: Compressor | None) -> Buffer:
    """Return an array's bytes as they are stored in the export."""
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return compressor.gzip(raw) if compressor else raw


def _seconds_of(expression: Expression, position: int, bits: int | None, compressor: Compressor | None) -> float:
    """Return the processor time that writing a gene and reading it back takes."""
    began = time.thread_time()
    encoded = encode_gene(expression, position, bits)
    data = _stored(encoded.array, compressor)
    read = zlib_ng.decompress(data, 16 + zlib_ng.MAX_WBITS) if compressor else bytes(data)
    cells, values = expression.gene_stored(position)
    spec = Numbers("", "", bits, *(encoded.limits or (0.0, 1.0)))
    compare_numbers(spec, np.frombuffer(read, spec.dtype), values, cells if expression.is_sparse else None)
    return time.thread_time() - began


def _over_all(stored: np.ndarray, sample: np.ndarray, measured: Sequence[float]) -> float:
    """Return the sum over all genes of what was measured on some, interpolated by the number of stored values."""
    counts, which = np.unique(stored[sample], return_inverse=True)
    return float(np.interp(stored, counts, np.bincount(which, measured) / np.bincount(which)).sum())


def seconds_in_all(artefacts: list[Artefact], threads: int) -> float:
    """Return how many seconds writing and reading back take on an idle machine.

    Each further thread counts as `_THREAD_GAIN` of one, and the time per file is not shared.
    """
    work = sum(item.seconds + _PER_BYTE * item.estimated_bytes for item in artefacts)
    return work / (1 + _THREAD_GAIN * (threads - 1)) + _PER_FILE * sum(item.files for item in artefacts)
