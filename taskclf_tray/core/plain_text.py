"""Sanitising of texts before they are shown, logged or sent to a notification service."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Two joiners are letters of ordinary writing (Persian, Devanagari, emoji families); every other invisible
# formatting character, the bidi overrides among them, can make a text read as something it is not.
_KEPT_FORMATTING: Final = "\u200c\u200d"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_KEPT_OF_WORD: Final = 40
_MOST_CHARACTERS: Final = 400
_KEPT_AT_START: Final = 280
_LONG_WORD: Final = re.compile(r"[^\s'\"]{61,}")


def plain_text(text: str, limit: int, *, multiline: bool = False) -> str:
    """Remove control, formatting and surrogate characters, strip, and cut to `limit` characters.

    Line breaks stay in `multiline` texts and become spaces elsewhere. D-Bus closes a connection over a NUL or a lone
    surrogate, so every text passes here before a backend sees it. The input is cut first: 64 KB cost no more than
    `limit` characters.
    """
    window = text[: 4 * limit].replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(_plain_character(character, multiline=multiline) for character in window).strip()
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + _ELLIPSIS


def _plain_character(character: str, *, multiline: bool) -> str:
    if character == "\n" and multiline:
        return character
    if character in "\n\t\v\f\u2028\u2029\u0085":
        return " "
    category = unicodedata.category(character)
    if category == "Cs":
        return _REPLACEMENT
    if category == "Cc" or (category == "Cf" and character not in _KEPT_FORMATTING):
        return ""
    return character


def readable(sentence: str) -> str:
    """Shorten a sentence that quotes a file: long words at their end, a long list in its middle."""
    sentence = _LONG_WORD.sub(lambda word: f"{word[0][:_KEPT_OF_WORD]}…", sentence)
    if len(sentence) <= _MOST_CHARACTERS:
        return sentence
    return f"{sentence[:_KEPT_AT_START]}…{sentence[_KEPT_AT_START - _MOST_CHARACTERS :]}"


def printable(text: str, length: int = 40) -> str:
    """Make text of a file or command line fit for a message: short, one line, without control characters."""
    cut = text[:length]
    return "".join(char if char.isprintable() else "�" for char in cut) + ("…" if len(text) > length else "")
