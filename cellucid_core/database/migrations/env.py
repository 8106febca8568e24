"""The script that Alembic runs, on a given connection or (``alembic revision --autogenerate``) a configured one."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from cellucid_core.database.tables import metadata


def _run(connection: Connection) -> None:
    # SQLite can change columns only by copying the table.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=False)
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    from cellucid_core.database.connecting import writing

    with writing() as own:
        _run(own)
