"""Messages, progress bars and colours on stderr; bars and colours only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

#: First word of a message → ANSI code: bold red, yellow, cyan.
_COLOURS = {"Error:": "1;31", "Warning:": "33", "Note:": "36"}
_SHARE = "{desc} {bar} {percentage:3.0f} % [{elapsed}<{remaining}]"
_COUNT = "{desc} {bar} {n:,.0f} of {total:,.0f} [{elapsed}<{remaining}]"


def end_bar() -> None:
    """End the progress bar that is shown, so that something else can be printed."""
    _bar.close()


def say(text: str) -> None:
    """Print a message to stderr, its first word coloured on a terminal."""
    end_bar()
    print(_coloured(text), file=sys.stderr)


def counted() -> Callable[[Any], None] | None:
    """Return a callback that shows an `ExportProgress` as a bar, or None if stderr is not a terminal."""
    if not sys.stderr.isatty():
        return None
    return lambda progress: _bar.show(progress.what, progress.done, progress.total, _COUNT)


def shared() -> Callable[[str, float], None] | None:
    """Return a callback that shows a text and a share from 0 to 1 as a bar, or None if stderr is not a terminal."""
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
    """Return the terminal's width in columns, 80 where it is unknown or 0."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


class _Bar:
    """The one progress bar on the terminal, for the current step."""

    def __init__(self) -> None:
        self._shown: tqdm[Any] | None = None

    def show(self, what: str, done: float, total: float, form: str) -> None:
        """Show how much is done; another total, or less than before, begins a new bar."""
        bar = self._shown
        if bar is None or bar.total != total or done < bar.n:
            from tqdm import tqdm

            self.close()
            # tqdm would show nothing on a terminal that reports the size 0, so it is given a size.
            bar = tqdm(total=total, bar_format=form, file=sys.stderr, ncols=_width(), nrows=20, delay=1e-9)
            self._shown = bar
        bar.update(done - bar.n)
        bar.set_description_str(what, refresh=bar.desc != what)

    def close(self) -> None:
        """Leave the bar on the screen if it is full, else remove it; the next print begins a new line."""
        bar, self._shown = self._shown, None
        if bar is not None:
            bar.leave = bar.n >= bar.total
            bar.close()


_bar = _Bar()
