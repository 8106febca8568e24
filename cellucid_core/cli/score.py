"""``score``: score a gene signature."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellucid_core.atomic import write_file
from cellucid_core.cli.arguments import (
    DONE,
    add_command,
    check_target,
    dataset_arguments,
    dataset_json,
    names,
    open_view,
    show,
)
from cellucid_core.cli.terminal import say
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.signature import MethodOptions


def add(commands: Any) -> None:
    """Add the command to the parser."""
    score = add_command(commands, "score", run, "score a gene signature")
    dataset_arguments(score, replicates=True)
    score.add_argument("--genes", metavar="A,B,…|@FILE|set:NAME", help="genes, a file of genes, or a ready set")
    score.add_argument("--gene-sets", metavar="FILE", help="score all sets of a file, or with --gene-set one of them")
    score.add_argument("--gene-set", metavar="NAME", help="which set of the file; of a signed pair also NAME_UP alone")
    score.add_argument(
        "--pairs", choices=["together", "apart"], default="together", help="NAME_UP and NAME_DN: one signed set, or two"
    )
    score.add_argument(
        "--accept-proposals", action="store_true", help="accept the proposal for a missing gene if there is only one"
    )
    methods = ["mean", "sum", "median", "score_genes", "ucell", "aucell", "zscore", "ulm", "ssgsea"]
    score.add_argument("--method", default="mean", choices=methods, help="how cells are scored (mean)")
    score.add_argument("--max-rank", type=int, metavar="N", help="ucell: the largest rank that counts (1500)")
    score.add_argument("--top-share", type=float, metavar="F", help="aucell: the top share of genes (0.05)")
    score.add_argument("--ctrl-size", type=int, metavar="N", help="score_genes: control genes of each bin (50)")
    score.add_argument("--n-bins", type=int, metavar="N", help="score_genes: bins of mean expression (25)")
    score.add_argument(
        "--normalize", default="none", choices=["none", "zscore", "minmax"], help="scale of the scores (none)"
    )
    score.add_argument(
        "--repeats", default="once", choices=["once", "count"], help="count a repeated gene once, or each time (once)"
    )
    score.add_argument(
        "--group-by", metavar="COLUMN", help="obs column whose categories are the pages (named groups of cells)"
    )
    score.add_argument("--pages", metavar="A,B,…", help="categories of the column, in the order to compare")
    score.add_argument("--rest-of", metavar="A", help="compare a page with all other cells")
    score.add_argument("--split", metavar="COLUMN", help="compare the 2 to 8 values of this column within each page")
    score.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all random choices (0)")
    score.add_argument("--out", metavar="FILE.csv", help="write one row per page and cell")
    score.add_argument("--html", metavar="FILE", help="also write the analysis of one signature as an HTML page")
    score.add_argument("--force", action="store_true", help="replace the file of --out if it is there")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Score one signature, or all sets of a file; return the exit status and the JSON object.

    Raises
    ------
    InputError
        If options contradict each other, no gene is found, or a file cannot be read or written.
    """
    from cellucid_core.cell_pages import choose_pages
    from cellucid_core.genes import gene_set_argument, read_gene_sets
    from cellucid_core.signature import joined_column, run_signature, write_csv
    from cellucid_core.signature.reporting import split_sentence, split_table, tests_table

    _check_files(options)
    if not 0 <= options.seed < 2**32:
        raise InputError(f"The seed cannot be {options.seed}.", "Use a whole number from 0 to 4294967295.")
    if (options.genes is None) == (options.gene_sets is None):
        raise InputError("The genes are missing, or given twice.", "Give --genes A,B,… or --gene-sets FILE.")
    together = options.pairs == "together"
    sets = None
    if options.gene_sets is not None and options.gene_set is None:
        if options.html is not None or options.split is not None:
            raise InputError("--html and --split work on one set of genes.", "Add --gene-set NAME.")
        sets = read_gene_sets(Path(options.gene_sets), pairs=together)
    else:
        argument = options.genes if options.gene_sets is None else f"@{options.gene_sets}"
        genes, notes = gene_set_argument(argument, options.gene_set, pairs=together)
    view = open_view(options.dataset, options)
    pages = None
    if options.group_by is not None:
        pages = choose_pages(view, options.group_by, names(options.pages), options.rest_of)
    elif options.pages is not None or options.rest_of is not None:
        raise InputError("--pages and --rest-of name categories of a column.", "Add --group-by COLUMN.")
    if sets is not None:
        return _score_sets(view, sets, pages, options)
    run = run_signature(
        view,
        genes,
        method=options.method,
        normalize=options.normalize,
        repeats=options.repeats,
        pages=pages,
        sample_key=options.replicates or joined_column(view, pages),
        split_key=options.split,
        seed=options.seed,
        options=_method_options(options),
        # A ready set has human symbols: they are replaced by the dataset's names for them, and a note says so.
        accept_proposals=options.accept_proposals or (options.genes or "").startswith("set:"),
    )
    notes = [*notes, *run.match.notes]
    if options.out is not None:
        write_file(options.out, lambda draft: write_csv(run.table(view), draft))
    if options.html is not None:
        from cellucid_core.reports import signature_html

        write_file(options.html, signature_html(view, run))
    show(run.headline, options)
    if run.match.missing:
        show(f"Not found: {', '.join(run.match.missing)}", options)
    for gene, some in run.match.proposals.items():
        show(f"{gene} could be {' or '.join(f'{one.gene} ({one.reason})' for one in some[:3])}", options)
    for asked, taken in run.match.replaced.items():
        show(f"{asked} was replaced by {taken}", options)
    show(run.summary.to_string(index=False), options)
    if run.tests:
        show(tests_table(run.tests, run.pages).to_string(index=False), options)
    if run.split is not None:
        show(f"Within each page: {split_sentence(run.split, run.pages)}", options)
        show(split_table(run.split, run.pages).to_string(index=False), options)
    for note in notes:
        say(f"Note: {note}")
    for warning in run.warnings:
        say(f"Warning: {warning}")
    result = run.to_json()
    if run.split is not None:
        result["split"] = run.split.to_json(run.pages)
    result["dataset"] = dataset_json(view)
    if options.out is not None:
        result["path"] = options.out
    return DONE, result


def _method_options(options: argparse.Namespace) -> MethodOptions:
    from cellucid_core.signature import MethodOptions

    names = ("max_rank", "top_share", "ctrl_size", "n_bins")
    return MethodOptions(**{name: getattr(options, name) for name in names if getattr(options, name) is not None})


def _score_sets(view: Any, sets: Any, pages: Any, options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Score all sets of a file; the CSV has one column for each set."""
    import warnings as python_warnings

    import numpy as np

    from cellucid_core.signature import score_many, wide_csv

    one_only = {
        "--normalize": options.normalize != "none",
        "--sample-column": options.replicates is not None,
    }
    for option in [option for option, given in one_only.items() if given]:
        raise InputError(f"{option} works on one set of genes.", "Name one with --gene-set NAME.")
    many = score_many(
        view,
        sets.signatures,
        method=options.method,
        pages=pages,
        repeats=options.repeats,
        seed=options.seed,
        options=_method_options(options),
        accept_proposals=options.accept_proposals,
        propose=True,
    )
    if options.out is not None:
        text = "".join(wide_csv(view, many, cells_only=True))
        write_file(options.out, text)
    show(many.table.to_string(index=False), options)
    for note in sets.notes:
        say(f"Note: {note}")
    unscored = many.table[many.table["note"] != ""]
    warnings = [f"{name}: {note}" for name, note in zip(unscored["signature"], unscored["note"], strict=True)]
    for warning in warnings:
        say(f"Warning: {warning}")
    long = many.long
    if many.scores is not None:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")  # pages without any score
            medians = [np.nanmedian(scores[page.cells]) for scores in many.scores for page in many.pages]
        long = long.assign(median=medians)
    numbers = long.astype(object).where(long.notna(), None)
    rows = {name: part.drop(columns="signature") for name, part in numbers.groupby("signature", sort=False)}
    result: dict[str, Any] = {
        "genes": {
            key: list(dict.fromkeys(gene for match in many.matches for gene in getattr(match, key)))
            for key in ("found", "missing", "repeated")
        }
        | {
            "proposals": {
                gene: [one.gene for one in some] for match in many.matches for gene, some in match.proposals.items()
            },
            "replaced": {asked: taken for match in many.matches for asked, taken in match.replaced.items()},
        },
        "signatures": [
            {
                "name": one.name,
                "found": match.found,
                "missing": match.missing,
                "pages": rows[one.name].to_dict("records"),
            }
            for one, match in zip(many.signatures, many.matches, strict=True)
        ],
        "method": options.method,
        "seed": options.seed,
        "pages": [{"page": page.name, "n": page.n} for page in many.pages],
        "tests": [],
        "warnings": warnings,
        "dataset": dataset_json(view),
    }
    if options.out is not None:
        result["path"] = options.out
    return DONE, result


def _check_files(options: argparse.Namespace) -> None:
    read = [*options.dataset, *([options.gene_sets] if options.gene_sets else [])]
    if (options.genes or "").startswith("@"):
        read.append(options.genes[1:])
    if options.out is not None:
        if Path(options.out).suffix.lower() != ".csv":
            raise InputError(f"{options.out} does not end in .csv.", "Name the file scores.csv, for example.")
        check_target(options.out, read, force=options.force)
    if options.html is not None:
        check_target(options.html, read)
