"""Reads our own small SVG files into polygons: rect, circle, polygon, and paths of M, L, C and Z (absolute).

Not an SVG reader for anybody else's files. The `class` of an element is its part in the drawing, see `Part`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final
from xml.etree import ElementTree

Point = tuple[float, float]
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
