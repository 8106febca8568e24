"""Preflight's report as one HTML page that reads well on screen and on paper; it loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from cellucid_core.dataset import AppliedFix, View
from cellucid_core.preflight.finding import Finding, PreflightReport

_HEADINGS = {"error": "Blocks the export", "warning": "Worth mending", "info": "Notes"}
_LIGHTS = {"red": "Not ready to export", "amber": "Ready, with warnings", "green": "Ready"}
_STYLE = """
:root { color-scheme: light; --error: #b3261e; --warning: #8a5a00; --info: #1f5f99; --ready: #1b6e3c; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 52rem; padding: 2rem 1.25rem 4rem; background: #fff; color: #1d2330;
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #d9dde5; padding-bottom: .3rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
p { margin: .3rem 0; }
.state { font-weight: 600; }
.red { color: var(--error); } .amber { color: var(--warning); } .green { color: var(--ready); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1rem 0; }
dt { color: #5a6372; } dd { margin: 0; }
article { border-left: 4px solid #c3c9d4; padding: .35rem 0 .35rem .9rem; margin: .9rem 0; break-inside: avoid; }
article.error { border-color: var(--error); } article.warning { border-color: var(--warning); }
article.info { border-color: var(--info); }
.rule, .small { color: #5a6372; font-size: .85rem; }
code, pre { font: .85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: #f4f5f8; border-radius: 4px; padding: .6rem .8rem; margin: .4rem 0; white-space: pre-wrap; }
@page { margin: 18mm; }
@media print { body { padding: 0; max-width: none; font-size: 10.5pt; } pre { border: 1px solid #d9dde5; }
  h2 { break-after: avoid; } }
"""


def report_html(view: View, report: PreflightReport) -> str:
    """Return the report as a self-contained HTML page (UTF-8).

    Every word that comes from the data is escaped.

    Parameters
    ----------
    view
        What was checked.
    report
        What was found.
    """
    name = escape(view.dataset.name)
    sections = [_section(severity, report.of(severity)) for severity in ("error", "warning", "info")]
    clean = "" if report.of("error") or report.of("warning") else "<p>Nothing is wrong with this dataset.</p>"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Preflight: {name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            f'<h1>Preflight: {name}</h1>\n<p class="state {report.light}">{_state(report)}</p>',
            _facts(view),
            clean,
            *filter(None, sections),
            _fixes(view.mapping.fixes),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _state(report: PreflightReport) -> str:
    counts = [
        (len(report.of("error")), "error"),
        (len(report.of("warning")), "warning"),
        (len(report.of("info")), "note"),
    ]
    words = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n]
    return f"{_LIGHTS[report.light]} ({', '.join(words)})" if words else _LIGHTS[report.light]


def _facts(view: View) -> str:
    mapping = view.mapping
    left_out = view.dataset.n_cells - view.n_cells
    embeddings = ", ".join(f"{key} ({dimension}D)" for dimension, key in sorted(mapping.embeddings.items()))
    facts = {
        "Cells": f"{view.n_cells:,}" + (f" ({left_out:,} left out)" if left_out else ""),
        "Genes": f"{view.n_genes:,}, named by {mapping.gene_id}" if mapping.matrix else "none",
        "Expression": mapping.matrix or "none",
        "Embeddings": embeddings or "none",
        "Latent space": mapping.latent or "none",
        "Cell columns": f"{len(mapping.obs_keys)} of {len(view.dataset.obs.columns)}",
        "Content hash": view.dataset.content_hash,
    }
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items()) + "</dl>"


def _section(severity: str, findings: Iterable[Finding]) -> str:
    articles = "\n".join(_article(finding) for finding in findings)
    return f"<section>\n<h2>{_HEADINGS[severity]}</h2>\n{articles}\n</section>" if articles else ""


def _article(finding: Finding) -> str:
    parts = [f"<h3>{escape(finding.title)}</h3>", f"<p>{escape(finding.detail)}</p>"]
    if finding.examples:
        shown = ", ".join(f"<code>{escape(name)}</code>" for name in finding.examples)
        parts.append(f"<p><b>For example:</b> {shown}</p>")
    if finding.fix:
        others = "".join(f"; or {escape(does[:1].lower() + does[1:])}" for _, does in finding.alternatives)
        parts.append(f"<p><b>To mend it:</b> {escape(finding.fix)}{others}.</p>")
    parts.append(f'<p class="rule">{finding.severity}: {escape(finding.rule)}</p>')
    return f'<article class="{finding.severity}">{"".join(parts)}</article>'


def _fixes(fixes: Iterable[AppliedFix]) -> str:
    items = "".join(
        f'<article class="fixed"><h3>{escape(fix.sentence)}</h3><p class="rule">{escape(fix.rule)}</p>'
        + (f"<p>The same in Python:</p><pre>{escape(fix.code)}</pre>" if fix.code else "")
        + "</article>"
        for fix in fixes
    )
    return f"<section>\n<h2>What was mended</h2>\n{items}\n</section>" if items else ""
