"""``cc.preflight(…)`` and ``cc.export(…)``: functions of the public API that are called as packages are.

Python sets a package's attribute to each subpackage that is imported, so ``cc.export`` is the package. Calling it calls
the function of this name in `api`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._function(*arguments, **named)

    @property
    def __signature__(self) -> inspect.Signature:
        """What help and notebooks show."""
        return inspect.signature(self._function)

    @property
    def _function(self) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(import_module("cellucid_core.api"), self.__name__.rpartition(".")[2])
        return found


def make_callable(package: str) -> None:
    """Let a package be called as the function of `api` that has its name."""
    sys.modules[package].__class__ = _CallablePackage
