"""What is kept between runs: its folder, the hashes that name contents, and seals that show damage."""

from __future__ import annotations

from cellucid_core.cache.content import (
    bytes_hash,
    combined_hash,
    content_hash,
    file_hash,
    note_of,
    once_per_content,
    stamp_of,
    turned_hash,
)
from cellucid_core.cache.home import cellucid_home, entries_of, home_folder, scratch_folder
from cellucid_core.cache.leftovers import alone_with, clear_leftovers
from cellucid_core.cache.sealed_folder import clear_drafts, is_complete, sealed_folder
from cellucid_core.cache.seals import is_sound, seal

__all__ = [
    "alone_with",
    "bytes_hash",
    "cellucid_home",
    "clear_drafts",
    "clear_leftovers",
    "combined_hash",
    "content_hash",
    "entries_of",
    "file_hash",
    "home_folder",
    "is_complete",
    "is_sound",
    "note_of",
    "once_per_content",
    "scratch_folder",
    "seal",
    "sealed_folder",
    "stamp_of",
    "turned_hash",
]
