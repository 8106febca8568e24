"""Widgets that know nothing of a session: charts with their ways to keep them, links to files, style."""
