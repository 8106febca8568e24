"""Say what is wrong with a dataset before it is exported, and fix it without touching the file.

Every rule is one function of a `View`; a fix makes a new `Mapping`, so undoing it means applying the others again.
"""

from __future__ import annotations

from cellucid_core.callable_package import make_callable
from cellucid_core.preflight.check import RULES, preflight, require_ready
from cellucid_core.preflight.columns import column_table
from cellucid_core.preflight.finding import Finding, PreflightReport, Scope
from cellucid_core.preflight.fixing import ALL, apply_fixes, fix_all, overrule
from cellucid_core.preflight.report import report_json

__all__ = [
    "ALL",
    "RULES",
    "Finding",
    "PreflightReport",
    "Scope",
    "apply_fixes",
    "column_table",
    "fix_all",
    "overrule",
    "preflight",
    "report_json",
    "require_ready",
]

make_callable(__name__)
