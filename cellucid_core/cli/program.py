"""Parse the arguments, run the command, turn every failure into a sentence and a status."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cellucid_core.cli import app, completion, datasets, demo, export, preflight, score, serve, signature, verify
from cellucid_core.cli.arguments import BAD_INPUT, DONE, REFUSED, Parser
from cellucid_core.cli.terminal import end_bar, say
from cellucid_core.configuration import read_configuration
from cellucid_core.errors import CellucidError, InputError, Unforeseen, WorkRefused

_COMMANDS = (preflight, export, verify, score, signature, datasets, demo, serve, app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; an error is printed as a sentence, never as a traceback.

    Parameters
    ----------
    arguments
        The words after the program's name; by default those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    if arguments is None and not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are about the insides of libraries; what users should know is said
    try:
        options = parser().parse_args(given)
        _check_environment()
        with _cluster(options.cluster):
            status, result = options.run(options)
        end_bar()
        if as_json and result is not None:
            print(json.dumps(result, allow_nan=False, ensure_ascii=False))
        sys.stdout.flush()
    except WorkRefused as error:
        return _failed(error, REFUSED, as_json)
    except CellucidError as error:
        return _failed(error, BAD_INPUT, as_json)
    except BrokenPipeError:
        # The reader of stdout closed it. Python flushes stdout once more at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except MemoryError:
        return _failed(InputError("There is not enough memory.", "Use a larger machine."), BAD_INPUT, as_json)
    except OSError as error:
        # A draft's hidden name means nothing to the user; its folder does.
        name = Path(str(error.filename or ""))
        where = f" ({name.parent if name.name.startswith('.') else name})" if error.filename else ""
        fix = "Check the path, its permissions and the free disk space."
        return _failed(InputError(f"{error.strerror or error}{where}.", fix), BAD_INPUT, as_json)
    except Exception as error:  # a bug of ours; the user must not see a traceback
        return _failed(_logged(Unforeseen(error), error), BAD_INPUT, as_json)
    return int(status)


def _logged(unforeseen: Unforeseen, error: Exception) -> Unforeseen:
    """Append the traceback to ``errors.log`` in the home folder, where a user who reports the error finds it."""
    from cellucid_core.cache import cellucid_home

    with suppress(OSError), (cellucid_home() / "errors.log").open("a", encoding="utf-8") as log:
        log.write(f"reference {unforeseen.reference}\n{''.join(traceback.format_exception(error))}\n")
    return unforeseen


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Set ``CELLUCID_CLUSTER`` while the command runs, and restore it afterwards."""
    if address is None:
        yield
        return
    before = os.environ.get("CELLUCID_CLUSTER")
    os.environ["CELLUCID_CLUSTER"] = address
    try:
        read_configuration()
        yield
    finally:
        if before is None:
            os.environ.pop("CELLUCID_CLUSTER", None)
        else:
            os.environ["CELLUCID_CLUSTER"] = before


def _check_environment() -> None:
    """Refuse a malformed ``SOURCE_DATE_EPOCH``: a library reads it on import and would fail with a traceback."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if epoch and not (epoch.isascii() and epoch.isdigit()):
        raise InputError(f"SOURCE_DATE_EPOCH is {epoch!r}, which is not a time.", "Give whole seconds since 1970.")


def _failed(error: CellucidError, status: int, as_json: bool) -> int:
    say(f"Error: {' '.join(str(error).split())}")
    if as_json:
        details = error.details if isinstance(error, WorkRefused) else {}
        print(json.dumps({"error": error.what, "fix": error.fix, **details}, allow_nan=False, ensure_ascii=False))
    return status


def parser() -> Parser:
    """Return the parser of all commands."""
    made = Parser(prog=_program(), description="Check, export and score single-cell data.")
    commands = made.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    completion.add(commands, made)
    return made


def _program() -> str:
    """Return the program's name as it was called, for help and messages."""
    name = Path(sys.argv[0]).name
    return name if name.startswith("cellucid-dashboard") else "python -m cellucid_core"
