"""The letters of a picture: Pillow's own font knows few beside a to z, so a name may need one of the system's.

Needs Pillow: imported only where a picture is asked for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from PIL import ImageDraw, ImageFont

_SYSTEM_FONTS: Final = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "segoeui.ttf",
    "Arial Unicode.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
    "Hiragino Sans GB.ttc",
)
"""Looked for by name, in the order of Linux, Windows and macOS; the last ones for Chinese, Japanese and Korean."""
_NO_CHARACTER: Final = "\uffff"
_UNKNOWN: Final = "?"


class Lettering:
    """One font for a whole picture: the first that knows every character of its texts, else the one that knows most."""

    def __init__(self, texts: Iterable[str]) -> None:
        characters = frozenset("".join(texts))
        self._font: str | None = None
        missing = _missing(None, characters)
        for name in _SYSTEM_FONTS if missing else ():
            if _font(name, 20) is not None and len(left := _missing(name, characters)) < len(missing):
                self._font, missing = name, left
            if not missing:
                break
        self._missing = missing

    def draw(self, draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, color: str, pixels: int,
             anchor: str = "lm") -> float:  # fmt: skip
        """Write a text; returns how many pixels it is wide. `anchor`: Pillow's, left and middle by default."""
        text = self._known(text)
        draw.text(at, text, color, self._at(pixels), anchor)
        return self.width(text, pixels)

    def width(self, text: str, pixels: int) -> float:
        """In pixels."""
        return self._at(pixels).getlength(self._known(text))

    def cut(self, text: str, room: float, pixels: int) -> str:
        """As much of the text as has room."""
        if self.width(text, pixels) <= room:
            return text
        while text and self.width(f"{text}…", pixels) > room:
            text = text[:-1]
        return f"{text}…"

    def _at(self, pixels: int) -> ImageFont.FreeTypeFont:
        font = _font(self._font, pixels)
        assert font is not None  # it was there when it was chosen
        return font

    def _known(self, text: str) -> str:
        """With what the font lacks as the letter beneath its accents, else as a question mark."""
        return "".join(self._plain(character) if character in self._missing else character for character in text)

    def _plain(self, character: str) -> str:
        base = unicodedata.normalize("NFKD", character)[0]
        return base if base != character and base.isascii() else _UNKNOWN


def _missing(name: str | None, characters: Iterable[str]) -> frozenset[str]:
    font = _font(name, 20)
    assert font is not None
    unknown = _shape(font, _NO_CHARACTER)
    return frozenset(c for c in characters if not c.isspace() and _shape(font, c) == unknown)


def _shape(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@lru_cache(maxsize=16)
def _font(name: str | None, pixels: int) -> ImageFont.FreeTypeFont | None:
    """A font of the system, None where there is none of that name; without a name Pillow's own."""
    try:
        font = ImageFont.load_default(pixels) if name is None else ImageFont.truetype(name, pixels)
    except OSError:
        return None
    assert isinstance(font, ImageFont.FreeTypeFont)  # a size was given
    return font
