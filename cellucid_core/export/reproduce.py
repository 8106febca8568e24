"""Do it again: the command line, and the Python lines, that write the same file."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from cellucid_core.dataset import SAMPLE, Dataset, Mapping, default_mapping
from cellucid_core.export.gene_choice import GeneChoice, quoted_gene
from cellucid_core.export.settings import LAUNCH, ExportSettings, options

#: Longer lists of genes go into a file: command lines end at 128 kB, and nobody reads them.
MOST_LISTED = 50


@dataclass(frozen=True)
class Again:
    """How to write an export once more.

    Attributes
    ----------
    command
        A command for a shell, one option per line.
    python
        A Python script that uses the public API.
    files
        Name → content of the files with lists of genes; command and script read them from the current folder.
    """

    command: str
    python: str
    files: MappingABC[str, str]


def do_again(
    dataset: Dataset,
    choices: Mapping,
    fixes: Sequence[str],
    settings: ExportSettings,
    *,
    source: str,
    target: str,
    modality: str | None = None,
    cell_metadata: str | None = None,
    samples: MappingABC[str, str] | Sequence[str] | None = None,
) -> Again:
    """Return the command and the script that write the same export from the same file.

    Parameters
    ----------
    dataset
        The dataset that was exported.
    choices
        Its mapping before fixes.
    fixes
        The fixes that were asked for, in order, as `cellucid_core.preflight.apply_fixes` takes them.
    settings
        How it was written. The id and the name are always given: without them they would follow from the file's name.
    source, target
        The file's name, or ``demo``; the name of the export.
    modality, cell_metadata
        As they were given when the dataset was opened.
    samples
        For a dataset of several samples: name → file, or the names of the samples in `source`.
    """
    settings = replace(
        settings,
        dataset_id=settings.dataset_id or dataset.id,
        name=settings.name or dataset.name,
        # No option is needed to leave out what the dataset does not have.
        graph=settings.graph or choices.connectivities is None,
        vectors=settings.vectors or not choices.vectors,
    )
    files: dict[str, str] = {}
    genes = [_in_file(part, files) for part in settings.genes.each]
    opened = {"modality": modality, "cell_metadata": cell_metadata}
    chosen = _choices(dataset, choices)
    words: list[tuple[str, ...]] = [(f"--{name.replace('_', '-')}", value) for name, value in opened.items() if value]
    sources = [source]
    joined: dict[str, Any] = {}
    if dataset.parts:
        joined |= {"join": dataset.join} if dataset.join != "shared" else {}
        joined |= {"sample_column": dataset.sample_column} if dataset.sample_column != SAMPLE else {}
        words += [(f"--{name.replace('_', '-')}", value) for name, value in joined.items()]
        if isinstance(samples, MappingABC):
            sources = list(samples.values())
        elif samples is not None:
            joined["samples"] = list(samples)
            words.append(("--samples", _row(samples)))
    words += _mapping_words(chosen, settings)
    words += [("--fix", asked) for asked in fixes]
    gene_words: list[str] = []
    if settings.genes != GeneChoice():
        for part, file in zip(settings.genes.each, genes, strict=True):
            gene_words += [f"@{file}"] if file else part.to_words()
    words += [("--genes", word) for word in gene_words]
    changed = _changed(settings)
    known = options()
    words += [(known[name]["option"], _text(value)) for name, value in changed.items() if name in known]
    start = [
        "python",
        "-m",
        "cellucid_core",
        "export",
        *(f"./{one}" if one.startswith("-") else one for one in sources),
    ]
    lines = [shlex.join(start), _option("--out", target), *(_option(*word) for word in words)]
    what = dict(samples) if isinstance(samples, MappingABC) and dataset.parts else source
    script = _script({**opened, **joined}, chosen, fixes, gene_words, changed, what, target)
    return Again(" \\\n    ".join(lines), script, files)


def _in_file(part: GeneChoice, files: dict[str, str]) -> str | None:
    """Return the name of the file that a long list of genes goes into, and put its content into `files`."""
    if part.kind != "list" or len(part.ids) <= MOST_LISTED:
        return None
    name = f"genes-{len(files) + 1}.txt" if files else "genes.txt"
    # The header keeps the reader from taking the first gene for one.
    files[name] = "".join(f"{line}\n" for line in ("gene", *map(quoted_gene, part.ids)))
    return name


def named_choices(dataset: Dataset, choices: Mapping) -> tuple[str, ...]:
    """Return those of `settings.LAUNCH` in which the user's choice differs from the default.

    The command line has to name them, and the export tells the viewer every choice that the command line names.
    """
    return tuple(name for name in LAUNCH if name in _choices(dataset, choices))


def _choices(dataset: Dataset, choices: Mapping) -> dict[str, Any]:
    """Return the choices that differ from the default, as arguments of `cellucid_core.dataset.choose`."""
    usual = default_mapping(dataset)
    found: dict[str, Any] = {}
    if dict(choices.embeddings) != dict(usual.embeddings):
        found["embeddings"] = dict(choices.embeddings)
    for name in ("latent", "matrix", "connectivities"):
        if getattr(choices, name) != getattr(usual, name):
            found[name] = getattr(choices, name) or "none"
    if choices.gene_id != usual.gene_id:
        found["gene_id"] = choices.gene_id
    if choices.vectors != usual.vectors and not choices.vectors:
        found["vectors"] = "none"
    if choices.obs_keys != usual.obs_keys:
        found["obs_keys"] = list(choices.obs_keys)
    if choices.kinds:
        found["kinds"] = dict(choices.kinds)
    return found


def _mapping_words(chosen: dict[str, Any], settings: ExportSettings) -> list[tuple[str, ...]]:
    given = dict(chosen)
    if not settings.graph:
        given["connectivities"] = "none"
    if not settings.vectors:
        given["vectors"] = "none"
    words: list[tuple[str, ...]] = [("--embedding", f"{d}d={key}") for d, key in given.get("embeddings", {}).items()]
    plain = ("latent", "matrix", "gene_id", "connectivities", "vectors")
    words += [(f"--{name.replace('_', '-')}", given[name]) for name in plain if name in given]
    if "obs_keys" in given:
        words.append(("--obs-keys", _row(given["obs_keys"])))
    words += [("--kind", f"{key}={kind}") for key, kind in given.get("kinds", {}).items()]
    return words


def _changed(settings: ExportSettings) -> dict[str, Any]:
    """Return the settings that differ from the defaults, apart from the genes."""
    usual = ExportSettings()
    return {
        item.name: value
        for item in fields(settings)
        if item.name != "genes" and (value := getattr(settings, item.name)) != getattr(usual, item.name)
    }


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _option(name: str, value: str) -> str:
    """Return an option and its value, joined by ``=`` where the value would be taken for an option itself."""
    return shlex.quote(f"{name}={value}") if value.startswith("-") else f"{name} {shlex.quote(value)}"


def _row(names: Sequence[str]) -> str:
    """Return names as an option takes them: one line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def _script(
    opened: dict[str, Any],
    chosen: dict[str, Any],
    fixes: Sequence[str],
    genes: list[str],
    changed: dict[str, Any],
    source: str | dict[str, str],
    target: str,
) -> str:
    """Return a script that calls the public API (`cellucid_core.api`)."""
    given = {name: value for name, value in opened.items() if value} | chosen
    if "matrix" in given:
        matrix = given.pop("matrix")
        given |= {"use_raw": True} if matrix == "raw" else {"layer": matrix}
    if "vectors" in given:
        given["vectors"] = False
    lines = ["import cellucid_core as cc", "", _call("data = cc.open", [repr(source), *_named(given)])]
    if fixes:
        lines.append(_call("data = cc.preflight(data).fix", [repr(asked) for asked in fixes]))
    settings = {name: value for name, value in changed.items() if name != "format"}  # follows from the target's name
    if genes:
        settings = {"genes": genes[0] if len(genes) == 1 else genes, **settings}
    lines.append(_call("cc.export", ["data", repr(target), *_named(settings)]))
    return "\n".join(lines) + "\n"


def _named(given: MappingABC[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in given.items()]


def _call(name: str, arguments: list[str]) -> str:
    line = f"{name}({', '.join(arguments)})"
    return line if len(line) <= 88 else "\n".join([f"{name}(", *(f"    {text}," for text in arguments), ")"])
