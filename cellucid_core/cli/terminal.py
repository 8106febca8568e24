"""What people see on a terminal, and programs do not: progress bars, colours. All of it goes to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

#: Of the first word of a message: bold red, yellow, cyan.
_COLOURS = {"Error:": "1;31", "Warning:": "33", "Note:": "36"}
_SHARE = "{desc} {bar} {percentage:3.0f} % [{elapsed}<{remaining}]"
_COUNT = "{desc} {bar} {n:,.0f} of {total:,.0f} [{elapsed}<{remaining}]"


def end_bar() -> None:
    """End the bar that is shown, before something else is."""
    _bar.close()


def say(text: str) -> None:
    """Print a message."""
    end_bar()
    print(_coloured(text), file=sys.stderr)


def counted() -> Callable[[Any], None] | None:
    """Return what shows an export's `Progress` as a bar, or None where nobody watches."""
    if not sys.stderr.isatty():
        return None
    return lambda progress: _bar.show(progress.what, progress.done, progress.total, _COUNT)


def shared() -> Callable[[str, float], None] | None:
    """Return what shows a text and a share of 1 as a bar, or None where nobody watches."""
    if not sys.stderr.isatty():
        return None
    return lambda what, share: _bar.show(what, share, 1, _SHARE)


def _coloured(text: str) -> str:
    first, space, rest = text.partition(" ")
    if first not in _COLOURS or not sys.stderr.isatty():
        return text
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLOURS[first]}m{first}\x1b[0m{space}{rest}"


def _width() -> int:
    """Return the terminal's width; some say 0."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


class _Bar:
    """The one bar on the terminal: of what is done now."""

    def __init__(self) -> None:
        self._shown: tqdm[Any] | None = None

    def show(self, what: str, done: float, total: float, form: str) -> None:
        """Show how much is done; what begins again gets a bar of its own."""
        bar = self._shown
        if bar is None or bar.total != total or done < bar.n:
            from tqdm import tqdm

            self.close()
            # With a size of ours tqdm asks for none; it would show nothing on a terminal that says 0.
            bar = tqdm(total=total, bar_format=form, file=sys.stderr, ncols=_width(), nrows=20, delay=1e-9)
            self._shown = bar
        bar.update(done - bar.n)
        bar.set_description_str(what, refresh=bar.desc != what)

    def close(self) -> None:
        """Leave a bar that is full, take away any other; what is printed next begins a new line."""
        bar, self._shown = self._shown, None
        if bar is not None:
            bar.leave = bar.n >= bar.total
            bar.close()


_bar = _Bar()
