"""Signature Library."""
