"""Workspaces, which keep a user's work over a reload, in another tab and after a restart. No Streamlit.

A workspace is a row of the database (`schema`), named by the SHA-256 of the token in its link. What is large is in
``home/workspaces/NAME``, in files named by their content (`parts`). `owned` knows which workspaces a browser or a
signed-in user has. Only the server's own account can read any of it.
"""

from __future__ import annotations

from cellucid_core.serving.workspaces.choices import choices_from_json, choices_to_json
from cellucid_core.serving.workspaces.ending import delete_workspace, files_in_use, owner_keeps, sweep_workspaces
from cellucid_core.serving.workspaces.files import (
    Gone,
    create_workspace,
    find_workspace,
    is_alive,
    mark_opened,
    read_workspace,
    save_workspace,
    stamp_of,
)
from cellucid_core.serving.workspaces.merging import merge
from cellucid_core.serving.workspaces.owned import latest_workspace, note_workspace, owners_workspaces, pass_workspaces
from cellucid_core.serving.workspaces.parts import (
    gene_file_from_json,
    gene_file_to_json,
    page_files_to_pages,
    part_name,
    read_part,
    write_part,
)
from cellucid_core.serving.workspaces.results import KeptExport, export_from_json, export_to_json
from cellucid_core.serving.workspaces.schema import KeptDataset, KeptPage, KeptPages, KeptWorkspace
from cellucid_core.serving.workspaces.tokens import is_token, name_of, token_of
from cellucid_core.serving.workspaces.workspace_json import (
    SCHEMA,
    Damaged,
    dataset_to_json,
    is_plain,
    workspace_from_json,
    workspace_to_json,
)

__all__ = [
    "SCHEMA",
    "Damaged",
    "Gone",
    "KeptDataset",
    "KeptExport",
    "KeptPage",
    "KeptPages",
    "KeptWorkspace",
    "choices_from_json",
    "choices_to_json",
    "create_workspace",
    "dataset_to_json",
    "delete_workspace",
    "export_from_json",
    "export_to_json",
    "files_in_use",
    "find_workspace",
    "gene_file_from_json",
    "gene_file_to_json",
    "is_alive",
    "is_plain",
    "is_token",
    "latest_workspace",
    "mark_opened",
    "merge",
    "name_of",
    "note_workspace",
    "owner_keeps",
    "owners_workspaces",
    "page_files_to_pages",
    "part_name",
    "pass_workspaces",
    "read_part",
    "read_workspace",
    "save_workspace",
    "stamp_of",
    "sweep_workspaces",
    "token_of",
    "workspace_from_json",
    "workspace_to_json",
    "write_part",
]
