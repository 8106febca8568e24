"""The command line: the same core as the pages, for pipelines and checks.

Exit status: 0 done; 1 the work says no (preflight errors, a failed verification); 2 bad arguments or an input that
cannot be opened. Messages go to stderr; with ``--json`` exactly one JSON object goes to stdout, also when it failed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cellucid_core.atomic import complete_or_absent
from cellucid_core.errors import CellucidError, InputError, WorkRefused

DONE, REFUSED, BAD_INPUT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        options = _parser().parse_args(given)
        _check_environment()
        status, result = options.run(options)
        if as_json:
            print(json.dumps(result, allow_nan=False, ensure_ascii=False))
        sys.stdout.flush()
    except WorkRefused as error:
        return _failed(error, REFUSED, as_json)
    except CellucidError as error:
        return _failed(error, BAD_INPUT, as_json)
    except BrokenPipeError:
        # Whoever read stdout has seen enough; what is left must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except MemoryError:
        return _failed(InputError("There is not enough memory.", "Use a larger machine."), BAD_INPUT, as_json)
    except OSError as error:
        # A draft's hidden name means nothing to the user; its folder does.
        name = Path(str(error.filename or ""))
        where = f" ({name.parent if name.name.startswith('.') else name})" if error.filename else ""
        mend = "Check the path, its permissions and the free disk space."
        return _failed(InputError(f"{error.strerror or error}{where}.", mend), BAD_INPUT, as_json)
    return int(status)


def _check_environment() -> None:
    """Refuse a malformed ``SOURCE_DATE_EPOCH`` before a library that reads it on import fails with a traceback."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if epoch and not (epoch.isascii() and epoch.isdigit()):
        raise InputError(f"SOURCE_DATE_EPOCH is {epoch!r}, which is no time.", "Give whole seconds since 1970.")


def _failed(error: CellucidError, status: int, as_json: bool) -> int:
    print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
    if as_json:
        details = error.details if isinstance(error, WorkRefused) else {}
        print(json.dumps({"error": error.what, "mend": error.mend, **details}, allow_nan=False, ensure_ascii=False))
    return status


# ---- arguments ----------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[0].upper()}{message[1:]}.", f"See {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m cellucid_core", description="Check, export and score single-cell data.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser, metavar="COMMAND")

    check = _command(commands, "preflight", _preflight, "say what is wrong with a dataset")
    _dataset_arguments(check)
    check.add_argument("--html", metavar="FILE", help="also write the report as one HTML page")

    export = _command(commands, "export", _export, "write a Cellucid dataset")
    _dataset_arguments(export)
    export.add_argument("--out", required=True, metavar="PATH", help="a .zip file, or a folder")
    export.add_argument("--format", default="compact", choices=["compact"])
    export.add_argument("--genes", default="all", metavar="all|hvg:N|A,B,…|@FILE")
    export.add_argument("--var-quantization", default="8", metavar="8|16|none")
    export.add_argument("--obs-quantization", default="8", metavar="8|16|none")
    export.add_argument("--categorical-dtype", default="auto", choices=["auto", "uint8", "uint16"])
    export.add_argument("--compression", type=int, default=6, metavar="0..9")
    export.add_argument("--centroid-min-points", type=int, default=10, metavar="N")
    export.add_argument("--centroid-quantile", default="0.95", metavar="Q|none")
    for name in ("id", "name", "description", "source-name", "source-url", "source-citation"):
        export.add_argument(f"--{name}")
    export.add_argument("--threads", type=int, metavar="N")
    export.add_argument("--force", action="store_true", help="replace what is there")
    export.add_argument("--no-verify", action="store_true", help="do not read the export back")

    verify = _command(commands, "verify", _verify, "check an export")
    verify.add_argument("export", metavar="EXPORT", help="zip or folder")
    verify.add_argument("--against", metavar="DATASET", help="compare every value with this dataset")
    _mapping_arguments(verify)

    score = _command(commands, "score", _score, "score a gene signature")
    _dataset_arguments(score)
    score.add_argument("--genes", required=True, metavar="A,B,…|@FILE")
    score.add_argument("--method", default="mean", choices=["mean", "sum", "median", "score_genes", "ucell"])
    score.add_argument("--normalize", default="none", choices=["none", "zscore", "minmax"])
    score.add_argument("--repeats", default="once", choices=["once", "count"])
    score.add_argument("--group-by", metavar="COLUMN")
    score.add_argument("--pages", metavar="A,B,…", help="categories of the column, in the order to compare")
    score.add_argument("--rest-of", metavar="A", help="compare a page with all other cells")
    score.add_argument("--sample-column", metavar="COLUMN", help="donors or samples: the unit of replication")
    score.add_argument("--seed", type=int, default=0)
    score.add_argument("--out", metavar="FILE.csv", help="write one row per page and cell")

    demo = _command(commands, "demo", _demo, "write the demo dataset")
    demo.add_argument("--out", required=True, metavar="FILE.h5ad")
    return parser


def _command(commands: Any, name: str, run: Callable[..., Any], help_text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_text, description=help_text)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _dataset_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a file or folder of any supported format, or demo")
    _mapping_arguments(parser)


def _mapping_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is taken as what")
    group.add_argument("--modality", metavar="NAME", help="of an .h5mu file, or a kind of feature of a 10x file")
    group.add_argument("--cell-metadata", metavar="FILE", help="a CSV or TSV of cell annotations, cell ids first")
    group.add_argument("--embedding", action="append", default=[], metavar="2d=KEY", help="repeatable: 1d, 2d, 3d")
    group.add_argument("--latent", metavar="KEY")
    group.add_argument("--matrix", metavar="X|raw|LAYER")
    group.add_argument("--gene-id", metavar="index|COLUMN")
    group.add_argument("--connectivities", metavar="KEY|none")
    group.add_argument("--vectors", choices=["auto", "none"], default="auto")
    group.add_argument("--obs-keys", metavar="A,B,…")
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


def _names(text: str | None) -> list[str] | None:
    """Split names at commas; a name that holds a comma stands in double quotes."""
    if text is None:
        return None
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name.strip()]


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _show(text: str, options: argparse.Namespace) -> None:
    """Print a result for people, unless a program reads stdout."""
    if not options.json:
        print(text)


# ---- commands -----------------------------------------------------------------------------------------------------


def _open(source: str, options: argparse.Namespace, scope: Any = None) -> Any:
    """Return the view that the arguments describe, with the asked fixes applied."""
    from cellucid_core.dataset import View, choose, default_mapping, open_dataset
    from cellucid_core.preflight import apply_fixes, overrule

    dataset = open_dataset(source, modality=options.modality, cell_metadata=options.cell_metadata)
    for note in dataset.notes:
        _say(f"Note: {note}")
    mapping = choose(
        dataset,
        default_mapping(dataset),
        embeddings=_embeddings(options.embedding),
        latent=options.latent,
        matrix=options.matrix,
        gene_id=options.gene_id,
        connectivities=options.connectivities,
        vectors=options.vectors,
        obs_keys=_names(options.obs_keys),
    )
    for rule in options.overrule:
        mapping = overrule(mapping, rule)
    mapping = apply_fixes(dataset, mapping, options.fix, _watched(scope))
    for fix in mapping.fixes:
        _say(f"{'Overruled' if fix.overruled else 'Fixed'} {fix.rule}: {fix.sentence}")
    return View(dataset, mapping)


def _watched(scope: Any) -> Any:
    """Return the scope with what fixes that compute for long say on a terminal."""
    from dataclasses import replace

    from cellucid_core.preflight import Scope

    if not sys.stderr.isatty():
        return scope
    return replace(scope or Scope(), progress=lambda what, share: _say(f"{what} ({share:.0%})"))


def _embeddings(given: list[str]) -> dict[int, str] | None:
    chosen = {}
    for item in given:
        dimension, equals, key = item.partition("=")
        if dimension.lower() not in ("1d", "2d", "3d") or not equals or not key:
            raise InputError(f"--embedding {item!r} is not understood.", "Write --embedding 2d=X_umap.")
        chosen[int(dimension[0])] = key
    return chosen or None


def _dataset_json(view: Any) -> dict[str, Any]:
    return {
        "id": view.dataset.id,
        "name": view.dataset.name,
        "n_cells": view.n_cells,
        "n_genes": view.n_genes,
        "fixes": _fixes_json(view),
    }


def _fixes_json(view: Any) -> list[dict[str, str]]:
    return [{"rule": fix.rule, "sentence": fix.sentence} for fix in view.mapping.fixes]


def _preflight(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    from cellucid_core.preflight import preflight, report_html, report_json

    view = _open(options.dataset, options)
    report = preflight(view)
    _show(f"{view.dataset.name}: {view.n_cells:,} cells, {view.n_genes:,} genes: {report.status}", options)
    for finding in report.findings:
        _show(f"{finding.severity:8} {finding.rule}: {finding.title}. {finding.detail}", options)
        if finding.fix:
            _show(f"         fix: {finding.fix} (--fix {finding.rule})", options)
        for name, does in finding.alternatives:
            _show(f"         or:  {does} (--fix {finding.rule}={name})", options)
    result = report_json(view, report)
    if options.html is not None:
        _write_atomically(lambda path: path.write_text(report_html(view, report), encoding="utf-8"), Path(options.html))
        result["path"] = options.html
    return (REFUSED if report.status == "blocked" else DONE), result


def _export(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    import time

    import anndata  # noqa: F401  # imported before the clock starts: the contract leaves imports out

    from cellucid_core.export import ExportSettings, parse_bits, parse_gene_choice, parse_quantile, write
    from cellucid_core.preflight import Scope

    genes = parse_gene_choice(options.genes)
    chosen: dict[str, Any] = {} if options.threads is None else {"threads": options.threads}
    settings = ExportSettings(
        genes=genes,
        var_quantization=parse_bits(options.var_quantization),
        obs_quantization=parse_bits(options.obs_quantization),
        categorical_dtype=options.categorical_dtype,
        compression=options.compression,
        centroid_min_points=options.centroid_min_points,
        centroid_quantile=parse_quantile(options.centroid_quantile),
        dataset_id=options.id,
        name=options.name,
        description=options.description or "",
        source_name=options.source_name or "",
        source_url=options.source_url or "",
        source_citation=options.source_citation or "",
        **chosen,
    )
    started = time.perf_counter()
    named = frozenset(genes.ids) if genes.kind == "list" else None
    scope = Scope(
        categorical_dtype=options.categorical_dtype,
        genes=named,
        n_genes={"hvg": genes.n, "none": 0}.get(genes.kind),
        var_bits=settings.var_quantization,
        compression=settings.compression,
    )
    view = _open(options.dataset, options, scope)
    _require_ready(view, scope)
    result = write(
        view,
        settings,
        Path(options.out),
        force=options.force,
        verify=not options.no_verify,
        progress=_progress_line(),
    )
    seconds = time.perf_counter() - started
    for warning in result.warnings:
        _say(f"Warning: {warning}")
    _show(f"{result.path}: {result.files:,} files, {result.bytes:,} bytes, {seconds:.1f} s", options)
    if result.verified:
        _show(f"Verified: the largest error is {result.max_error_steps:.2f} quantization steps", options)
    return DONE, {
        "path": str(result.path),
        "files": result.files,
        "bytes": result.bytes,
        "seconds": round(seconds, 3),
        "n_cells": result.n_cells,
        "n_genes": result.n_genes,
        "verified": result.verified,
        "max_error_steps": result.max_error_steps,
        "fixes": _fixes_json(view),
        "warnings": list(result.warnings),
    }


def _require_ready(view: Any, scope: Any) -> None:
    from cellucid_core.preflight import preflight

    report = preflight(view, scope)
    # Names that differ only in letter case are a warning, but the exporter must not write them to one file.
    errors = [*report.of("error"), *(f for f in report.of("warning") if f.rule == "key-case-collision")]
    if not errors:
        return
    reasons = " ".join(f"[{finding.rule}] {finding.title}." for finding in errors)
    fixable = [f"--fix {finding.rule}" for finding in errors if finding.fix]
    raise WorkRefused(
        f"Preflight blocks the export: {reasons}",
        f"Apply {' '.join(fixable)}, or mend the file." if fixable else "Mend the file; preflight says what is wrong.",
        details={"status": "blocked", "findings": [finding.to_json() for finding in report.findings]},
    )


def _progress_line() -> Callable[[Any], None] | None:
    """Return a progress display on one line of a terminal, or None where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def show(progress: Any) -> None:
        width = shutil.get_terminal_size().columns - 1
        line = f"{progress.what} {progress.done:,} of {progress.total:,}"[:width]
        end = "\n" if progress.done >= progress.total else "\r"
        print(line.ljust(width), end=end, file=sys.stderr, flush=True)

    return show


def _verify(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    from cellucid_core.export import verify

    view = _open(options.against, options) if options.against else None
    report = verify(Path(options.export), view)
    _show(f"{options.export}: {'sound' if report.ok else 'not sound'}, {report.checked_files:,} files checked", options)
    for problem in report.problems:
        _say(f"Problem: {problem}")
    result = {
        "ok": report.ok,
        "problems": list(report.problems),
        "checked_files": report.checked_files,
        "max_error_steps": report.max_error_steps,
    }
    return (DONE if report.ok else REFUSED), result


def _score(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    from cellucid_core.cell_pages import choose_pages
    from cellucid_core.dataset import gene_text
    from cellucid_core.signature import run_signature, tests_table, write_csv

    _check_scores_file(options)
    if not 0 <= options.seed < 2**32:
        raise InputError(f"The seed cannot be {options.seed}.", "Use a whole number from 0 to 4294967295.")
    view = _open(options.dataset, options)
    pages = None
    if options.group_by is not None:
        pages = choose_pages(view, options.group_by, _names(options.pages), options.rest_of)
    elif options.pages is not None or options.rest_of is not None:
        raise InputError("--pages and --rest-of name categories of a column.", "Add --group-by COLUMN.")
    run = run_signature(
        view,
        gene_text(options.genes),
        method=options.method,
        normalize=options.normalize,
        repeats=options.repeats,
        pages=pages,
        sample_key=options.sample_column,
        seed=options.seed,
    )
    if options.out is not None:
        _write_atomically(lambda path: write_csv(run.table(view), path), Path(options.out))
    _show(run.headline, options)
    if run.match.missing:
        _show(f"Not found: {', '.join(run.match.missing)}", options)
    _show(run.summary.to_string(index=False), options)
    if run.tests:
        _show(tests_table(run.tests).to_string(index=False), options)
    for warning in run.warnings:
        _say(f"Warning: {warning}")
    result = run.to_json()
    result["dataset"] = _dataset_json(view)
    if options.out is not None:
        result["path"] = options.out
    return DONE, result


def _check_scores_file(options: argparse.Namespace) -> None:
    if options.out is None:
        return
    if Path(options.out).suffix.lower() != ".csv":
        raise InputError(f"{options.out} does not end in .csv.", "Name the file scores.csv, for example.")
    if os.path.realpath(options.out) == os.path.realpath(options.dataset):
        raise InputError(f"{options.out} is the dataset itself.", "Choose another file; the input is never replaced.")


def _write_atomically(write: Callable[[Path], object], target: Path) -> None:
    """Write a file so that the target is complete or as it was."""
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}.", "Make it first, or name another file.")
    with complete_or_absent(target) as draft:
        write(draft)


def _demo(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    from cellucid_core.dataset import write_demo

    target = Path(options.out)
    if target.suffix != ".h5ad":
        raise InputError(f"{target.name} does not end in .h5ad.", "Name the file demo.h5ad, for example.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}.", "Make it first, or name another file.")
    write_demo(target)
    _show(str(target), options)
    return DONE, {"path": str(target)}
