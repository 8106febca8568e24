"""Reports: one HTML file each, to read, print and send; they open offline."""

from __future__ import annotations

from cellucid_core.reports.preflight_report import preflight_html
from cellucid_core.reports.signature_report import ReportFigure, signature_html

__all__ = ["ReportFigure", "preflight_html", "signature_html"]
