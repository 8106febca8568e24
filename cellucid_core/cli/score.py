"""``score``: score a gene signature."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from cellucid_core.cli.arguments import (
    DONE,
    add_command,
    dataset_arguments,
    dataset_json,
    names,
    open_view,
    say,
    show,
    write_atomically,
)
from cellucid_core.errors import InputError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    score = add_command(commands, "score", run, "score a gene signature")
    dataset_arguments(score, replicates=True)
    score.add_argument("--genes", required=True, metavar="A,B,…|@FILE")
    score.add_argument("--method", default="mean", choices=["mean", "sum", "median", "score_genes", "ucell"])
    score.add_argument("--normalize", default="none", choices=["none", "zscore", "minmax"])
    score.add_argument("--repeats", default="once", choices=["once", "count"])
    score.add_argument("--group-by", metavar="COLUMN")
    score.add_argument("--pages", metavar="A,B,…", help="categories of the column, in the order to compare")
    score.add_argument("--rest-of", metavar="A", help="compare a page with all other cells")
    score.add_argument("--seed", type=int, default=0)
    score.add_argument("--out", metavar="FILE.csv", help="write one row per page and cell")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Run the command; return its status and its JSON object."""
    from cellucid_core.cell_pages import choose_pages
    from cellucid_core.genes import gene_set_argument
    from cellucid_core.signature import run_signature, write_csv
    from cellucid_core.signature.reporting import tests_table

    _check_scores_file(options)
    if not 0 <= options.seed < 2**32:
        raise InputError(f"The seed cannot be {options.seed}.", "Use a whole number from 0 to 4294967295.")
    view = open_view(options.dataset, options)
    genes, notes = gene_set_argument(options.genes)
    pages = None
    if options.group_by is not None:
        pages = choose_pages(view, options.group_by, names(options.pages), options.rest_of)
    elif options.pages is not None or options.rest_of is not None:
        raise InputError("--pages and --rest-of name categories of a column.", "Add --group-by COLUMN.")
    run = run_signature(
        view,
        genes,
        method=options.method,
        normalize=options.normalize,
        repeats=options.repeats,
        pages=pages,
        sample_key=_replicates(view, options),
        seed=options.seed,
    )
    if options.out is not None:
        write_atomically(lambda path: write_csv(run.table(view), path), Path(options.out))
    show(run.headline, options)
    if run.match.missing:
        show(f"Not found: {', '.join(run.match.missing)}", options)
    show(run.summary.to_string(index=False), options)
    if run.tests:
        show(tests_table(run.tests).to_string(index=False), options)
    for warning in (*notes, *run.warnings):
        say(f"Warning: {warning}")
    result = run.to_json()
    result["dataset"] = dataset_json(view)
    if options.out is not None:
        result["path"] = options.out
    return DONE, result


def _replicates(view: Any, options: argparse.Namespace) -> str | None:
    """Return the column of donors or samples: the one asked for, else that of the samples that were joined."""
    column = options.replicates or view.dataset.sample_column or None
    return None if options.replicates is None and column == options.group_by else column


def _check_scores_file(options: argparse.Namespace) -> None:
    if options.out is None:
        return
    if Path(options.out).suffix.lower() != ".csv":
        raise InputError(f"{options.out} does not end in .csv.", "Name the file scores.csv, for example.")
    if os.path.realpath(options.out) in map(os.path.realpath, options.dataset):
        raise InputError(f"{options.out} is the dataset itself.", "Choose another file; the input is never replaced.")
