"""Colours, areas and fonts of a picture. Needs Pillow: imported only when a picture is made.

Pillow's own font has few letters besides a to z, so a name may need a system font.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.types import LABEL_LOOKS
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig

PAPER: Final = "#ffffff"
INK: Final = "#1b2026"
FAINT: Final = "#5b6670"
TROUGH: Final = "#eef0f3"
FRAME: Final = "#b9c1c9"
UNSURE: Final = "#dde1e6"
UNSURE_LINES: Final = "#98a3ae"
_SPARE: Final = (
    "#7f8c8d", "#a56b2c", "#e07a96", "#3f7f86", "#8e7cc3", "#4d4d4d", "#b3c41a", "#c0392b",
    "#9ad0f5", "#5e8c31", "#d4a5e8", "#7a4a2b", "#1f3a5f", "#f2b5a7", "#00a3a3", "#b08900",
    "#c71585", "#6b8e9f", "#a8e6a1", "#800000", "#556b2f", "#ff7f50", "#4169e1", "#d2b48c",
)  # fmt: skip
"""For names without a colour, or with one that another has."""
_HATCH_STEP: Final = 10
NAME_LENGTH: Final = 60
"""The maximum number of characters of a name."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom; the right column and the bottom row are outside."""
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


def colors_of(names: Iterable[str], taxonomy: TaxonomyConfig | None) -> dict[str, str]:
    """Choose a colour for each shown name: its own if it has one, without repeating a colour while others remain."""
    own: Mapping[str, str] = {label: look.color for label, look in LABEL_LOOKS.items()} | {
        printable(bucket.name, NAME_LENGTH): bucket.color.lower() for bucket in (taxonomy.buckets if taxonomy else ())
    }
    colors: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in own):
        wanted = (own[name],) if name in own else ()
        free = (color for color in (*wanted, *_SPARE) if color not in colors.values())
        colors[name] = next(free, _SPARE[len(colors) % len(_SPARE)])
    return colors


def fill(image: Image.Image, box: Box, color: str) -> None:
    """Fill a box with one colour; a box without width still shows as a line."""
    ImageDraw.Draw(image).rectangle((box[0], box[1], max(box[0], box[2] - 1), box[3] - 1), color)


def hatch(image: Image.Image, box: Box, ground: str, lines: str) -> None:
    """Fill a box with oblique lines, which continue across neighbours."""
    left, top, right, bottom = box[0], box[1], max(box[0] + 1, box[2]), box[3]
    part = Image.new("RGB", (right - left, bottom - top), ground)
    draw = ImageDraw.Draw(part)
    for x in range(-part.height - left % _HATCH_STEP, part.width + part.height, _HATCH_STEP):
        draw.line((x, part.height, x + part.height, 0), lines, 3)
    image.paste(part, (left, top))


def outline(image: Image.Image, box: Box, color: str) -> None:
    """Draw a frame one pixel wide inside the box."""
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=color)


class Font:
    """One font for a whole picture: the first with every character of its texts, else the one with most of them."""

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
        """Draw a text; returns its width in pixels.

        Args:
            draw: Pillow's drawing context.
            at: position in pixels.
            text: the text.
            color: a colour that Pillow knows.
            pixels: size of the font.
            anchor: Pillow's, left and middle by default.
        """
        text = self._known(text)
        draw.text(at, text, color, self._at(pixels), anchor)
        return self.width(text, pixels)

    def width(self, text: str, pixels: int) -> float:
        """Return the width of a text in pixels."""
        return self._at(pixels).getlength(self._known(text))

    def cut(self, text: str, room: float, pixels: int) -> str:
        """Cut the text to the available width."""
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
        """Replace characters that the font lacks by their base letter, else by a question mark."""
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
    """Load a system font, None when there is none of that name; without a name Pillow's own."""
    try:
        font = ImageFont.load_default(pixels) if name is None else ImageFont.truetype(name, pixels)
    except OSError:
        return None
    assert isinstance(font, ImageFont.FreeTypeFont)  # a size was given
    return font
