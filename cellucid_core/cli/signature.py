"""``signature build|inspect|convert|list``: build processed signatures, and read and convert signature files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cellucid_core.cli.arguments import (
    DONE,
    Parser,
    add_command,
    check_target,
    dataset_arguments,
    dataset_json,
    names,
    open_view,
    show,
)
from cellucid_core.cli.terminal import say, shared
from cellucid_core.errors import InputError

_SUFFIXES = ".pickle, .txt (Statescope), .h5, .zarr or .zip (CSV)"


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    about = "build, inspect, convert or list signatures"
    signature = commands.add_parser("signature", help=about, description=about)
    actions = signature.add_subparsers(dest="action", required=True, parser_class=Parser, metavar="ACTION")
    build = add_command(actions, "build", run_build, "build a signature from an annotated dataset")
    dataset_arguments(build)
    build.add_argument("--levels", required=True, metavar="COL[,COL…]", help="obs columns, the broadest first")
    build.add_argument("--out", required=True, metavar="FILE", help=f"the suffix picks the format: {_SUFFIXES}")
    build.add_argument("--n-hvg", type=int, metavar="N", help="highly variable genes (2000, or as many as vary)")
    build.add_argument(
        "--flavor", default="seurat", choices=["seurat", "cell_ranger", "seurat_v3"], help="as in scanpy"
    )
    build.add_argument(
        "--n-degs", type=int, metavar="N", help="marker genes (a fifth of the variable ones, at most 400)"
    )
    build.add_argument("--generations", type=int, default=5000, metavar="N", help="of the search for markers (5000)")
    build.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the search for markers (0)")
    build.add_argument("--source", default="", help="where the data come from, for the record")
    build.add_argument("--no-normalize", action="store_true", help="do not normalize values that are not logs")
    inspect = add_command(actions, "inspect", run_inspect, "say what a signature file holds; no code in it is run")
    inspect.add_argument("file", metavar="FILE", help="a signature file of any format")
    convert = add_command(actions, "convert", run_convert, "write a signature file in another format")
    convert.add_argument("file", metavar="FILE", help="a signature file of any format")
    convert.add_argument("--out", required=True, metavar="FILE", help=f"the suffix picks the format: {_SUFFIXES}")
    convert.add_argument("--level", metavar="NAME", help="for .txt, which holds one level")
    add_command(actions, "list", run_list, "name the ready sets and the entries of the library")


def run_list(options: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    """List the ready sets and the library's entries; return the exit status and the JSON list."""
    from cellucid_core.genes import ready_sets
    from cellucid_core.library import list_entries

    found: list[dict[str, Any]] = [
        {
            "name": one.name,
            "collection": one.collection,
            "species": one.species,
            "genes": len(one.genes.genes),
            "source": one.source,
            "licence": one.licence,
        }
        for one in ready_sets()
    ]
    found += [
        {
            "name": entry.id,
            "collection": "Library",
            "species": "",
            "genes": entry.levels[-1]["genes"] if entry.levels else 0,
            "source": entry.source or entry.dataset,
            "licence": "",
        }
        for entry in list_entries()
    ]
    for one in found:
        show(f"{one['collection']:12} {one['name']} ({one['genes']} genes): {one['source']}", options)
    return DONE, found


def run_build(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Build a signature from an annotated dataset and write it; return the exit status and the JSON object.

    Raises
    ------
    InputError
        If a column, a setting or the target makes no sense.
    """
    from cellucid_core.library import BuildSettings, build_signature, write_signature

    columns = names(options.levels) or []
    out = _checked_target(options.out, *options.dataset)
    if out.suffix.lower() in (".txt", ".tsv") and len(columns) > 1:
        raise InputError("A Statescope table (.txt) holds one level.", "Name one column, or write .pickle or .h5.")
    settings = BuildSettings(
        n_hvg=options.n_hvg,
        flavor=options.flavor,
        n_degs=options.n_degs,
        generations=options.generations,
        seed=options.seed,
        normalize=not options.no_normalize,
    )
    view = open_view(options.dataset, options)
    signature = build_signature(view, columns, settings, source=options.source, progress=shared())
    write_signature(signature, out)
    for problem in (*signature.record["warnings"], *signature.record["nesting"]):
        say(f"Warning: {problem}")
    _show_levels(signature, options)
    result = _result(signature)
    result["path"] = options.out
    result["dataset"] = dataset_json(view)
    return DONE, result


def run_inspect(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Say what a signature file holds; return the exit status and the JSON object."""
    from cellucid_core.library import read_signature

    signature = read_signature(options.file)
    _show_levels(signature, options)
    for note in signature.notes:
        say(f"Note: {note}")
    return DONE, _result(signature)


def run_convert(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Write a signature file in another format; return the exit status and the JSON object."""
    from cellucid_core.library import read_signature, write_signature

    out = _checked_target(options.out, options.file)
    signature = read_signature(options.file)
    write_signature(signature, out, level=options.level)
    for note in signature.notes:
        say(f"Note: {note}")
    show(options.out, options)
    return DONE, {"path": options.out, **_result(signature)}


def _result(signature: Any) -> dict[str, Any]:
    record = signature.record
    return {
        "dataset": signature.dataset,
        "source": signature.source,
        "created_at": signature.created_at,
        "levels": [
            {
                **level.summary(),
                "cell_types": level.cell_types,
                "cells": list(level.cells.values()),
                "unlabelled": level.unlabelled,
                "deg_names": level.degs,
            }
            for level in signature.levels
        ],
        "warnings": list(record.get("warnings", [])),
        "nesting": list(record.get("nesting", [])),
        "notes": signature.notes,
    }


def _show_levels(signature: Any, options: argparse.Namespace) -> None:
    for level in signature.levels:
        show(
            f"{level.name}: {len(level.cell_types):,} cell types, {len(level.mean):,} genes, {len(level.hvgs):,} "
            f"highly variable, {len(level.degs):,} DEGs",
            options,
        )


def _checked_target(out: str, *sources: str) -> Path:
    """Return the target; refuse, before any work is done, one that cannot be written."""
    from cellucid_core.library.formats import suffix_of

    suffix_of(out)
    check_target(out, sources)
    return Path(out)
