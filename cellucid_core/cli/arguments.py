"""What the commands share: the parser, the mapping options, opening a dataset, printing results."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cellucid_core.atomic import need_folder
from cellucid_core.cli.terminal import end_bar, say, shared
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import Dataset, Mapping, View
    from cellucid_core.preflight import Scope

DONE, REFUSED, BAD_INPUT = 0, 1, 2


class Parser(argparse.ArgumentParser):
    """A parser that raises `InputError` where argparse would print its usage and exit.

    Attributes
    ----------
    later
        Adds the arguments that need slow imports; called only when this parser's command is the one that was asked for.
    """

    later: Callable[[argparse.ArgumentParser], None] | None = None

    def __init__(self, **how: Any) -> None:
        super().__init__(allow_abbrev=False, **how)  # a later option could make an abbreviation mean two

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the arguments that were left for later, then parse."""
        self.finish()
        return super().parse_known_args(args, namespace)

    def finish(self) -> None:
        """Add the arguments that were left for later."""
        later, self.later = self.later, None
        if later is not None:
            later(self)

    def error(self, message: str) -> NoReturn:
        """Raise an `InputError` that says what argparse found wrong."""
        raise InputError(f"{message[0].upper()}{message[1:]}.", f"See {self.prog} --help.")


def add_command(commands: Any, name: str, run: Callable[..., Any], help_text: str) -> Parser:
    """Add a command that `run` carries out, with ``--json`` and ``--cluster``."""
    parser: Parser = commands.add_parser(name, help=help_text, description=help_text)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask scheduler, tls://host:8786, whose workers process the parts of datasets; see docs/cluster.md",
    )
    return parser


def dataset_arguments(parser: argparse.ArgumentParser, *, replicates: bool = False) -> None:
    """Add DATASET, and the options of `sample_arguments` and `mapping_arguments`."""
    parser.add_argument(
        "dataset",
        nargs="+",
        metavar="DATASET",
        help="a file, folder or archive of any supported format, or demo; several are opened as one dataset",
    )
    sample_arguments(parser, replicates=replicates)
    mapping_arguments(parser)


def sample_arguments(parser: argparse.ArgumentParser, *, replicates: bool = False) -> None:
    """Add the options that say how several samples become one dataset.

    Parameters
    ----------
    replicates
        Whether ``--sample-column`` names the unit of replication, as in ``score``.
    """
    group = parser.add_argument_group("several samples")
    group.add_argument("--samples", metavar="A,B,…", help="names of the samples to open; all by default")
    group.add_argument(
        "--join",
        choices=["shared", "all"],
        default="shared",
        help="genes that all samples have (shared, the default), or all, with 0 where a sample lacks one",
    )
    if replicates:
        group.add_argument(
            "--sample-column",
            dest="replicates",
            metavar="COLUMN",
            help="donors or samples: the unit of replication; by default the samples that were opened as one",
        )
    else:
        group.add_argument(
            "--sample-column",
            default="sample",
            metavar="NAME",
            help="the new column that says which sample a cell comes from",
        )


def mapping_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the embeddings, matrix, columns and so on, and the fixes."""
    group = parser.add_argument_group("what is used for what")
    group.add_argument("--modality", metavar="NAME", help="of an .h5mu file, or a kind of feature of a 10x file")
    group.add_argument("--cell-metadata", metavar="FILE", help="a CSV or TSV of cell annotations, cell ids first")
    group.add_argument("--embedding", action="append", default=[], metavar="2d=KEY", help="repeatable: 1d, 2d, 3d")
    group.add_argument("--latent", metavar="KEY|none", help="obsm array for distances between cells")
    group.add_argument("--matrix", metavar="X|raw|LAYER", help="expression matrix: X, raw or a layer")
    group.add_argument("--gene-id", metavar="index|COLUMN", help="gene names: the index or a column of var")
    group.add_argument("--connectivities", metavar="KEY|none", help="obsp matrix that holds the neighbour graph")
    group.add_argument("--vectors", choices=["auto", "none"], default="auto", help="none: leave the vector fields out")
    group.add_argument("--obs-keys", metavar="A,B,…", help="obs columns to export; all by default")
    group.add_argument(
        "--kind", action="append", default=[], metavar="COLUMN=KIND", help="repeatable: categorical or continuous"
    )
    group.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="RULE[=NAME]|all",
        help="repeatable: apply that rule's fix, or a named alternative, or every safe fix",
    )
    group.add_argument(
        "--overrule", action="append", default=[], metavar="RULE", help="repeatable: declare that rule's guess wrong"
    )


def names(text: str | None) -> list[str] | None:
    """Split names at commas; a name that contains a comma is written in double quotes."""
    if text is None:
        return None
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name.strip()]


def show(text: str, options: argparse.Namespace) -> None:
    """Print a result to stdout for people; with ``--json`` nothing, as stdout is for programs then."""
    if not options.json:
        end_bar()
        print(text)


def open_view(sources: list[str], options: argparse.Namespace, scope: Scope | None = None) -> View:
    """Return the view that the arguments describe, with the requested fixes applied.

    Parameters
    ----------
    sources
        Paths or addresses, or ``demo``; several are opened as one dataset.
    options
        The parsed options of `sample_arguments` and `mapping_arguments`.
    scope
        What preflight looks at when ``--fix all`` says what it did not fix.

    Raises
    ------
    InputError
        If a source cannot be opened, or an option names something that the dataset does not have.
    """
    from cellucid_core.dataset import View, choose, default_mapping, open_dataset
    from cellucid_core.running import executor, on_cluster

    if on_cluster():
        executor()  # a cluster that cannot be reached is an error before anything is read
    dataset = open_dataset(
        sources,
        modality=options.modality,
        cell_metadata=options.cell_metadata,
        samples=names(options.samples),
        join=options.join,
        sample_column=getattr(options, "sample_column", "sample"),
    )
    for note in dataset.notes:
        say(f"Note: {note}")
    mapping = choose(
        dataset,
        default_mapping(dataset),
        embeddings=_embeddings(options.embedding),
        latent=options.latent,
        matrix=options.matrix,
        gene_id=options.gene_id,
        connectivities=options.connectivities,
        vectors=options.vectors,
        obs_keys=names(options.obs_keys),
        kinds=_kinds(options.kind),
    )
    if not options.fix and not options.overrule:
        return View(dataset, mapping)
    return _fixed(dataset, mapping, options, scope)


def _fixed(dataset: Dataset, mapping: Mapping, options: argparse.Namespace, scope: Scope | None) -> View:
    """Apply ``--overrule`` and ``--fix``, say what was done, and return the view."""
    from dataclasses import replace

    from cellucid_core.dataset import View
    from cellucid_core.preflight import ALL, Scope, apply_fixes, overrule, preflight

    for rule in options.overrule:
        mapping = overrule(mapping, rule)
    failed: dict[str, str] = {}
    mapping = apply_fixes(dataset, mapping, options.fix, replace(scope or Scope(), progress=shared(), not_fixed=failed))
    for fix in mapping.fixes:
        say(f"{'Overruled' if fix.overruled else 'Fixed'} {fix.rule}: {fix.sentence}")
    view = View(dataset, mapping)
    if ALL in options.fix:
        for finding in preflight(view, scope).findings:
            if finding.severity != "info":
                undecided = f"decide yourself with --fix {finding.rule}" if finding.fix else "there is no automatic fix"
                say(f"Not fixed {finding.rule}: {failed.get(finding.rule, undecided)}")
    return view


def _embeddings(given: list[str]) -> dict[int, str] | None:
    chosen = {}
    for item in given:
        dimension, equals, key = item.partition("=")
        if dimension.lower() not in ("1d", "2d", "3d") or not equals or not key:
            raise InputError(f"--embedding {item!r} is not understood.", "Write --embedding 2d=X_umap.")
        chosen[int(dimension[0])] = key
    return chosen or None


def _kinds(given: list[str]) -> dict[str, Any]:
    chosen = {}
    for item in given:
        column, equals, kind = item.rpartition("=")
        if not equals or kind not in ("categorical", "continuous"):
            raise InputError(f"--kind {item!r} is not understood.", "Write --kind cluster=categorical.")
        chosen[column] = kind
    return chosen


def dataset_json(view: Any) -> dict[str, Any]:
    """Return what the ``--json`` objects say about the dataset."""
    return {
        "id": view.dataset.id,
        "name": view.dataset.name,
        "n_cells": view.n_cells,
        "n_genes": view.n_genes,
        "fixes": fixes_json(view),
    }


def fixes_json(view: Any) -> list[dict[str, str]]:
    """Return the applied fixes as the ``--json`` objects list them."""
    return [{"rule": fix.rule, "sentence": fix.sentence} for fix in view.mapping.fixes]


def check_target(target: str, read: Sequence[str], *, force: bool = True) -> None:
    """Raise `InputError` if a file cannot be written, before any work is done.

    Its folder does not exist, or it is one of the files in `read`, or, without `force`, it is there already.
    """
    need_folder(Path(target))
    if os.path.realpath(target) in map(os.path.realpath, read):
        raise InputError(f"{target} is the input itself.", "Choose another file; the input is never replaced.")
    if os.path.lexists(target) and not force:
        raise InputError(f"{target} exists already.", "Choose another place, or use --force to replace it.")
