"""Apply fixes, and record what was overruled: every step makes a new mapping, so undoing means leaving one out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cellucid_core.dataset import AppliedFix, Dataset, Mapping, View
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.preflight.check import RULES
from cellucid_core.preflight.finding import Rule, Scope
from cellucid_core.preflight.rules import embedding

ALL = "all"
OVERRULE = "overrule"


def apply_fixes(dataset: Dataset, mapping: Mapping, rules: Iterable[str], scope: Scope | None = None) -> Mapping:
    """Apply the fixes of some rules, in order; a rule that finds nothing changes nothing.

    To undo a fix, apply the others again to the mapping from before.

    Parameters
    ----------
    rules
        For each fix ``RULE`` (its own fix), ``RULE=NAME`` (one of the finding's alternatives), ``RULE=overrule`` (see
        `overrule`) or ``all`` (see `fix_all`). `AppliedFix.asked` returns these words.

    Raises
    ------
    InputError
        If a rule does not exist, has no such fix, or its fix cannot be computed.
    NotComputed
        With ``scope.ready_only``, if something that takes long was not computed before.
    """
    scope = scope or Scope()
    for asked in rules:
        name, _, choice = asked.partition("=")
        if asked == ALL:
            mapping = fix_all(dataset, mapping, scope)
        elif choice == OVERRULE:
            mapping = overrule(mapping, name)
        else:
            mapping = _fixed(View(dataset, mapping, scope.arranging), _rule(name), choice, scope)
    return mapping


def overrule(mapping: Mapping, rule: str) -> Mapping:
    """Declare a rule's finding to be wrong: it is not reported any more, and this is recorded like a fix.

    Raises
    ------
    InputError
        If there is no such rule, or its finding does not rest on a guess.
    """
    known = _rule(rule)
    if not known.guess:
        raise InputError(f"{rule} is not a guess and cannot be overruled.", "Fix what it found, or leave it out.")
    if rule in mapping.overruled:
        return mapping
    sentence = f"{rule} overruled: the data are as intended"
    return mapping.with_fix(AppliedFix(rule, sentence, "", OVERRULE, overruled=True))


def fix_all(dataset: Dataset, mapping: Mapping, scope: Scope | None = None) -> Mapping:
    """Apply the safe fix of every finding that is an error or a warning; notes (info) are left to the user.

    Safe fixes lose nothing that the user could want: cells without finite coordinates and columns that cannot be shown
    are left out, names are made unique and safe, numbers, dates and labels get their kind, arrays of wrong shape are
    left out, swapped tables are turned, and a sound matrix is taken instead of one that was logged twice. A missing
    embedding is cut from a wider array, and computed only where there is none; a missing latent space is taken from
    obsm, never computed. Not safe, and left to the user: `cells-unfiltered`, `expression-size`, `genes-all-zero`,
    `expression-scale`, `gene-ids-unlike`, `parts-embedding`. If a fix fails, its finding stays (``scope.not_fixed``).

    Returns
    -------
    Mapping
        With each fix recorded by itself, so that each can be undone.

    Raises
    ------
    NotComputed
        With ``scope.ready_only``, if something that takes long was not computed before.
    """
    scope = scope or Scope()
    for _ in range(2):  # a fix can uncover another finding, such as text that turns out to name each cell
        before = mapping
        for rule in RULES:
            choice = _safe_choice(rule, View(dataset, mapping, scope.arranging), scope)
            if choice is None:
                continue
            try:
                mapping = _fixed(View(dataset, mapping, scope.arranging), rule, choice, scope)
            except InputError as error:
                if scope.not_fixed is not None:
                    scope.not_fixed[rule.id] = str(error)
        if mapping is before:
            break
    return mapping


def _safe_choice(rule: Rule, view: View, scope: Scope) -> str | None:
    """Return the name of the safe fix ("" for the rule's own), or None if there is none or nothing is found."""
    if rule.fix is None or not (rule.safe or rule.id == "latent-missing") or rule.id in view.mapping.overruled:
        return None
    finding = rule.check(view, scope)
    if finding is None or finding.fix is None or finding.severity == "info":
        return None
    names = [name for name, _ in finding.alternatives]
    if rule.id == "embedding-missing" and embedding.FIRST_COLUMNS in names:
        return embedding.FIRST_COLUMNS
    if rule.id == "latent-missing" and not finding.examples:
        return None
    return ""


def _rule(name: str) -> Rule:
    by_id = {rule.id: rule for rule in RULES}
    if name not in by_id:
        raise InputError(f"There is no preflight rule {name!r}.", f"The rules are: {', '.join(by_id)}.")
    return by_id[name]


def _fixed(view: View, rule: Rule, choice: str, scope: Scope) -> Mapping:
    if rule.fix is None:
        raise InputError(f"{rule.id} has no automatic fix.", "Run preflight to see what it found, and fix the file.")
    finding = None if rule.id in view.mapping.overruled else rule.check(view, scope)
    if finding is None:
        return view.mapping
    if not choice:
        if finding.fix is None:
            raise InputError(f"{finding.title}: there is no automatic fix.", finding.detail)
        return _computed(rule, lambda: rule.fix(view, scope))  # type: ignore[misc]
    names = [name for name, _ in finding.alternatives]
    if rule.choose is not None and choice in names:
        return _computed(rule, lambda: rule.choose(view, scope, choice))  # type: ignore[misc]
    if _would_choose(rule, view, scope, choice):
        return rule.fix(view, scope)
    raise InputError(
        f"{rule.id} has no fix {choice!r} here.",
        f"It has: {', '.join(names)}." if names else f'Ask for it without "={choice}".',
    )


def _computed(rule: Rule, fix: Callable[[], Mapping]) -> Mapping:
    """Return the mapping that a fix makes; scanpy and the packages below it raise many types for unfit data."""
    try:
        return fix()
    except (CellucidError, MemoryError):
        raise
    except Exception as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise InputError(
            f"The fix of {rule.id} cannot be computed of this data ({why}).", "Compute it in your pipeline."
        ) from error


def _would_choose(rule: Rule, view: View, scope: Scope, choice: str) -> bool:
    """Tell whether the choice asked for is the one that the rule's own fix makes, and records."""
    return rule.fix is not None and rule.choose is not None and rule.fix(view, scope).fixes[-1].choice == choice
