"""Say what is wrong with a dataset before it is exported, and mend it without touching the file.

Every rule is one function of a `View`; a fix makes a new `Mapping`, so undoing it is leaving it out.
"""

from __future__ import annotations

from cellucid_core.preflight.check import RULES, apply_fixes, preflight
from cellucid_core.preflight.finding import Finding, Light, Report, Scope, Severity

__all__ = ["RULES", "Finding", "Light", "Report", "Scope", "Severity", "apply_fixes", "preflight"]
