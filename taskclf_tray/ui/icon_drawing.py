"""Draws the icons from the masks of `assets/masks.png`, which `packaging/render_icons.py` makes of the SVG files.

A coloured body has a white rim and a dark outline, so that it stands out on a dark, a light and a coloured panel
alike; a neutral body is a grey that contrasts with both, thinly outlined, darker or lighter where the panel is known.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from taskclf_tray.app.snapshot import IconState

Color = tuple[int, int, int]
Box = tuple[int, int, int, int]

TILE: Final = 256
"""Pixels of a mask's side; the icon is composed at this size and scaled to the one asked for."""
APP: Final = "app"
ICONS: Final = (*(state.value for state in IconState), APP)
"""The rows of the sheet of masks."""
_MIN_SIZE: Final = 8
_MAX_SIZE: Final = 512
_WHITE: Final[Color] = (255, 255, 255)
_INK: Final[Color] = (20, 24, 29)
_NEUTRAL: Final[Color] = (123, 135, 148)
_LIGHT_BODY: Final[Color] = (244, 246, 248)
_MIDDLE_BODY: Final[Color] = (122, 134, 148)
_DARK_BODY: Final[Color] = (52, 59, 67)
_ATTENTION: Final[Color] = (255, 194, 26)
_APP: Final[Color] = (11, 98, 176)
_HEX_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_MISSING_GLYPH: Final = "\ufffe"
_MIN_FONT_PIXELS: Final = 8


class Layer(StrEnum):
    """The columns of the sheet of masks."""

    PAPER = "paper"
    BODY = "body"
    INK = "ink"
    LETTER = "letter"
    RIM = "rim"
    RIM_OUTLINE = "rim_outline"
    OUTLINE = "outline"
    THIN_OUTLINE = "thin_outline"


@cache
def _sheet() -> Image.Image:
    packaged = files("taskclf_tray.ui") / "masks.png"
    in_checkout = Path(__file__).resolve().parents[2] / "assets" / "masks.png"
    content = (packaged if packaged.is_file() else in_checkout).read_bytes()
    return Image.open(io.BytesIO(content)).convert("L")


@cache
def mask_of(icon: str, layer: Layer) -> Image.Image:
    """Where the layer of an icon is: grey, `TILE` by `TILE` pixels."""
    left, top = list(Layer).index(layer) * TILE, ICONS.index(icon) * TILE
    return _sheet().crop((left, top, left + TILE, top + TILE))


@dataclass(frozen=True, slots=True)
class _Paint:
    """The colours of one drawing; a body without a rim contrasts with every panel."""

    body: Color
    ink: Color
    outline: Color
    rim: Color | None = None
    outline_layer: Layer = Layer.OUTLINE


def draw_state(state: IconState, letter: str | None, color: str | None, size: int, dark: bool | None) -> Image.Image:
    """The picture of a state, RGBA."""
    return _scaled(_composed(state.value, _paint(state, color, dark), letter or _default_letter(state)), size)


def draw_app(size: int) -> Image.Image:
    """The program's icon, RGBA."""
    return _scaled(_composed(APP, _Paint(_APP, _WHITE, _INK, _WHITE, Layer.RIM_OUTLINE), None), size)


def draw_swatch(color: str | None) -> bytes:
    """A dot with an outline, 16 by 16 pixels, drawn at four times the size, as a PNG file; None: a hollow ring."""
    side, scale = 16, 4
    dot = Image.new("RGBA", (side * scale, side * scale))
    if color is None:
        ImageDraw.Draw(dot).ellipse((10, 10, 53, 53), outline=(*_NEUTRAL, 255), width=6)
    else:
        fill = (*(parse_color(color) or _NEUTRAL), 255)
        ImageDraw.Draw(dot).ellipse((8, 8, 55, 55), fill=fill, outline=(*_INK, 160), width=3)
    file = io.BytesIO()
    dot.resize((side, side), Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()


def _default_letter(state: IconState) -> str | None:
    return "?" if state is IconState.UNSURE else None


def _paint(state: IconState, color: str | None, dark: bool | None) -> _Paint:
    if state is IconState.ATTENTION:
        return _Paint(_ATTENTION, _INK, _INK)
    if state is IconState.UNSURE:
        return _Paint(parse_color(color) or _NEUTRAL, _INK, _INK)
    if state is IconState.LIVE:
        body = parse_color(color) or _NEUTRAL
        return _Paint(body, ink_on(body), _INK, _WHITE, Layer.RIM_OUTLINE)
    if dark is None:
        return _Paint(_MIDDLE_BODY, _WHITE, _WHITE, outline_layer=Layer.THIN_OUTLINE)
    return _Paint(_LIGHT_BODY, _INK, _INK) if dark else _Paint(_DARK_BODY, _WHITE, _WHITE)


def parse_color(color: str | None) -> Color | None:
    """`#rrggbb` as three numbers; None for anything else."""
    if color is None or not _HEX_COLOR.fullmatch(color):
        return None
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def luminance(color: Color) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2, section "relative luminance")."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(body: Color) -> Color:
    """Black or white, whichever contrasts more with `body` (WCAG contrast ratio)."""
    white, ink, ground = luminance(_WHITE) + 0.05, luminance(_INK) + 0.05, luminance(body) + 0.05
    return _WHITE if white / ground >= ground / ink else _INK


@lru_cache(maxsize=16)  # a panel wants five sizes of the same picture
def _composed(icon: str, paint: _Paint, letter: str | None) -> Image.Image:
    """The layers over one another, all opaque; the outline is the largest and gives the alpha."""
    outline = mask_of(icon, paint.outline_layer)
    picture = Image.new("RGB", outline.size, paint.outline)
    if paint.rim is not None:
        picture.paste(paint.rim, (0, 0), mask_of(icon, Layer.RIM))
    for color, layer in ((_WHITE, Layer.PAPER), (paint.body, Layer.BODY), (paint.ink, Layer.INK)):
        picture.paste(color, (0, 0), mask_of(icon, layer))
    box = mask_of(icon, Layer.LETTER).getbbox()
    if letter is not None and box is not None:
        picture.paste(paint.ink, (0, 0), _letter_mask(letter[0], box))
    picture.putalpha(outline)
    return picture


def _scaled(picture: Image.Image, size: int) -> Image.Image:
    side = max(_MIN_SIZE, min(size, _MAX_SIZE))
    return picture.resize((side, side), Image.Resampling.BOX if side <= TILE else Image.Resampling.LANCZOS)


@lru_cache(maxsize=32)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)  # a size was given
    return font


def has_glyph(letter: str) -> bool:
    """Whether Pillow's own font can draw the letter."""
    font = _font(16)
    return bytes(font.getmask(letter)) != bytes(font.getmask(_MISSING_GLYPH))


def _letter_mask(letter: str, box: Box) -> Image.Image:
    """The letter as large as the box allows, in the middle of it; nothing when the font lacks it."""
    mask = Image.new("L", (TILE, TILE))
    if not has_glyph(letter):
        return mask
    left, top, right, bottom = box
    pixels, bold = _fitting(letter, right - left, bottom - top)
    draw = ImageDraw.Draw(mask)
    x0, y0, x1, y1 = draw.textbbox((0, 0), letter, font=_font(pixels), stroke_width=bold)
    middle = (left + right - x0 - x1) / 2, (top + bottom - y0 - y1) / 2
    draw.text(middle, letter, fill=255, font=_font(pixels), stroke_width=bold)
    return mask


def _fitting(letter: str, width: int, height: int) -> tuple[int, int]:
    """Font size and stroke width at which the letter just fits."""
    pixels = round(height * 1.5)
    while True:
        bold = max(1, round(pixels * 0.05))
        x0, y0, x1, y1 = _font(pixels).getbbox(letter, stroke_width=bold)
        if (x1 - x0 <= width and y1 - y0 <= height) or pixels <= _MIN_FONT_PIXELS:
            return pixels, bold
        pixels -= max(1, pixels // 24)
