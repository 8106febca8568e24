"""``uns['cellucid']``: the dataset's name and source, and what the viewer shows first."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cellucid_core.dataset import default_mapping
from cellucid_core.errors import InputError
from cellucid_core.export.settings import ExportSettings

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_SCHEMA = 1
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,179}")
#: Zero-width characters without a meaning, and lone surrogates; joiners, which some scripts need, are kept.
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\ud800-\udfff]")
#: Default number of cells that a category needs for a centroid, of the viewer and of `ExportSettings`.
MIN_POINTS = 10


def shown(text: str) -> str:
    r"""Return a text for one line: without control and zero-width characters, words separated by one space.

    Examples
    --------
    >>> shown("  PBMC\n68k\u200b ")
    'PBMC 68k'
    """
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in _INVISIBLE.sub("", text))
    return " ".join(plain.split())


def identity(view: View, settings: ExportSettings) -> dict[str, Any]:
    """Return the record without launch defaults.

    Raises
    ------
    InputError
        If the viewer does not accept the id, or if the source's address is not a web address or has no name.
    """
    dataset_id = settings.dataset_id or view.dataset.id
    if not _ID.fullmatch(dataset_id) or dataset_id.endswith("."):
        raise InputError(
            f"Today's viewer does not accept the id {dataset_id!r}.",
            "Give one of letters, digits, '.', '_' and '-' that begins with a letter or digit.",
        )
    record: dict[str, Any] = {"schema": _SCHEMA, "id": dataset_id}
    record["name"] = shown(settings.name or view.dataset.name) or dataset_id
    if description := shown(settings.description):
        record["description"] = description
    if citation := shown(settings.source_citation):
        record["citation"] = {"text": citation}
    source, address = shown(settings.source_name), settings.source_url.strip()
    if address:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc or shown(address) != address:
            raise InputError(f"The source address {address!r} is not a web address.", "Begin it with https://.")
        if not source:
            raise InputError("The source has an address but no name.", "Give its name, too.")
        record["source"] = {"name": source, "url": address}
    elif source:
        record["source"] = {"name": source}
    return record


def launch_defaults(
    view: View, settings: ExportSettings, keys: dict[str, str], var_keys: dict[str, str]
) -> dict[str, Any]:
    """Return the choices that the viewer opens the file with.

    The viewer has its own rules for what is not named here. A choice is written if it differs from the default mapping,
    or is listed in ``settings.launch``.

    Parameters
    ----------
    keys, var_keys
        Key in the source → key in the file, for obsm and for the gene table.
    """
    mapping, usual = view.mapping, default_mapping(view.dataset)
    defaults: dict[str, Any] = {}
    for d in view.dimensions:
        if "embeddings" in settings.launch or mapping.embeddings[d] != usual.embeddings.get(d):
            defaults[f"embedding{d}d"] = keys[mapping.embeddings[d]]
    by_column = mapping.gene_ids is None and mapping.gene_id in var_keys
    if by_column and ("gene_id" in settings.launch or mapping.gene_id != usual.gene_id):
        defaults["geneIdColumn"] = var_keys[mapping.gene_id]
    if mapping.latent in keys and ("latent" in settings.launch or mapping.latent != usual.latent):
        defaults["latentKey"] = keys[mapping.latent]
    if settings.centroid_min_points != MIN_POINTS:
        defaults["centroidMinPoints"] = settings.centroid_min_points
    return defaults
