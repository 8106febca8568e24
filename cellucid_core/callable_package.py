"""``cc.preflight(…)`` and ``cc.export(…)``: functions of the public API that share their name with a package.

Importing a subpackage sets the attribute of that name, so ``cc.export`` is the package, whatever was there before. This
module lets the package be called: the call goes to the function of the same name in `api`.
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
        """The call signature, for help and notebooks."""
        return inspect.signature(self._function)

    @property
    def _function(self) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(import_module("cellucid_core.api"), self.__name__.rpartition(".")[2])
        return found


def make_callable(package: str) -> None:
    """Let calls of a package, given by its full name, go to the function of that name in `api`."""
    sys.modules[package].__class__ = _CallablePackage
