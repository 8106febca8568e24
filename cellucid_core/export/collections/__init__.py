"""Collections: folders of several exports with ``datasets.json``, the list of them."""

from __future__ import annotations

from cellucid_core.export.collections.collecting import add_to_root, remove_from_root
from cellucid_core.export.collections.collection_zip import zip_root
from cellucid_core.export.collections.listing import Collection, Member, read_root, write_datasets

__all__ = [
    "Collection",
    "Member",
    "add_to_root",
    "read_root",
    "remove_from_root",
    "write_datasets",
    "zip_root",
]
