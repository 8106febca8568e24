"""The prepared export's format: its files, its manifests and its numbers, as anybody reads them.

Below `dataset`, which opens such exports, and `export`, which writes and verifies them.
"""
