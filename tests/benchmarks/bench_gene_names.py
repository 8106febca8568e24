"""How long a pasted list of 500 genes takes: read, matched, and what the missing ones could be, tables loaded cold.

Run on demand, not by the test suite::

    python tests/benchmarks/bench_gene_names.py

The list is mixed: symbols, symbols in small letters, earlier names, Ensembl ids with and without version, mouse
orthologs, Greek letters. The dataset has 30,000 human symbols. There is no peer that proposes anything.
"""

from __future__ import annotations

import subprocess
import sys

MEASURE = """
import time
import numpy as np
from cellucid_core.genes import GeneIds, match_genes, understand_genes
from cellucid_core.genes.known_names import KnownNames

known, rng = KnownNames(), np.random.default_rng(0)
ids = list(known.human)
symbols = list(dict.fromkeys(known.human.values()))[:30_000]
def some(values, n): return [str(values[i]) for i in rng.choice(len(values), n, replace=False)]
mixed = some(symbols, 120) + [gene.lower() for gene in some(symbols, 80)] + some(list(known._aliases), 80)
mixed += some(ids, 60) + [f"{one}.{i % 20}" for i, one in enumerate(some(ids, 60))] + some(list(known.to_human), 80)
mixed += ["IFN-γ", "TNF-α", "TGF-β1", "IL-1β", "PD-1", "TIM3", "CD20", "HN1", "4-1BB", "CD137", "LAG-3", "CTLA-4",
          "NF-κB", "IL-2Rα", "TCR-α", "CD16a", "CD32b", "PD-L1", "B7-H3", "VISTA"]
text = ", ".join(mixed)

began = time.perf_counter()
gene_ids = GeneIds(np.array(symbols, dtype=object), {})
could_be = lambda gene: bool(gene_ids.proposals(gene))
requested, _ = understand_genes(text, gene_ids.place.__contains__, could_be, signed=False)
match = match_genes(requested, gene_ids)
seconds = time.perf_counter() - began
print(len(mixed), len(match.found), len(match.missing), len(match.proposals), round(seconds, 3))
"""


def main() -> None:
    """Measure in five fresh processes and print the best."""
    runs = [
        subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True).stdout.split()
        for _ in range(5)
    ]
    asked, found, missing, proposed, seconds = min(runs, key=lambda run: float(run[-1]))
    print(f"{asked} genes: {found} found, {missing} missing, {proposed} of these with proposals, in {seconds} s")


if __name__ == "__main__":
    main()
