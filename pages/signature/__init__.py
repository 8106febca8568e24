"""The parts of the Gene Signature page: inputs, results, and files to download."""
