"""Write an export: encode and compress on threads, write in order, read back, then publish."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export.cautions import cautions
from cellucid_core.export.cellucid_ready import check_target, write_ready
from cellucid_core.export.chosen_genes import ChosenGenes, choose_genes
from cellucid_core.export.compact import (
    Points,
    Vectors,
    fixed_time,
    gzip_bytes,
    identity,
    identity_entry,
    normalize,
    to_json,
    vector_fields,
)
from cellucid_core.export.compact import genes as gene_files
from cellucid_core.export.compact import graph as graph_files
from cellucid_core.export.compact import obs as obs_files
from cellucid_core.export.encode_on_cluster import encoded_elsewhere
from cellucid_core.export.estimate import Estimator
from cellucid_core.export.parallel import in_order
from cellucid_core.export.plan import name_warnings, refusals
from cellucid_core.export.result import ExportProgress, ExportResult, sha256_of
from cellucid_core.export.settings import ExportSettings
from cellucid_core.export.sink import Sink, open_sink
from cellucid_core.export.verify import verify as read_back

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_File = tuple[str, bytes]


def write(
    view: View,
    settings: ExportSettings,
    target: str | Path,
    *,
    progress: Callable[[ExportProgress], None] | None = None,
    verify: bool = True,
    force: bool = False,
    genes: ChosenGenes | None = None,
) -> ExportResult:
    """Write an export to a zip or a folder.

    The target appears, or is replaced, as a whole at the very end; whatever goes wrong before (also an exception of
    `progress`, which is how a caller cancels) leaves it as it was. Memory does not grow with the number of genes.

    Parameters
    ----------
    view
        What to export.
    settings
        How to export it.
    target
        ``….zip``, or a folder; ``….h5ad`` or ``….zarr.zip`` for these formats.
    progress
        Called on this thread after every step.
    verify
        Whether to read everything back and compare it with the source before the export is published.
    force
        Whether to replace what is there.
    genes
        The genes to write, such as those that a plan has found. None: those that ``settings.genes`` chooses.

    Raises
    ------
    InputError
        If the target cannot be written, holds the dataset's own files, or exists and `force` is not set; if the chosen
        genes, columns or arrays are not there.
    WorkRefused
        If the data cannot be exported as they are; or if what was written differs from its source.
    """
    began = time.perf_counter()
    stamp = fixed_time()
    created = stamp or datetime.now(UTC)
    report = progress or (lambda _: None)
    dataset_id = settings.dataset_id or view.dataset.id
    _spare_the_input(view, target)
    if settings.format != "compact":
        check_target(target, settings.format)
        report(ExportProgress(0, 1, "Looking at names"))
        chosen = _chosen(view, settings, genes, report)
        result = write_ready(view, settings, chosen, target, progress=progress, verify=verify, force=force)
        return _with_cautions(result, view, settings, Estimator(view).n_categories())
    with open_sink(target, dataset_id, stamp=stamp, force=force) as sink:
        report(ExportProgress(0, 1, "Looking at names"))
        genes = _chosen(view, settings, genes, report)
        if why := refusals(view, genes, settings):
            raise WorkRefused(" ".join(why), "Rename or leave out what is in the way; preflight offers fixes.")
        writer = _Writer(view, settings, genes, sink, report, steps_per_file=2 if verify else 1)
        writer.run(dataset_id, created)
        path = sink.finish()
        error_steps: float | None = None
        arrays = 0
        with ThreadPoolExecutor(1) as beside:
            hashing = beside.submit(sha256_of, path) if path.is_file() else None
            if verify:
                first = writer.total // 2
                seen = read_back(
                    path,
                    view,
                    min_points=settings.centroid_min_points,
                    checksums=sink.checksums,
                    threads=settings.threads,
                    progress=lambda done, total: report(
                        ExportProgress(first + first * done // max(1, total), writer.total, "Reading back")
                    ),
                )
                if not seen.ok:
                    raise WorkRefused(
                        f"What was written differs from its source: {seen.problems[0]}",
                        "Nothing was kept; please report this.",
                    )
                error_steps, arrays = seen.max_error_steps, seen.arrays
            sha256 = None if hashing is None else hashing.result()
        size = path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        sink.publish()
        report(ExportProgress(writer.total, writer.total, "Done"))
        result = ExportResult(
            sink.target,
            sink.files,
            size,
            time.perf_counter() - began,
            view.n_cells,
            len(genes.ids),
            verify,
            error_steps,
            tuple(fix.sentence for fix in view.mapping.fixes),
            (*genes.warnings, *name_warnings(view, genes.ids), *writer.vectors.warnings),
            arrays,
            sha256,
        )
        return _with_cautions(result, view, settings, writer.n_categories, writer.gene_bytes)


def _chosen(
    view: View, settings: ExportSettings, genes: ChosenGenes | None, report: Callable[[ExportProgress], None]
) -> ChosenGenes:
    """Return the genes that the caller gave, or those that the settings choose."""
    if genes is not None:
        return genes
    return choose_genes(view, settings, lambda what, done, total: report(ExportProgress(done, total, what)))


def _with_cautions(
    result: ExportResult, view: View, settings: ExportSettings, n_categories: dict[str, int], gene_bytes: int = 0
) -> ExportResult:
    """Add the cautions of a plan: whoever uses the command line has not read a plan."""
    known = cautions(
        view,
        settings,
        n_genes=result.n_genes,
        n_categories=n_categories,
        files=result.files,
        estimated_bytes=result.bytes,
        gene_bytes=gene_bytes,
        raw_bytes=result.bytes,  # used only without compression, when both are about equal
    )
    return replace(result, warnings=(*result.warnings, *map(str, known)))


def _spare_the_input(view: View, target: str | Path) -> None:
    """Refuse a target that is a file of the dataset, or a folder around one: the input would be deleted."""
    place = Path(os.path.realpath(target))
    if any(Path(os.path.realpath(source)).is_relative_to(place) for source in view.dataset.paths):
        raise InputError(
            f"{target} is, or holds, the dataset that is exported.",
            "Choose another place; the input is never replaced.",
        )


@dataclass(frozen=True)
class _Made:
    """The files that one step made, and their entries in the manifests."""

    what: str
    files: list[_File]
    fields: list[obs_files.ObsField] = field(default_factory=list)
    entries: list[list[Any]] = field(default_factory=list)


class _Writer:
    """The steps of one export, in the order of its files."""

    def __init__(
        self,
        view: View,
        settings: ExportSettings,
        genes: ChosenGenes,
        sink: Sink,
        report: Callable[[ExportProgress], None],
        steps_per_file: int,
    ) -> None:
        self.view, self.settings, self.genes = view, settings, genes
        self._sink, self._report = sink, report
        self.points: dict[int, Points] = {d: normalize(view.embedding(d), d) for d in view.dimensions}
        scales = {d: points.scale for d, points in self.points.items()}
        self.vectors = vector_fields(view.vectors(), scales, view.n_cells) if settings.vectors else Vectors()
        self._graph = view.graph() if settings.graph else None
        kinds = [view.kind(key) for key in view.obs_keys]
        self._has_categories = "categorical" in kinds
        n_obs = len(kinds) + kinds.count("categorical")
        n_files = len(self.points) + len(self.vectors.arrays) + n_obs + 2
        n_files += len(genes.ids) + bool(len(genes.ids)) + (0 if self._graph is None else 3)
        self.total = n_files * steps_per_file
        self.n_categories: dict[str, int] = {}
        self.gene_bytes = 0

    def run(self, dataset_id: str, created: datetime) -> None:
        """Write all files."""
        view, settings = self.view, self.settings
        fields: list[obs_files.ObsField] = []
        entries: list[list[Any]] = []
        # One stream of steps, so that threads begin with the genes while the last columns are being written.
        with ExitStack() as begun:
            # A cluster encodes the genes while the columns are written here.
            spread = view.expression is not None and view.expression.spread
            elsewhere = begun.enter_context(self._genes_elsewhere()) if spread else None
            steps = chain(self._coordinates(), self._columns(), self._gene_blocks() if elsewhere is None else ())
            for made in chain(in_order(steps, settings.threads), elsewhere or ()):
                self._add(made.what, made.files)
                fields += made.fields
                entries += made.entries
                if made.entries:
                    self.gene_bytes += sum(len(data) for _, data in made.files)
        counts = zip(view.obs_keys, (field.n_categories for field in fields), strict=True)
        self.n_categories = {key: count for key, count in counts if count is not None}
        suffix, level = settings.suffix, settings.manifest_compression
        obs = obs_files.manifest(
            fields,
            view.n_cells,
            bits=settings.obs_quantization,
            quantile=settings.centroid_quantile,
            suffix=suffix,
            compression=level,
        )
        self._add("Writing columns", [("obs_manifest.json", to_json(obs))])
        if self.genes.ids:
            var = gene_files.manifest(
                entries,
                view.n_cells,
                gene_id_column=view.mapping.gene_id,
                bits=settings.var_quantization,
                suffix=suffix,
                compression=level,
            )
            self._add("Writing genes", [("var_manifest.json", to_json(var))])
        n_edges = self._write_graph()
        payload = identity(
            settings,
            dataset_id=dataset_id,
            name=settings.name or view.dataset.name,
            created=created,
            n_cells=view.n_cells,
            n_genes=len(self.genes.ids),
            dimensions=view.dimensions,
            fields=fields,
            n_edges=n_edges,
            vectors=identity_entry(self.vectors, suffix),
        )
        self._add("Writing the identity", [("dataset_identity.json", to_json(payload, indent=2))])

    def _add(self, what: str, files: list[_File]) -> None:
        for name, data in files:
            self._sink.add(name, data)
        self._report(ExportProgress(self._sink.files, self.total, what))

    def _file(self, name: str, array: np.ndarray) -> _File:
        """Return the name and bytes of an array as they are stored."""
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        level = self.settings.compression
        return (name + ".gz", gzip_bytes(raw, level)) if level else (name, bytes(raw))

    def _coordinates(self) -> Iterator[Callable[[], _Made]]:
        arrays = [(f"points_{d}d.bin", points.array) for d, points in self.points.items()]
        arrays += [(f"vectors/{name}_{d}d.bin", array) for name, d, array in self.vectors.arrays]
        for name, array in arrays:
            yield lambda name=name, array=array: _Made(  # type: ignore[misc]
                "Writing coordinates", [self._file(name, array)]
            )

    def _columns(self) -> Iterator[Callable[[], _Made]]:
        latent = self._latent() if self._has_categories else np.zeros((0, 0), np.float32)
        points = {d: item.array for d, item in self.points.items()}
        for key in self.view.obs_keys:
            yield lambda key=key: self._column(key, points, latent)  # type: ignore[misc]

    def _latent(self) -> np.ndarray:
        with np.errstate(over="ignore"):
            latent: np.ndarray = np.ascontiguousarray(self.view.latent(), dtype=np.float32)
        if not np.isfinite(latent).all():
            raise WorkRefused(
                "The latent space has values that are not finite.", "Choose another one, or leave those cells out."
            )
        return latent

    def _column(self, key: str, points: dict[int, np.ndarray], latent: np.ndarray) -> _Made:
        field = obs_files.field_of(self.view, key, self.settings, points=lambda: points, latent=lambda: latent)
        files = [self._file(path, array) for path, array in field.files]
        # The arrays are dropped; only the manifest's entry is kept until the end.
        slim = obs_files.ObsField(field.key, field.kind, field.entry, (), field.n_categories)
        return _Made("Writing columns", files, fields=[slim])

    def _gene_blocks(self) -> Iterator[Callable[[], _Made]]:
        for block in gene_files.blocks(len(self.genes.ids), self.view.n_cells, self.settings.var_quantization):
            yield lambda block=block: self._gene_block(block)  # type: ignore[misc]

    def _gene_block(self, block: range) -> _Made:
        assert self.view.expression is not None
        genes, settings = self._genes_of(block), self.settings
        files, entries = gene_files.encode_block(
            self.view.expression, genes, settings.var_quantization, settings.compression
        )
        return _Made("Writing genes", files, entries=entries)

    def _genes_of(self, block: range) -> list[tuple[str, int]]:
        return [(self.genes.ids[index], int(self.genes.positions[index])) for index in block]

    @contextmanager
    def _genes_elsewhere(self) -> Iterator[Iterator[_Made]]:
        """Let a cluster encode the genes while the context is open; yield an iterator of the blocks in order."""
        settings = self.settings
        assert self.view.expression is not None
        blocks = gene_files.blocks(len(self.genes.ids), self.view.n_cells, settings.var_quantization)
        genes = [self._genes_of(block) for block in blocks]

        def waiting() -> None:  # the caller may want to cancel
            self._report(ExportProgress(self._sink.files, self.total, "Writing genes"))

        with encoded_elsewhere(
            self.view.expression, genes, settings.var_quantization, settings.compression, waiting
        ) as found:
            yield (_Made("Writing genes", files, entries=entries) for files, entries in found)

    def _write_graph(self) -> int | None:
        if self._graph is None:
            return None
        settings, n_cells = self.settings, self.view.n_cells
        found = graph_files.edges(self._graph)
        self._graph = None  # the graph of a million cells takes hundreds of MB
        parts = (("src", found.sources), ("dst", found.destinations))
        tasks = [
            lambda end=end, array=array: self._file(f"connectivity/edges.{end}.bin", array) for end, array in parts
        ]
        self._add("Writing the graph", list(in_order(tasks, settings.threads)))
        manifest = graph_files.manifest(found, n_cells, settings.suffix, settings.manifest_compression)
        self._add("Writing the graph", [("connectivity_manifest.json", to_json(manifest))])
        return found.n_edges
