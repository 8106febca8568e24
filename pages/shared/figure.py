"""A chart with its caption, and with the ways to keep it as a picture."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cellucid_core import charts


def figure(chart: Any, caption: str, file_name: str, *, alt: str | None = None) -> None:
    """Draw a chart, its caption, and a menu that saves it as PNG or SVG in the theme that is shown.

    Parameters
    ----------
    chart
        An Altair chart.
    caption
        What its marks mean.
    file_name
        Of the picture, without its ending.
    alt
        What the chart shows, for those who cannot see it.
    """
    st.vega_lite_chart(charts.vega_lite(chart), width="stretch", alt=alt or caption)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(caption, width="stretch")
        with st.popover("", icon=":material/image:", type="tertiary", help="Save the picture", key=f"save_{file_name}"):
            for kind, mime in charts.MIME.items():
                st.download_button(
                    f"Save as {kind.upper()}",
                    data=lambda kind=kind: charts.chart_image(chart, kind, _theme()),  # type: ignore[misc]
                    file_name=f"{file_name}.{kind}",
                    mime=mime,
                    key=f"save_{file_name}_{kind}",
                    on_click="ignore",
                    width="stretch",
                )


def _theme() -> Any:
    return "dark" if st.context.theme.type == "dark" else "light"
