"""Standard output and standard error: characters that the code page lacks, and a reader or a disk that is gone.

Redirected output has the code page of the machine (cp1252, cp437, gbk, latin-1), which knows neither ✓ nor most emoji.
With the error handler registered here a missing character becomes its nearest ASCII spelling, and printing never raises
UnicodeEncodeError.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
import unicodedata
from typing import Final, TextIO

from taskclf_tray.core.errors import TaskclfError

HANDLER: Final = "taskclf_tray.nearest"
"""The name of the error handler, for `errors=`."""
_SPELLING: Final = {
    "✓": "OK", "✔": "OK", "✗": "!!", "✘": "!!", "·": "-", "•": "*", "●": "*", "○": "o", "→": "->", "←": "<-",
    "↑": "^", "↓": "v", "▸": ">", "—": "-", "–": "-", "‑": "-", "−": "-", "…": "...", "“": '"', "”": '"', "„": '"',
    "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "×": "x", "÷": "/", "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~",
    "±": "+/-", "°": "deg", "█": "#", "▓": "#", "▒": "+", "░": ".", "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE",
    "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L", "ð": "d", "þ": "th", "ı": "i",
    "€": "EUR", "½": "1/2", "¼": "1/4", "¾": "3/4",
}  # fmt: skip
_UNKNOWN: Final = "?"
_SILENT: Final = frozenset({"Mn", "Me", "Cf", "Sk"})
"""Categories of characters that only change the one before: accents, joiners, variation selectors, skin tones."""


class OutputError(TaskclfError):
    """The answer cannot be printed.

    `is_done`: the command has done its work all the same. `is_reader_gone`: nobody reads the output any more.
    """

    def __init__(self, error: OSError, *, is_done: bool = False) -> None:
        # Windows reports a closed pipe as EINVAL
        self.is_reader_gone = isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
        self.is_done = is_done
        why = error.strerror or type(error).__name__
        super().__init__(
            f"{'It is done, but the' if is_done else 'The'} answer cannot be printed ({why}).",
            "Do not repeat the command; look where its output goes." if is_done else "Look where its output goes.",
        )


def prepare_output() -> None:
    """Make printing to standard output and standard error safe; once, at the start of a process.

    A stream that is closed or missing, as in a program without a console, is replaced by one that discards its text.
    """
    sys.stdout = sys.stdout if _is_open(sys.stdout) else _nowhere()
    sys.stderr = sys.stderr if _is_open(sys.stderr) else _nowhere()
    degrade(sys.stdout)
    degrade(sys.stderr)


def degrade(stream: TextIO) -> None:
    """Print characters that the stream's encoding lacks in ASCII."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=HANDLER)


def as_shown(text: str, stream: TextIO) -> str:
    """The text as the stream will show it, for counting its length."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, HANDLER).decode(encoding)


def can_show(text: str, stream: TextIO) -> bool:
    """Whether the encoding of the stream has every character of the text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def complain(text: str) -> None:
    """Print a line to standard error. A failure is ignored, since nobody could read about it."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Drop what is buffered after a failed write, so that the interpreter does not fail on it at its end."""
    with contextlib.suppress(OSError, ValueError):
        if stream is sys.__stdout__ or stream is sys.__stderr__:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()


def _is_open(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it stays open as long as the process


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """The error handler: the ASCII spelling of each character that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_spelled(char) for char in error.object[error.start : error.end]), error.end


def _spelled(char: str) -> str:
    known = _SPELLING.get(char)
    if known is not None:
        return known

    if unicodedata.category(char) in _SILENT:
        return ""
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return plain or _UNKNOWN


codecs.register_error(HANDLER, _nearest)
