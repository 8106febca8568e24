"""Alembic's migrations of the schema, one file each; `cellucid_core.database.schema` runs them."""
