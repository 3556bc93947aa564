"""Draws the shapes of `ui/assets` with Pillow, four times as large as asked, and scales down.

A coloured body has a white rim and a dark outline, so that it stands out on a dark, a light and a coloured panel
alike; a neutral body is a grey that contrasts with both, thinly outlined, darker or lighter where the panel is known.

The SVG files are our own: rect, circle, polygon, and paths of M, L, C and Z (absolute) become polygons. Nobody else's
file is read. The `class` of an element is its part in the drawing, see `Part`.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final
from xml.etree import ElementTree

from PIL import Image, ImageChops, ImageDraw, ImageFont

from taskclf_tray.app.snapshot import IconState

Color = tuple[int, int, int]
Point = tuple[float, float]

_OVERSAMPLING: Final = 4
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
_RIM_WIDTH: Final = 0.9  # in units of the view box
_OUTLINE_WIDTH: Final = 1.0
_THIN_OUTLINE_WIDTH: Final = 0.6
_HEX_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_MISSING_GLYPH: Final = "\ufffe"
VIEW_SIZE: Final = 24.0
_ARC_STEPS: Final = 16  # per quarter circle and per curve; at 4 x 64 pixels a step is shorter than 2 pixels
_TOKEN: Final = re.compile(r"[MLCZ]|-?\d+(?:\.\d+)?")


class Part(StrEnum):
    """What an element is for."""

    PAPER = "paper"
    """White ground under the body."""
    BODY = "body"
    """Takes the label's colour, or the neutral one."""
    CUT = "cut"
    """Taken out of the bodies before it."""
    INK = "ink"
    """Drawn over the body in the colour that contrasts with it."""
    LETTER = "letter"
    """The box the letter is fitted into; drawn by nobody."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One element as a closed polygon, in units of the 24 by 24 view box."""

    part: Part
    points: tuple[Point, ...]


@cache
def load_shapes(name: str) -> tuple[Shape, ...]:
    """The elements of `ui/assets/<name>.svg` in drawing order.

    Raises ValueError for an element, class or path command that is not in the subset.
    """
    text = files("taskclf_tray.ui").joinpath("assets", f"{name}.svg").read_text(encoding="utf-8")
    return tuple(parse_shapes(text))


def parse_shapes(text: str) -> Iterator[Shape]:
    """The elements of an SVG text in drawing order."""
    root = ElementTree.fromstring(text)  # noqa: S314 - our own files, part of the package
    if root.get("viewBox") != "0 0 24 24":
        raise ValueError("the view box is not 0 0 24 24")
    for element in root:
        yield Shape(Part(element.get("class", "")), tuple(_points(element)))


def _points(element: ElementTree.Element) -> list[Point]:
    def number(name: str) -> float:
        return float(element.get(name, "0"))

    match element.tag.rpartition("}")[2]:
        case "rect":
            return _rectangle(number("x"), number("y"), number("width"), number("height"), number("rx"))
        case "circle":
            return _arc(number("cx"), number("cy"), number("r"), 0, 4)
        case "polygon":
            values = [float(value) for value in re.split(r"[\s,]+", element.get("points", "").strip())]
            return list(zip(values[::2], values[1::2], strict=True))
        case "path":
            return _path(element.get("d", ""))
        case other:
            raise ValueError(f"cannot read <{other}>")


def _arc(x: float, y: float, radius: float, first_quarter: int, quarters: int) -> list[Point]:
    angles = [math.pi / 2 * (first_quarter + step / _ARC_STEPS) for step in range(quarters * _ARC_STEPS + 1)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


def _rectangle(x: float, y: float, width: float, height: float, radius: float) -> list[Point]:
    if not radius:
        return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    left, right, top, bottom = x + radius, x + width - radius, y + radius, y + height - radius
    corners = ((right, bottom, 0), (left, bottom, 1), (left, top, 2), (right, top, 3))
    return [point for cx, cy, quarter in corners for point in _arc(cx, cy, radius, quarter, 1)]


def _path(data: str) -> list[Point]:
    tokens = _TOKEN.findall(data)
    if "".join(tokens) != re.sub(r"[\s,]+", "", data):
        raise ValueError("a path may hold M, L, C, Z and plain numbers only")
    points: list[Point] = []
    command = ""
    while tokens:
        if tokens[0].isalpha():
            command = tokens.pop(0)
        if command == "Z":
            break
        count = 6 if command == "C" else 2
        values = [float(tokens.pop(0)) for _ in range(count)]
        pairs = list(zip(values[::2], values[1::2], strict=True))
        points += _curve(points[-1], *pairs) if command == "C" else pairs
    return points


def _curve(start: Point, first: Point, second: Point, end: Point) -> list[Point]:
    """The points of a cubic Bézier curve after its start."""

    def at(t: float) -> Point:
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        corners = (start, first, second, end)
        return (
            sum(weight * corner[0] for weight, corner in zip(weights, corners, strict=True)),
            sum(weight * corner[1] for weight, corner in zip(weights, corners, strict=True)),
        )

    return [at(step / _ARC_STEPS) for step in range(1, _ARC_STEPS + 1)]


@dataclass(frozen=True, slots=True)
class _Paint:
    """The colours of one drawing; no rim is a body that contrasts by itself."""

    body: Color
    ink: Color
    outline: Color
    rim: Color | None = None
    outline_width: float = _OUTLINE_WIDTH


def draw_state(state: IconState, letter: str | None, color: str | None, size: int, dark: bool | None) -> Image.Image:
    """The picture of a state, RGBA."""
    return _draw(load_shapes(state), _paint(state, color, dark), letter or _default_letter(state), size)


def draw_app(size: int) -> Image.Image:
    """The program's icon, RGBA."""
    return _draw(load_shapes("app"), _Paint(_APP, _WHITE, _INK, _WHITE), None, size)


def draw_swatch(color: str) -> bytes:
    """A dot with an outline, 16 by 16 pixels, drawn at four times the size, as a PNG file."""
    side, scale = 16, 4
    dot = Image.new("RGBA", (side * scale, side * scale))
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
        return _Paint(body, ink_on(body), _INK, _WHITE)
    if dark is None:
        return _Paint(_MIDDLE_BODY, _WHITE, _WHITE, outline_width=_THIN_OUTLINE_WIDTH)
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


def _draw(shapes: tuple[Shape, ...], paint: _Paint, letter: str | None, size: int) -> Image.Image:
    side = max(_MIN_SIZE, min(size, _MAX_SIZE)) * _OVERSAMPLING
    scale = side / VIEW_SIZE
    paper, body, ink = _masks(shapes, side)
    if letter is not None:
        for shape in shapes:
            if shape.part is Part.LETTER:
                ink.paste(255, (0, 0), _letter_mask(letter[0], shape.points, scale, side))
    silhouette = ImageChops.lighter(paper, body)
    rimmed = _grown(silhouette, _RIM_WIDTH * scale) if paint.rim is not None else silhouette
    layers = [(paint.outline, _grown(rimmed, paint.outline_width * scale))]
    if paint.rim is not None:
        layers.append((paint.rim, rimmed))
    layers += [(_WHITE, paper), (paint.body, body), (paint.ink, ink)]
    return _composed(layers, side).resize((side // _OVERSAMPLING,) * 2, Image.Resampling.BOX)


def _composed(layers: list[tuple[Color, Image.Image]], side: int) -> Image.Image:
    """The layers over one another, all opaque; the first one is the largest and gives the alpha."""
    picture = Image.new("RGB", (side, side), layers[0][0])
    for color, mask in layers[1:]:
        picture.paste(color, (0, 0), mask)
    picture.putalpha(layers[0][1])
    return picture


def _masks(shapes: tuple[Shape, ...], side: int) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Where paper, body and ink are."""
    masks = {part: Image.new("L", (side, side)) for part in (Part.PAPER, Part.BODY, Part.INK)}
    scale = side / VIEW_SIZE
    for shape in shapes:
        if shape.part is not Part.LETTER:
            target = masks[Part.BODY if shape.part is Part.CUT else shape.part]
            points = [(x * scale, y * scale) for x, y in shape.points]
            ImageDraw.Draw(target).polygon(points, fill=0 if shape.part is Part.CUT else 255)
            if shape.part is Part.BODY:  # a body over ink, as a dial's face over its ring
                ImageDraw.Draw(masks[Part.INK]).polygon(points, fill=0)
    return masks[Part.PAPER], masks[Part.BODY], masks[Part.INK]


def _grown(mask: Image.Image, radius: float) -> Image.Image:
    """The mask, wider by `radius` pixels all around: copies of it shifted along a circle."""
    grown = mask
    for step in range(24):
        angle = math.tau * step / 24
        shifted = _shifted(mask, round(radius * math.cos(angle)), round(radius * math.sin(angle)))
        grown = ImageChops.lighter(grown, shifted)
    return grown


def _shifted(mask: Image.Image, right: int, down: int) -> Image.Image:
    moved = Image.new("L", mask.size)
    moved.paste(mask, (right, down))
    return moved


@lru_cache(maxsize=32)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)  # a size was given
    return font


def has_glyph(letter: str) -> bool:
    """Whether Pillow's own font can draw the letter."""
    font = _font(16)
    return bytes(font.getmask(letter)) != bytes(font.getmask(_MISSING_GLYPH))


def _letter_mask(letter: str, box: tuple[Point, ...], scale: float, side: int) -> Image.Image:
    """The letter as large as the box allows, in the middle of it; nothing when the font lacks it."""
    mask = Image.new("L", (side, side))
    if not has_glyph(letter):
        return mask
    left, top = (min(point[axis] for point in box) * scale for axis in (0, 1))
    right, bottom = (max(point[axis] for point in box) * scale for axis in (0, 1))
    pixels, bold = _fitting(letter, right - left, bottom - top)
    draw = ImageDraw.Draw(mask)
    x0, y0, x1, y1 = draw.textbbox((0, 0), letter, font=_font(pixels), stroke_width=bold)
    middle = (left + right - x0 - x1) / 2, (top + bottom - y0 - y1) / 2
    draw.text(middle, letter, fill=255, font=_font(pixels), stroke_width=bold)
    return mask


def _fitting(letter: str, width: float, height: float) -> tuple[int, int]:
    """Font size and stroke width at which the letter just fits."""
    pixels = round(height * 1.5)
    while True:
        bold = max(1, round(pixels * 0.05))
        x0, y0, x1, y1 = _font(pixels).getbbox(letter, stroke_width=bold)
        if (x1 - x0 <= width and y1 - y0 <= height) or pixels <= _MIN_SIZE:
            return pixels, bold
        pixels -= max(1, pixels // 24)
