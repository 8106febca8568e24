"""Read an export back: is it complete, do its files fit its manifests, and do its values equal the source's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.export.cellucid_ready import check_ready, is_ready
from cellucid_core.export.compare import Found, SourceArrays
from cellucid_core.export.parallel import in_order
from cellucid_core.export.result import MAX_PROBLEMS, VerifyReport
from cellucid_core.export.settings import available_threads
from cellucid_core.prepared import (
    Categories,
    DamagedError,
    ExportFiles,
    Graph,
    Numbers,
    Structure,
    open_export,
    read_array,
    read_structure,
)

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_BLOCK = 32
#: Above this many cells degrees are not counted: a forged number of cells must not fill the memory.
_MAX_DEGREES = 50_000_000


def verify(
    path: str | Path,
    against: View | None = None,
    *,
    min_points: int | None = None,
    checksums: Mapping[str, int] | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Check an export, alone or against its source.

    Alone: manifests are strict JSON and fit each other; every file that they name is there with the right length, and
    there are no others; gzip data are intact; codes and positions are in range; points lie in −1…1. Against a view,
    every array is also decoded and compared. Files may hold anything: reads are bounded, and without a view arrays are
    read in pieces.

    Parameters
    ----------
    path
        A zip, or a dataset's folder; or a Cellucid-ready ``.h5ad`` or ``.zarr.zip``.
    against
        The view that it was exported from.
    min_points
        Cells that a category needs for a centroid, if that is known. Manifests do not say it, so None accepts every
        number that fits the outlier quantiles.
    checksums
        Name → CRC-32 of every file as it was written, if they are known. Then not even a byte without meaning (a time
        in a gzip header, a space in a manifest) may have changed.
    threads
        None: one per processor, at most 8.
    progress
        Called with (done, total) arrays; for a Cellucid-ready file as `check_ready` calls it.

    Raises
    ------
    InputError
        If there is no export at `path`, or it cannot be opened.
    """
    if is_ready(path):
        return check_ready(path, against, progress=progress)
    files = open_export(path)
    try:
        return _Check(files, against, min_points, checksums).run(
            threads or available_threads(), progress or (lambda done, total: None)
        )
    finally:
        files.close()


_Task = Callable[[], list[Found]]


class _Check:
    def __init__(
        self,
        files: ExportFiles,
        against: View | None,
        min_points: int | None,
        checksums: Mapping[str, int] | None,
    ) -> None:
        self.files = files
        self.checksums = checksums
        self.structure: Structure = read_structure(files)
        self.source: SourceArrays | None = None
        self.problems = [*files.oddities, *self.structure.problems]
        self.error_steps = 0.0
        if against is not None and self.structure.n_cells:
            if against.n_cells == self.structure.n_cells:
                self.source = SourceArrays(against, min_points)
            else:
                self.problems.append(
                    f"The export has {self.structure.n_cells:,} cells, the source has {against.n_cells:,}."
                )

    def run(self, threads: int, progress: Callable[[int, int], None]) -> VerifyReport:
        listed, present = self.structure.files, self.files.names
        self.problems += [f"{name} is missing." for name in sorted(listed - present)]
        if self.structure.n_cells and not self.structure.problems:
            # A broken manifest would leave every file that it should name unlisted.
            self.problems += [f"{name} is in no manifest." for name in sorted(present - listed)]
        tasks = list(self._tasks())
        total, done = sum(count for count, _ in tasks), 0
        for (count, _), results in zip(tasks, in_order((task for _, task in tasks), threads), strict=True):
            for found in results:
                self.problems += found.problems
                self.error_steps = max(self.error_steps, found.error_steps)
            done += count
            progress(done, total)
        shown = self.problems[:MAX_PROBLEMS]
        if len(self.problems) > MAX_PROBLEMS:
            shown.append(f"… and {len(self.problems) - MAX_PROBLEMS:,} more problems.")
        return VerifyReport(
            not self.problems,
            tuple(shown),
            len(listed & present),
            total,
            None if self.source is None else round(self.error_steps, 9),
        )

    def _tasks(self) -> Iterator[tuple[int, _Task]]:
        """Yield (number of arrays, task). What the source computes once is computed here, before threads need it."""
        found, source = self.structure, self.source
        if source is not None:
            # cached_property takes no lock.
            _ = source.points, source.vectors, source.gene_positions, source.column_keys
            if any(isinstance(column, Categories) for column in found.columns):
                _ = source.latent
            self._compare_lists(source)
        if self.checksums is not None:
            yield 0, lambda known=self.checksums: self._bytes(known)  # type: ignore[misc]
        for d, name in found.points.items():
            yield 1, lambda d=d, name=name: [self._points(d, name)]  # type: ignore[misc]
        for (field, d), name in found.vectors.items():
            yield 1, lambda key=(field, d), name=name: [self._vectors(key, name)]  # type: ignore[misc]
        for column in found.columns:
            if isinstance(column, Categories):
                yield 2, lambda column=column: [self._categories(column)]  # type: ignore[misc]
            else:
                compare = None if source is None else source.number_column
                yield 1, lambda column=column, compare=compare: [self._numbers(column, compare)]  # type: ignore[misc]
        for start in range(0, len(found.genes), _BLOCK):
            block = found.genes[start : start + _BLOCK]
            yield len(block), lambda block=block: self._genes(block)  # type: ignore[misc]
        if found.graph is not None:
            yield 2, lambda graph=found.graph: [self._graph(graph)]  # type: ignore[misc]

    def _compare_lists(self, source: SourceArrays) -> None:
        found = self.structure
        if extra := set(found.points) - set(source.points):
            self.problems.append(f"The source has no {min(extra)}D embedding.")
        if extra_vectors := set(found.vectors) - set(source.vectors):
            self.problems.append(f"The source has no vector field {min(extra_vectors)[0]}.")
        if found.graph is not None and source.view.graph() is None:
            self.problems.append("The source has no graph.")

    def _bytes(self, known: Mapping[str, int]) -> list[Found]:
        """Compare every file's checksum with that of what was written."""

        def check(name: str) -> Found:
            return Found([] if self.files.checksum(name) == known[name] else ["its bytes differ from what was written"])

        return [self._guarded(name, lambda name=name: check(name)) for name in known]  # type: ignore[misc]

    def _read(self, name: str, count: int, dtype: np.dtype[Any]) -> np.ndarray:
        """Return a whole array; only for comparing, so that the source's size bounds it."""
        pieces = list(read_array(self.files, name, count, dtype, own=self.checksums is not None))
        return pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros(0, dtype), *pieces])

    def _guarded(self, name: str, check: Callable[[], Found], needs: tuple[str, ...] = ()) -> Found:
        """Run a check of a file (or of the files in `needs`), and put the name before each problem."""
        if not set(needs or (name,)) <= self.files.names:
            return Found()  # a file is missing, which is a problem of its own already
        try:
            found = check()
        except DamagedError as error:
            return Found([f"{name}: {error}."])
        return Found([f"{name}: {text}." for text in found.problems], found.error_steps)

    def _points(self, d: int, name: str) -> Found:
        def check() -> Found:
            count = self.structure.n_cells * d
            if self.source is not None and d in self.source.points:
                written = self._read(name, count, np.dtype("<f4"))
                wanted = self.source.points[d].array.reshape(-1)
                n_wrong = int((written != wanted).sum())
                return Found([f"{n_wrong:,} coordinates differ from the source"] if n_wrong else [])
            for piece in read_array(self.files, name, count, np.dtype("<f4")):
                if not bool((np.abs(piece) <= 1.00001).all()):
                    return Found(["it has points outside −1…1, or not finite"])
            return Found()

        return self._guarded(name, check)

    def _vectors(self, key: tuple[str, int], name: str) -> Found:
        def check() -> Found:
            count = self.structure.n_cells * key[1]
            if self.source is not None and key in self.source.vectors:
                written = self._read(name, count, np.dtype("<f4"))
                if not np.array_equal(written, self.source.vectors[key].reshape(-1), equal_nan=True):
                    return Found(["its vectors differ from the source"])
            else:
                for _ in read_array(self.files, name, count, np.dtype("<f4")):
                    pass
            return Found()

        return self._guarded(name, check)

    def _numbers(self, spec: Numbers, compare: Callable[[Numbers, np.ndarray], Found] | None) -> Found:
        def check() -> Found:
            if compare is not None:
                return compare(spec, self._read(spec.file, self.structure.n_cells, spec.dtype))
            for _ in read_array(self.files, spec.file, self.structure.n_cells, spec.dtype):
                pass
            return Found()

        return self._guarded(spec.file, check)

    def _genes(self, block: list[Numbers]) -> list[Found]:
        source = self.source
        found = [self._numbers(gene, None if source is None else source.gene) for gene in block]
        if source is not None and source.view.expression is not None:
            source.view.expression.forget()
        return found

    def _categories(self, spec: Categories) -> Found:
        n_cells = self.structure.n_cells

        def codes_in_range() -> Found:
            for piece in read_array(self.files, spec.file, n_cells, spec.dtype):
                if not bool(((piece < len(spec.labels)) | (piece == spec.missing)).all()):
                    return Found([f"it has codes beyond its {len(spec.labels):,} categories"])
            return Found()

        def outliers_in_range() -> Found:
            for piece in read_array(self.files, spec.outliers.file, n_cells, spec.outliers.dtype):
                if spec.outliers.bits is None and not bool((np.isnan(piece) | ((piece >= 0) & (piece <= 1))).all()):
                    return Found(["it has quantiles outside 0…1"])
            return Found()

        def against_source(source: SourceArrays) -> Found:
            codes = self._read(spec.file, n_cells, spec.dtype)
            outliers = self._read(spec.outliers.file, n_cells, spec.outliers.dtype)
            return source.category_column(spec, codes, outliers, self.structure.quantile)

        parts = [
            self._guarded(spec.file, codes_in_range),
            self._guarded(spec.outliers.file, outliers_in_range),
        ]
        problems = [text for part in parts for text in part.problems]
        if problems or self.source is None:
            return Found(problems)
        source = self.source
        return self._guarded(spec.file, lambda: against_source(source), (spec.file, spec.outliers.file))

    def _graph(self, graph: Graph) -> Found:
        def check() -> Found:
            pairs = zip(
                read_array(self.files, graph.sources, graph.n_edges, graph.dtype),
                read_array(self.files, graph.destinations, graph.n_edges, graph.dtype),
                strict=True,
            )
            return self._edges(graph, pairs)

        return self._guarded("connectivity/edges", check, (graph.sources, graph.destinations))

    def _edges(self, graph: Graph, pairs: Iterator[tuple[np.ndarray, np.ndarray]]) -> Found:
        n_cells = self.structure.n_cells
        degrees = np.zeros(n_cells, np.uint32) if n_cells <= _MAX_DEGREES else None
        wanted = None if self.source is None else self.source.edges
        last, at = -1, 0
        for sources, destinations in pairs:
            if not bool((sources < destinations).all()) or int(destinations.max(initial=0)) >= n_cells:
                return Found(["it has edges that are not source < destination < number of cells"])
            keys = sources.astype(np.int64) * n_cells + destinations
            if (len(keys) and keys[0] <= last) or not bool((np.diff(keys) > 0).all()):
                return Found(["its edges are not sorted, or not distinct"])
            last = int(keys[-1]) if len(keys) else last
            if degrees is not None:
                degrees += np.bincount(sources, minlength=n_cells).astype(np.uint32)
                degrees += np.bincount(destinations, minlength=n_cells).astype(np.uint32)
            if wanted is not None:
                end = at + len(sources)
                same = np.array_equal(sources, wanted.sources[at:end])
                if not same or not np.array_equal(destinations, wanted.destinations[at:end]):
                    return Found(["its edges differ from the source"])
            at += len(sources)
        if wanted is not None and wanted.n_edges != graph.n_edges:
            return Found([f"it has {graph.n_edges:,} edges, the source has {wanted.n_edges:,}"])
        if degrees is not None and int(degrees.max(initial=0)) != graph.max_neighbors:
            return Found([f"its max_neighbors is {graph.max_neighbors:,}, its edges have {int(degrees.max()):,}"])
        return Found()
