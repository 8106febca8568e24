"""Loaded by Python at its start in servers of tests: a job waits at its first report while a file is there.

What a test wants to see under way (a button to cancel it, the page of elsewhere) is held this way, so that no test
needs a slow machine or large data. ``BREAK=module:function`` makes a function fail as a mistake of ours would. The
product knows nothing of it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path

_MODULE = "cellucid_core.serving.jobs.progress"
_GATE = os.environ.get("HOLD_JOBS_WHILE")
_BREAK = os.environ.get("BREAK")


class _Finder(MetaPathFinder):
    """Lets a module load as usual, then changes something in it."""

    def __init__(self, module, change):
        self._module, self._change = module, change

    def find_spec(self, name, path, target=None):
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            self._change(module)

        spec.loader.exec_module = exec_module
        return spec


def _hold(reporter, gate):
    report = reporter.__call__

    def held(self, what, done, total):
        report(self, what, done, total)
        while gate.exists():
            self._stop()
            time.sleep(0.02)

    reporter.__call__ = held


def _fails(*arguments, **more):
    raise ZeroDivisionError("a mistake of ours")


def _change(name, change):
    if name in sys.modules:
        change(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Finder(name, change))


if _GATE:
    _change(_MODULE, lambda module: _hold(module.Reporter, Path(_GATE)))
if _BREAK:
    _place, _, _name = _BREAK.partition(":")
    _change(_place, lambda module: setattr(module, _name, _fails))
