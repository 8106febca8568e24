"""Create the first tables, for the state that was in JSON files before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "browsers",
        sa.Column("print", sa.String(length=64), nullable=False),
        sa.Column("sign_in", sa.Text(), nullable=True),
        sa.Column("retired", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("heir", sa.Text(), server_default="", nullable=False),
        sa.Column("before", sa.String(length=64), server_default="", nullable=False),
        sa.Column("way", sa.Text(), nullable=True),
        sa.Column("changed", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("print", name=op.f("pk_browsers")),
    )
    op.create_table(
        "downloads",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_downloads")),
    )
    with op.batch_alter_table("downloads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_downloads_owner"), ["owner"], unique=False)

    op.create_table(
        "ended_sign_ins",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("ended", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ended_sign_ins")),
    )
    op.create_table(
        "entry_owners",
        sa.Column("entry", sa.String(length=255), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_entry_owners")),
    )
    with op.batch_alter_table("entry_owners", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_entry_owners_owner"), ["owner"], unique=False)

    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created", sa.Double(), server_default="0", nullable=False),
        sa.Column("started", sa.Double(), server_default="0", nullable=False),
        sa.Column("finished", sa.Double(), server_default="0", nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("server", sa.String(length=32), nullable=False),
        sa.Column("uses", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_jobs_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_jobs_state"), ["state"], unique=False)

    op.create_table(
        "servers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("beat", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.Double(), server_default="0", nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.Column("writer", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    with op.batch_alter_table("uploads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_uploads_kept"), ["kept"], unique=False)
        batch_op.create_index(batch_op.f("ix_uploads_owner"), ["owner"], unique=False)

    op.create_table(
        "workspaces",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("opened", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workspaces")),
    )
    op.create_table(
        "links",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("made", sa.Double(), server_default="0", nullable=False),
        sa.Column("ends", sa.Double(), server_default="0", nullable=False),
        sa.Column("last", sa.Double(), server_default="0", nullable=False),
        sa.Column("reads", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace"], ["workspaces.name"], name=op.f("fk_links_workspace"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_links")),
    )
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_links_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_links_workspace"), ["workspace"], unique=False)

    op.create_table(
        "workspace_owners",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("used", sa.Double(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace"], ["workspaces.name"], name=op.f("fk_workspace_owners_workspace"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "workspace", name=op.f("pk_workspace_owners")),
    )
    with op.batch_alter_table("workspace_owners", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workspace_owners_workspace"), ["workspace"], unique=False)
