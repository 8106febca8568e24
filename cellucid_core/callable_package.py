"""Packages that can also be called: ``cellucid_core.export`` is a package, and ``cc.export(…)`` exports.

Once a package is imported, Python puts it under its name into the package above. A function of the same name could
therefore not be kept there, so the package itself takes the call.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that hands a call on to the function of the public API that has its name."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """See the function of that name in `cellucid_core.api`."""
        return self._function(*arguments, **keywords)

    @property
    def __signature__(self) -> inspect.Signature:
        """What help and notebooks show."""
        return inspect.signature(self._function)

    @property
    def _function(self) -> Callable[..., Any]:
        package, _, name = self.__name__.rpartition(".")
        found: Callable[..., Any] = getattr(import_module(f"{package}.api"), name)
        return found


def make_callable(package: str) -> None:
    """Let a package be called; it calls this once, with its ``__name__``."""
    sys.modules[package].__class__ = CallablePackage
