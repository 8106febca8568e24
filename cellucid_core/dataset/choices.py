"""What the user chose otherwise than the default: what it takes to choose the same again."""

from __future__ import annotations

from typing import Any

from cellucid_core.dataset.mapping import Mapping, default_mapping
from cellucid_core.dataset.model import Dataset


def changed_choices(dataset: Dataset, choices: Mapping) -> dict[str, Any]:
    """Return what a mapping without fixes chooses otherwise than the default, as arguments of `choose`."""
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
