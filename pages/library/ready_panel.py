"""The gene sets that ship with the dashboard, or that the team offers, as a table; chosen ones are scored."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from cellucid_core.genes import GeneSets, ReadySet, ready_sets
from pages.session.state import workspace
from pages.signature.gene_box import use_gene_sets

_TABLE = "ready_table"


def ready_panel() -> None:
    """Draw the table of ready sets, and the button that scores the chosen ones."""
    st.subheader("Ready sets", anchor=False)
    st.caption("Choose rows and score them. Sources and licences are in the table; cite them in what you publish.")
    sets, view = ready_sets(), workspace().view if workspace().dataset is not None else None
    ids = set() if view is None else set(map(str, view.gene_ids))
    table = pd.DataFrame(
        {
            "Set": [one.name for one in sets],
            "Collection": [one.collection for one in sets],
            "Genes": [len(set(one.genes.genes)) for one in sets],
            "In the dataset": [len(ids.intersection(one.genes.genes)) if view else None for one in sets],
            "Species": [one.species for one in sets],
            "Source": [one.source for one in sets],
            "Licence": [one.licence for one in sets],
        }
    )
    chosen = st.dataframe(
        table if view else table.drop(columns="In the dataset"),
        hide_index=True,
        width="stretch",
        height=320,
        key=_TABLE,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={"Source": st.column_config.TextColumn(width="medium")},
    )["selection"]["rows"]
    some = [sets[row] for row in chosen]
    if view is None:
        st.caption("Open a dataset to score them.")
    elif not some:
        st.caption("Tick sets on the left of the table to score them.")
    elif st.button(
        f"Score {some[0].name}" if len(some) == 1 else f"Score {len(some):,} sets",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_use,
        args=(some,),
    ):
        st.switch_page("gene_signature.py")


def _use(some: list[ReadySet]) -> None:
    name = some[0].name if len(some) == 1 else "Ready sets"
    use_gene_sets(name, GeneSets([one.genes for one in some], []))
