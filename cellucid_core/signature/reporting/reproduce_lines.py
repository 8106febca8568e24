"""The lines of `reproduce.python_code` that are the same for every run: scaling, summary, tests, adjustment."""

from __future__ import annotations

NORMALIZE = {
    "none": "scores = {page: raw_score[cells] for page, cells in pages.items()}\n",
    "zscore": """
pooled = np.concatenate([raw_score[cells] for cells in pages.values()])
spread = np.nanstd(pooled) if np.nanmin(pooled) < np.nanmax(pooled) else 1.0
scores = {page: (raw_score[cells] - np.nanmean(pooled)) / spread for page, cells in pages.items()}
""",
    "minmax": """
pooled = np.concatenate([raw_score[cells] for cells in pages.values()])
low, high = np.nanmin(pooled), np.nanmax(pooled)
scores = {page: (raw_score[cells] - low) / ((high - low) or 1.0) for page, cells in pages.items()}
""",
}

SUMMARY = """
values = {page: score[np.isfinite(score)] for page, score in scores.items()}
summary = pd.DataFrame({page: pd.Series(score).describe() for page, score in values.items()}).T
print(summary)
"""

CELL_TESTS = """
import itertools

rows = []


def overall(unit, groups):
    if len(groups) > 2 and len(np.unique(np.concatenate(list(groups.values())))) > 1:
        f, h = stats.f_oneway(*groups.values()), stats.kruskal(*groups.values())
        rows.append((unit, "anova", "", "", f.statistic, f.pvalue, np.nan))
        rows.append((unit, "kruskal-wallis", "", "", h.statistic, h.pvalue, np.nan))


def cohens_d(a, b):
    pooled = ((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2)
    return (a.mean() - b.mean()) / np.sqrt(pooled)


def compare(unit, one, other, a, b):
    t, u = stats.ttest_ind(a, b, equal_var=False), stats.mannwhitneyu(a, b)
    rows.append((unit, "welch-t", one, other, t.statistic, t.pvalue, cohens_d(a, b)))
    rows.append((unit, "mann-whitney-u", one, other, u.statistic, u.pvalue, 2 * u.statistic / len(a) / len(b) - 1))


groups = {page: score for page, score in values.items() if len(score) > 1}
overall("cell", groups)
for one, other in itertools.combinations(groups, 2):
    compare("cell", one, other, groups[one], groups[other])
"""

SAMPLE_TESTS = """
# Cells of one donor are not replicates: the mean of each donor is the unit.
means = {page: pd.Series(scores[page]).groupby(donor[cells]).mean().dropna() for page, cells in pages.items()}
together = pd.concat([mean.index.to_series() for mean in means.values()])
if together.is_unique:
    overall("sample", {page: mean.to_numpy() for page, mean in means.items()})
for one, other in itertools.combinations(means, 2):
    shared = means[one].index.intersection(means[other].index)
    if len(shared) >= 2:
        a, b = means[one][shared].to_numpy(), means[other][shared].to_numpy()
        t = stats.ttest_rel(a, b)
        rows.append(("sample", "paired-t", one, other, t.statistic, t.pvalue, (a - b).mean() / (a - b).std(ddof=1)))
        if (a != b).any():
            w = stats.wilcoxon(a, b)
            rows.append(("sample", "wilcoxon", one, other, w.statistic, w.pvalue, np.nan))
    elif min(len(means[one]), len(means[other])) >= 2:
        compare("sample", one, other, means[one].to_numpy(), means[other].to_numpy())
"""

_TABLE = """
tests = pd.DataFrame(rows, columns=["unit", "test", "a", "b", "statistic", "p", "effect"])
# All pairs are adjusted together, per unit, t-tests and rank tests apart.
pair = (tests["a"] != "") & tests["p"].notna()
kind = tests["unit"] + tests["test"].isin(["welch-t", "paired-t"]).astype(str)
"""

ADJUST = {
    "bh": _TABLE
    + """
tests.loc[pair, "p adjusted"] = tests[pair].groupby(kind)["p"].transform(stats.false_discovery_control)
print(tests)
""",
    "holm": _TABLE
    + """

def holm(p):
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p.iloc[order] * np.arange(len(p), 0, -1)).clip(upper=1)
    return adjusted.reindex(p.index)


tests.loc[pair, "p adjusted"] = tests[pair].groupby(kind)["p"].transform(holm)
print(tests)
""",
}
