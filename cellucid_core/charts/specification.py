"""A chart as the Vega-Lite specification that a page sends to the browser."""

from __future__ import annotations

from typing import Any


def specification(chart: Any) -> dict[str, Any]:
    """Return a chart as Vega-Lite, its rows under ``datasets``.

    ``chart.to_dict()`` validates everything against the Vega-Lite schema and asks for a theme and a data transformer,
    which are global to the process. Neither happens here: it takes a third of the time, and sessions that draw at the
    same moment do not affect each other. The tests of the charts validate them against the schema.

    Parameters
    ----------
    chart
        An Altair chart of this package; it is not changed.
    """
    from altair.vegalite import SCHEMA_URL

    datasets: dict[str, Any] = {}
    spec = chart.to_dict(validate=False, context={"top_level": False, "datasets": datasets})
    return {"$schema": SCHEMA_URL, **spec, "datasets": {name: list(rows) for name, rows in datasets.items()}}
