"""Bring a database to the newest schema; a new one also takes over what an older home or database holds."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, text

from cellucid_core.cache import cellucid_home
from cellucid_core.database.old_home import forget_old_home, take_over
from cellucid_core.database.statements import one_at_a_time
from cellucid_core.errors import InputError

#: The newest migration; a test compares it with the folder of migrations.
HEAD = "v0001"


def prepare(engine: Engine) -> None:
    """Create or change the tables, unless they are as this version needs them.

    Raises
    ------
    InputError
        If a newer version has changed them.
    """
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        one_at_a_time(connection, "schema")
        version = _version(connection)
        if version == HEAD:  # another server was faster
            return
        _migrate(connection)
        if version is None:
            take_over(connection, cellucid_home())
    if version is None:
        forget_old_home(cellucid_home())


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "cellucid_core.database:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise InputError(
            "The server's database was changed by a newer version of the dashboard.",
            "Update this server, or go on with the newer one.",
        ) from None
