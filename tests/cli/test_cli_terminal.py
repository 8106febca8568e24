"""What people see on a terminal: bars and colours; a pipe gets neither. And what a shell completes."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cellucid_core.cli import main, terminal

ROOT = Path(__file__).parents[2]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal_as_stderr(monkeypatch):
    """Return what lets stderr be a terminal: called in the test, because pytest changes stderr just before."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)

    def begin():
        found = Terminal()
        monkeypatch.setattr(sys, "stderr", found)
        return found

    yield begin
    terminal.end_bar()


def test_a_pipe_gets_no_bar_and_no_colour(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert terminal.counted() is None
    assert terminal.shared() is None
    terminal.say("Warning: few cells")
    assert sys.stderr.getvalue() == "Warning: few cells\n"


def test_the_first_word_has_a_colour_on_a_terminal(terminal_as_stderr):
    stderr = terminal_as_stderr()
    terminal.say("Error: no file")
    terminal.say("Fixed a rule")
    assert stderr.getvalue() == "\x1b[1;31mError:\x1b[0m no file\nFixed a rule\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_declined(terminal_as_stderr, monkeypatch, name, value):
    stderr = terminal_as_stderr()
    monkeypatch.setenv(name, value)
    terminal.say("Error: no file")
    assert stderr.getvalue() == "Error: no file\n"


def test_what_is_done_is_a_bar_and_a_message_has_its_own_line(terminal_as_stderr):
    stderr = terminal_as_stderr()
    show = terminal.counted()
    show(SimpleNamespace(what="Genes", done=0, total=1200))
    show(SimpleNamespace(what="More genes", done=600, total=1200))
    terminal.say("Note: halfway")
    first = stderr.getvalue()
    assert "\rGenes" in first
    assert "600 of 1,200" in first
    assert "\r\x1b[36mNote:" in first, "half a bar makes room"
    share = terminal.shared()
    share("Neighbours", 0.5)
    share("UMAP", 0.25)
    share("UMAP, its colours", 1)
    terminal.end_bar()
    last = stderr.getvalue().removeprefix(first)
    assert last.count("\n") == 1, "a full bar stays"
    assert "Neighbours" in last
    assert "100 %" in last


def test_an_export_on_a_terminal_shows_a_bar(tmp_path):
    """The whole way: a pseudo-terminal as stderr, a pipe as stdout."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cellucid_core", "export", "demo", "--out", tmp_path / "x.zip", "--json"]
    environment = {**os.environ, "CELLUCID_HOME": str(tmp_path / "home")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux says so when the other side is gone
            pass
        assert json.loads(running.stdout.read())["verified"]
    os.close(ours)
    assert "█".encode() in shown


def test_a_score_of_the_demo_waits_for_no_package_that_it_does_not_use(tmp_path):
    heavy = {"scanpy", "sklearn", "numba", "altair", "scipy.stats", "tqdm", "sqlalchemy"}
    code = (
        "import sys; from cellucid_core.cli import main; "
        "status = main(['score', 'demo', '--genes', 'CD3D,CD3E', '--group-by', 'louvain', '--json']); "
        f"print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )
    environment = {**os.environ, "CELLUCID_HOME": str(tmp_path)}
    for loaded in (None, "[]"):  # the first time the demo is written
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        last = done.stderr.splitlines()[-1]
        assert "scanpy" not in last
        assert loaded in (None, last)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_what_a_shell_completes(capsys, shell):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("cellucid-dashboard", "preflight", "--group-by", "--var-quantization"))


def test_a_bash_completes_commands_and_options(capsys, tmp_path):
    pytest.importorskip("shtab")
    main(["completion", "bash"])
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)

    def completed(*words):
        line = " ".join(f"'{word}'" for word in words)
        ask = (
            f"source {script}; COMP_WORDS=(cellucid-dashboard {line}); COMP_CWORD={len(words)}; "
            '_shtab_cellucid_dashboard; echo "${COMPREPLY[@]}"'
        )
        return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()

    assert completed("pre") == ["preflight"]
    assert "--group-by" in completed("score", "demo", "--gr")


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "pip install shtab" in err
