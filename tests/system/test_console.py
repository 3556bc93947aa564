"""Output that a code page cannot show: it degrades to ASCII, and printing never raises."""

from __future__ import annotations

import ast
import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.system import console
from taskclf_tray.system.console import HANDLER, OutputError, as_shown, can_show, complain, degrade, prepare_output

PACKAGE = Path(console.__file__).parents[1]
CODE_PAGES = ("cp1252", "cp437", "cp850", "gbk", "cp932", "koi8-r", "latin-1", "ascii", "utf-8")


ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]))


@pytest.mark.parametrize("encoding", CODE_PAGES)
@given(before=ANY_TEXT, after=ANY_TEXT)
def test_every_text_can_be_printed_in_every_code_page(encoding: str, before: str, after: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    shown = as_shown(before + after, stream)
    assert shown == as_shown(before, stream) + as_shown(after, stream)
    assert can_show(shown, stream)
    if can_show(before, stream):
        assert as_shown(before, stream) == before.encode(encoding).decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", 'OK Home -> x... "q" - #. ? Pause, Munchen, Dejeuner!!'),
        ("cp1252", "OK Home -> x… “q” – #. ? Pause, München, Déjeuner!!"),
        ("cp437", 'OK Home -> x... "q" - █░ ? Pause, München, Déjeuner!!'),
        ("gbk", "OK Home → x… “q” – █. ? Pause, München, Déjeuner!!"),
        ("utf-8", "✓ Home → x… “q” – █░ ☕️ Pause, München, Déjeuner✗"),
    ],
)
def test_what_is_missing_is_spelled_in_ascii(encoding: str, shown: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    degrade(stream)
    text = "✓ Home → x… “q” – █░ ☕️ Pause, München, Déjeuner✗"
    stream.write(text)
    stream.flush()
    assert raw.getvalue().decode(encoding) == shown == as_shown(text, stream)


def test_every_character_of_our_own_sentences_has_a_spelling() -> None:
    """Of the files that say something to the person; docstrings are for readers of the code."""
    found: dict[str, str] = {}
    for path in [
        PACKAGE / "app" / "text.py",
        *PACKAGE.glob("drift/*.py"),
        *PACKAGE.glob("cli/*.py"),
        *PACKAGE.glob("report/*.py"),
    ]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {char: path.name for char in node.value if not char.isascii() and char.isprintable()}
    assert {"✓", "→", "…", "–"} <= set(found)
    assert {char: name for char, name in found.items() if char.encode("ascii", HANDLER) == b"?"} == {}


def test_a_program_without_a_console_prints_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    prepare_output()
    assert sys.stdout is not None
    sys.stdout.write("nobody reads this ✓")
    complain("nor this")
    sys.stdout.close()
    sys.stderr.close()


@pytest.mark.parametrize(
    ("error", "is_gone"), [(BrokenPipeError(errno.EPIPE, "x"), True), (OSError(28, "full"), False)]
)
def test_what_is_said_of_an_answer_that_cannot_be_printed(error: OSError, is_gone: bool) -> None:
    done, failed = OutputError(error, is_done=True), OutputError(error)
    assert (done.is_reader_gone, failed.is_reader_gone) == (is_gone, is_gone)
    assert str(done).startswith("It is done, but the answer cannot be printed (")
    assert "Do not repeat the command" in str(done)
    assert str(failed).startswith("The answer cannot be printed (")


def test_a_write_that_failed_is_not_heard_of_again_at_the_end() -> None:
    program = """
import sys
from taskclf_tray.system.console import give_up, prepare_output
prepare_output()
try:
    sys.stdout.write("x" * 100)
    sys.stdout.flush()
except OSError as error:
    give_up(sys.stdout)
    print(error.errno, file=sys.stderr)
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, f"{errno.ENOSPC}\n")
