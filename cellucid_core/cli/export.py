"""``export``: write a Cellucid dataset."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from cellucid_core.cli.arguments import (
    DONE,
    add_command,
    dataset_arguments,
    fixes_json,
    open_view,
    show,
)
from cellucid_core.cli.terminal import counted, say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    export = add_command(commands, "export", run, "write a Cellucid dataset")
    dataset_arguments(export)
    export.add_argument(
        "--out", required=True, metavar="PATH", help="a .zip file, or a folder; a .h5ad or .zarr.zip file"
    )
    export.add_argument(
        "--genes",
        action="append",
        metavar="all|none|hvg:N|markers:COLUMN:N|A,B,…|@FILE",
        help="repeatable: a union; each gene once, in the order given",
    )
    export.later = _settings_arguments
    export.add_argument("--force", action="store_true", help="replace what is there")
    export.add_argument("--no-verify", action="store_true", help="do not read the export back")


def _settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the option of each export setting that has one; an option that is not given keeps the setting's default."""
    from cellucid_core.export import options

    for name, shown in options().items():
        option = shown.pop("option")
        parser.add_argument(option, dest=name, default=argparse.SUPPRESS, **shown)


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Write the export; return the exit status and the JSON object.

    Raises
    ------
    WorkRefused
        If preflight blocks the export, or the written values differ from their source.
    InputError
        If an option makes no sense, or the target cannot be written.
    """
    import time

    import anndata  # noqa: F401  # imported before the clock starts: "seconds" leaves imports out

    from cellucid_core.export import ExportSettings, parse_gene_choice, write
    from cellucid_core.export import options as settings_options
    from cellucid_core.export.cellucid_ready import check_target
    from cellucid_core.preflight import Scope, require_ready

    given = {name: getattr(options, name) for name in settings_options() if hasattr(options, name)}
    genes = parse_gene_choice(options.genes or "all")
    settings = ExportSettings(genes=genes, launch=_named(options), **given)
    started = time.perf_counter()
    scope = Scope.of(settings)
    if settings.format != "compact":
        check_target(options.out, settings.format)
    # As on the page, fixes apply to all genes: genes are chosen afterwards.
    view = open_view(options.dataset, options, replace(scope, genes=None))
    require_ready(view, scope, keys_are_files=settings.format == "compact")
    result = write(
        view,
        settings,
        Path(options.out),
        force=options.force,
        verify=not options.no_verify,
        progress=counted(),
    )
    seconds = time.perf_counter() - started
    for warning in result.warnings:
        say(f"Warning: {warning}")
    files = f"{result.files:,} file{'' if result.files == 1 else 's'}"
    show(f"{result.path}: {files}, {result.bytes:,} bytes, {seconds:.1f} s", options)
    if result.verified and settings.format != "compact":
        show("Verified: every value equals its source, in float32", options)
    elif result.verified:
        errors = f"largest error {result.max_error_steps:.2f} quantization steps"
        show(f"All {result.arrays:,} arrays verified, {errors}", options)
    return DONE, {
        "path": str(result.path),
        "files": result.files,
        "bytes": result.bytes,
        "seconds": round(seconds, 3),
        "n_cells": result.n_cells,
        "n_genes": result.n_genes,
        "verified": result.verified,
        "max_error_steps": result.max_error_steps,
        "arrays": result.arrays,
        "sha256": result.sha256,
        "fixes": fixes_json(view),
        "warnings": list(result.warnings),
    }


def _named(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the choices that the user named: the viewer is told these even where they are the usual ones."""
    given = {"embeddings": options.embedding, "gene_id": options.gene_id, "latent": options.latent}
    return tuple(name for name, value in given.items() if value)
