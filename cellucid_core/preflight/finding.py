"""What preflight says: findings, the rules that make them, and the report that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cellucid_core.dataset import Mapping, NotComputed, View

if TYPE_CHECKING:
    from cellucid_core.export import ExportSettings

Severity = Literal["error", "warning", "info"]
Light = Literal["red", "amber", "green"]
#: Most examples of a finding.
MAX_EXAMPLES = 10


@dataclass(frozen=True)
class Finding:
    """One thing preflight noticed.

    Attributes
    ----------
    rule
        Id of the rule.
    severity
        ``error`` blocks export, ``warning`` does not, ``info`` is a note.
    title
        One line.
    detail
        What was found, with counts, and what it would do in the viewer.
    count
        How many cells, genes, columns or values are affected.
    examples
        Up to ten of them by name.
    fix
        What the fix does, or None where there is none.
    alternatives
        Other ways to fix it: name (as in ``--fix RULE=NAME``) and what it does.
    overrulable
        Whether it rests on a guess, so that the user may declare it wrong (``--overrule RULE``).
    """

    rule: str
    severity: Severity
    title: str
    detail: str
    count: int = 0
    examples: tuple[str, ...] = ()
    fix: str | None = None
    alternatives: tuple[tuple[str, str], ...] = ()
    overrulable: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the finding as the command line's JSON has it."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "title": self.title,
            "detail": self.detail,
            "count": self.count,
            "examples": list(self.examples),
            "fix": self.fix,
            "alternatives": [{"name": name, "does": does} for name, does in self.alternatives],
            "overrulable": self.overrulable,
        }


@dataclass(frozen=True)
class Scope:
    """What the export is about to do, where a rule depends on it.

    Attributes
    ----------
    categorical_dtype
        ``auto``, ``uint8`` or ``uint16``.
    genes
        Ids of the genes that will be exported, or None for all.
    n_genes
        How many genes will be exported, where only their number is known (highly variable ones).
    var_bits
        8, 16 or None (float32): bits of an exported value.
    compression
        gzip level, 0 for none.
    progress
        Called by fixes that take long, with what is being done and the share that is done (0 … 1); it may raise to
        cancel.
    ready_only
        Whether fixes may use only what was computed before; they raise `NotComputed` otherwise.
    not_fixed
        A dict that `fix_all` fills: rule whose fix was tried and failed → why.
    """

    categorical_dtype: str = "auto"
    genes: frozenset[str] | None = None
    n_genes: int | None = None
    var_bits: int | None = 8
    compression: int = 6
    progress: Callable[[str, float], None] | None = field(default=None, compare=False)
    ready_only: bool = field(default=False, compare=False)
    not_fixed: dict[str, str] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, settings: ExportSettings) -> Scope:
        """Return the scope of an export with these settings."""
        named = settings.genes.named
        return cls(
            categorical_dtype=settings.categorical_dtype,
            genes=named,
            n_genes=settings.genes.at_most if named is None else None,
            var_bits=settings.var_quantization,
            compression=settings.compression,
        )

    def arranging(self, share: float) -> None:
        """Report how much of a matrix is arranged by gene, 0 … 1; raises `NotComputed` with `ready_only`."""
        if self.ready_only:
            raise NotComputed("The matrix, arranged by gene")
        self.say("Arranging the matrix by gene", share)

    def say(self, what: str, share: float) -> None:
        """Pass what is being done and the share that is done, 0 … 1, to `progress`."""
        if self.progress is not None:
            self.progress(what, share)


@dataclass(frozen=True)
class Rule:
    """A rule: its id, its check, and its fix where it has one.

    Attributes
    ----------
    check
        Returns a finding, or None if nothing is wrong.
    fix
        Returns the mapping that fixes it; only called if the check finds something.
    choose
        Returns the mapping for an alternative of the finding, by its name.
    safe
        Whether "fix all" may apply the fix: it loses nothing that the user could want.
    guess
        Whether the finding rests on a guess and can be overruled.
    """

    id: str
    check: Callable[[View, Scope], Finding | None]
    fix: Callable[[View, Scope], Mapping] | None = None
    choose: Callable[[View, Scope, str], Mapping] | None = None
    safe: bool = False
    guess: bool = False


@dataclass(frozen=True)
class PreflightReport:
    """All findings of one pass, most severe first."""

    findings: tuple[Finding, ...] = field(default=())

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def light(self) -> Light:
        """Red if there is an error, amber if there is a warning, else green."""
        return "red" if self.of("error") else "amber" if self.of("warning") else "green"

    @property
    def status(self) -> Literal["ready", "blocked"]:
        """``blocked`` if there is an error, else ``ready``."""
        return "blocked" if self.of("error") else "ready"


def examples(names: Iterable[Any]) -> tuple[str, ...]:
    """Return the first `MAX_EXAMPLES` names."""
    return tuple(str(name) for name, _ in zip(names, range(MAX_EXAMPLES), strict=False))


def plural(count: int, singular: str, many: str | None = None) -> str:
    """Return a number with its noun: "1 cell", "3 cells"; `many` is the plural where it is not the singular with s."""
    return f"{count:,} {singular if count == 1 else many or singular + 's'}"
