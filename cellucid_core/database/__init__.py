"""State that several servers share, in one database: SQLite by default, or the PostgreSQL of ``CELLUCID_DATABASE``.

Everything that belongs together is written in one transaction (`writing`), so that nothing is ever half-written.
"""

from __future__ import annotations

from cellucid_core.database.connecting import DatabaseRefused, close_databases, reading, writing
from cellucid_core.database.owners import owner_mark
from cellucid_core.database.servers import forget_dead_servers, leave, living_servers, this_server
from cellucid_core.database.statements import one_at_a_time, pass_rows, upsert
from cellucid_core.database.tables import (
    browsers,
    downloads,
    ended_sign_ins,
    entry_owners,
    jobs,
    links,
    uploads,
    workspace_owners,
    workspaces,
)

__all__ = [
    "DatabaseRefused",
    "browsers",
    "close_databases",
    "downloads",
    "ended_sign_ins",
    "entry_owners",
    "forget_dead_servers",
    "jobs",
    "leave",
    "links",
    "living_servers",
    "one_at_a_time",
    "owner_mark",
    "pass_rows",
    "reading",
    "this_server",
    "uploads",
    "upsert",
    "workspace_owners",
    "workspaces",
    "writing",
]
