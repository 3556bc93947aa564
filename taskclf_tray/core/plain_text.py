"""Any text, made safe to show, to log and to hand to a notification service."""

from __future__ import annotations

import unicodedata
from typing import Final

# Two joiners are letters of ordinary writing (Persian, Devanagari, emoji families); every other invisible
# formatting character, the bidi overrides among them, can make a text read as something it is not.
_KEPT_FORMATTING: Final = "\u200c\u200d"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


def plain_text(text: str, limit: int, *, multiline: bool = False) -> str:
    """`text` without control, formatting or surrogate characters, stripped, at most `limit` characters.

    Line breaks survive in `multiline` texts and become spaces elsewhere. D-Bus ends a connection over a NUL
    or a lone surrogate, so this runs before any backend sees the text. The input is cut before it is
    walked: 64 KB cost no more than `limit` characters do.
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
