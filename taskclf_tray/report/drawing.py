"""Colours and areas of a picture. Needs Pillow: imported only where a picture is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from PIL import Image, ImageDraw

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.taxonomy import TaxonomyConfig
from taskclf_tray.infer.taxonomy_file import DEFAULT_COLORS
from taskclf_tray.labels.spans import printable

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
"""So many characters of a name are shown at most."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom; the right column and the bottom row are outside."""


def colors_of(names: Iterable[str], taxonomy: TaxonomyConfig | None) -> dict[str, str]:
    """A colour for each name as it is shown: its own, where it has one, and none twice as long as there are others."""
    own: Mapping[str, str] = dict(zip(LABEL_SET_V1, DEFAULT_COLORS, strict=True)) | {
        printable(bucket.name, NAME_LENGTH): bucket.color.lower() for bucket in (taxonomy.buckets if taxonomy else ())
    }
    colors: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in own):
        wanted = (own[name],) if name in own else ()
        free = (color for color in (*wanted, *_SPARE) if color not in colors.values())
        colors[name] = next(free, _SPARE[len(colors) % len(_SPARE)])
    return colors


def fill(image: Image.Image, box: Box, color: str) -> None:
    """One colour; a box of no width still shows as a line."""
    ImageDraw.Draw(image).rectangle((box[0], box[1], max(box[0], box[2] - 1), box[3] - 1), color)


def hatch(image: Image.Image, box: Box, ground: str, lines: str) -> None:
    """Oblique lines, which go on across neighbours."""
    left, top, right, bottom = box[0], box[1], max(box[0] + 1, box[2]), box[3]
    part = Image.new("RGB", (right - left, bottom - top), ground)
    draw = ImageDraw.Draw(part)
    for x in range(-part.height - left % _HATCH_STEP, part.width + part.height, _HATCH_STEP):
        draw.line((x, part.height, x + part.height, 0), lines, 3)
    image.paste(part, (left, top))


def outline(image: Image.Image, box: Box, color: str) -> None:
    """A frame one pixel wide, inside the box."""
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=color)
