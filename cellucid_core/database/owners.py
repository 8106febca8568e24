"""How the database names an owner."""

from __future__ import annotations

import hashlib


def owner_mark(owner: str) -> str:
    """Return what is kept of an owner, 64 hexadecimal digits: who reads the database cannot take their place."""
    return hashlib.sha256(owner.encode()).hexdigest()
