"""What several pages use: charts with their ways to keep them, links to files, how far a job is, style."""
