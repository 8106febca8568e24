"""Opening the open dataset again in another way: another modality, other samples, a table about the cells."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from cellucid_core.dataset import JOINS, Dataset, DatasetSource, Join
from cellucid_core.errors import CellucidError, InputError
from pages.opening.opening_panel import keep_upload, open_source, try_source, upload_box
from pages.session.state import show_error

#: Session state: the source that could not be opened, and the error.
_REFUSED = "refused_source"
_JOINS = {"shared": "Genes that all samples have", "all": "All genes; 0 where a sample lacks one"}


def parts_box(source: DatasetSource | None, dataset: Dataset) -> bool:
    """Draw the choices of modality, samples and a table about the cells; tell whether the dataset was opened again."""
    if source is None:
        return False
    if dataset.modalities:
        chosen = st.selectbox(
            "Modality", dataset.modalities, index=dataset.modalities.index(dataset.modality or dataset.modalities[0])
        )
        if chosen != dataset.modality and _try_once(replace(source, modality=chosen)):
            return True
    if samples_panel(source, dataset):
        return True
    table = st.file_uploader(
        "Add a table about the cells (CSV or TSV)",
        key=f"metadata@{dataset.content_hash[:12]}",
        help="Cell ids in the first column; the other columns are added to the cell columns.",
    )
    if table is None:
        return False
    metadata = keep_upload(table)
    return str(metadata) != source.cell_metadata and _try_once(
        replace(source, cell_metadata=str(metadata)), (metadata.name, table.name)
    )


def samples_panel(source: DatasetSource, dataset: Dataset) -> bool:
    """Draw the joined samples, to rename, leave out and add some; tell whether they were joined again."""
    st.markdown("**Samples**")
    if dataset.parts:
        parts = source.as_parts(dataset)
        known = {part.name: part for part in dataset.parts}
        table = pd.DataFrame(
            {
                "Include": [not part.left_out for part in parts],
                "Sample": [part.name for part in parts],
                "Cells": [known[part.name].n_cells if part.name in known else None for part in parts],
                "Genes": [known[part.name].n_genes if part.name in known else None for part in parts],
                "Genes only in this sample": [
                    known[part.name].own_genes if part.name in known else None for part in parts
                ],
            }
        ).astype(dict.fromkeys(("Cells", "Genes", "Genes only in this sample"), "Int64"))
        edited = st.data_editor(
            table,
            key=f"samples@{dataset.content_hash[:12]}",
            disabled=["Cells", "Genes", "Genes only in this sample"],
            hide_index=True,
            width="stretch",
            column_config={"Include": st.column_config.CheckboxColumn(width="small")},
        )
        join: Join = st.selectbox(
            "Genes",
            JOINS,
            index=JOINS.index(source.join),
            format_func=lambda join: _JOINS[join],
            key=f"join@{dataset.content_hash[:12]}",
        )
        wanted = tuple(
            replace(part, name=str(name).strip(), left_out=not include)
            for part, name, include in zip(parts, edited["Sample"], edited["Include"], strict=True)
        )
        if (wanted, join) != (parts, source.join) and st.button("Join again", icon=":material/join:", type="primary"):
            again = DatasetSource(
                "", source.name or dataset.name, parts=wanted, join=join, sample_column=source.sample_column
            )
            return try_source(again)
    return upload_box("another_sample", source)


def _try_once(source: DatasetSource, names: tuple[str, str] = ("", "")) -> bool:
    """Do what `try_source` does, but try a source that was refused only once, as a widget keeps its value.

    Parameters
    ----------
    names
        A file's name on disk, and the user's name for it, which replaces the first in messages.
    """
    known, error = st.session_state.get(_REFUSED, (None, None))
    if known != source:
        try:
            open_source(source)
        except CellucidError as refused:
            error = InputError(refused.what.replace(*names), refused.fix.replace(*names)) if names[0] else refused
            st.session_state[_REFUSED] = (source, error)
        else:
            st.session_state.pop(_REFUSED, None)
            return True
    show_error(error)
    return False
