"""``cc.preflight(…)`` and ``cc.export(…)``: functions of the public API that are called as packages are.

Python sets a package's attribute to each subpackage that is imported, so ``cc.export`` is the package. Calling it calls
the function of this name in `api`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return getattr(import_module("cellucid_core.api"), self.__name__.rpartition(".")[2])(*arguments, **named)


def make_callable(package: str) -> None:
    """Let a package be called as the function of `api` that has its name."""
    sys.modules[package].__class__ = _CallablePackage
