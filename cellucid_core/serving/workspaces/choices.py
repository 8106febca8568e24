"""The user's choices of a mapping as plain JSON: only those that differ from the defaults, checked when read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cellucid_core.dataset import Dataset, Mapping

_DIMENSIONS = {"1": 1, "2": 2, "3": 3}
_KINDS = ("categorical", "continuous")


def choices_to_json(choices: Mapping, usual: Mapping) -> dict[str, Any]:
    """Return the choices that differ from the default ones.

    Parameters
    ----------
    choices
        The mapping as the user chose it, before fixes.
    usual
        `cellucid_core.dataset.default_mapping` of the same dataset.
    """
    found: dict[str, Any] = {}
    if dict(choices.embeddings) != dict(usual.embeddings):
        found["embeddings"] = {str(dimension): key for dimension, key in choices.embeddings.items()}
    for name in ("latent", "matrix", "gene_id", "connectivities"):
        if getattr(choices, name) != getattr(usual, name):
            found[name] = getattr(choices, name)
    for name in ("vectors", "obs_keys"):
        if getattr(choices, name) != getattr(usual, name):
            found[name] = list(getattr(choices, name))
    if choices.kinds:
        found["kinds"] = dict(choices.kinds)
    return found


def choices_from_json(content: dict[str, Any], dataset: Dataset, usual: Mapping) -> tuple[Mapping, list[str]]:
    """Return the choices that were kept, if the dataset still has what they name.

    Returns
    -------
    Mapping
        `usual` with the kept choices.
    list of str
        Names that the dataset does not have, and choices that cannot be read.
    """
    changes: dict[str, Any] = {}
    lost: list[str] = []
    columns = {str(column) for column in dataset.obs.columns}
    allowed: dict[str, Any] = {"latent": dataset.obsm, "matrix": dataset.matrices, "connectivities": dataset.graphs}
    for name, value in content.items():
        if name in allowed and (value is None or (isinstance(value, str) and value in allowed[name])):
            changes[name] = value
        elif name == "gene_id" and isinstance(value, str):
            changes[name] = value  # preflight checks it
        elif name in ("vectors", "obs_keys") and isinstance(value, list):
            there = set(dataset.obsm) if name == "vectors" else columns
            kept = tuple(one for one in value if isinstance(one, str) and one in there)
            changes[name] = kept
            lost += [str(one) for one in value if one not in kept]
        elif name == "embeddings" and isinstance(value, dict):
            kept_ones = {
                _DIMENSIONS[d]: key
                for d, key in value.items()
                if d in _DIMENSIONS and isinstance(key, str) and key in dataset.obsm
            }
            changes[name] = dict(sorted(kept_ones.items()))
            lost += [str(key) for d, key in value.items() if _DIMENSIONS.get(d) not in kept_ones]
        elif name == "kinds" and isinstance(value, dict):
            changes[name] = {key: kind for key, kind in value.items() if key in columns and kind in _KINDS}
            lost += [str(key) for key in value if key not in changes[name]]
        else:
            lost.append(str(value)[:80])
    return replace(usual, **changes), lost
