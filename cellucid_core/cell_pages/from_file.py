"""Pages from a file of any kind that holds cells, told apart by its content."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from cellucid_core.cell_pages.from_ids import pages_from_ids
from cellucid_core.cell_pages.page_file import pages_from_json
from cellucid_core.cell_pages.page_set import MAX_FILE, MadePages
from cellucid_core.cell_pages.session import MAGIC, pages_from_session
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import View


def pages_from_file(view: View, data: bytes, file_name: str) -> MadePages:
    """Read pages from a Cellucid session, a file of saved pages, or a list or table of cell ids.

    Parameters
    ----------
    view
        The dataset as mapped.
    data
        The file's bytes.
    file_name
        Its name without the ending names the page where the file does not.

    Raises
    ------
    InputError
        The file is empty, larger than 512 MiB or none of these, or none of its cells is in the dataset.
    """
    if not data.strip():
        raise InputError("The file is empty.", "Choose a session, saved pages, or a list of cell ids.")
    if len(data) > MAX_FILE:
        raise InputError(f"The file is larger than {MAX_FILE // 2**20} MiB.", "Split it.")
    if data.startswith(MAGIC[:8]):
        return pages_from_session(view, data)
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return pages_from_json(view, data)
    return pages_from_ids(view, data, name=PurePath(file_name).stem or "Cells of a file")
