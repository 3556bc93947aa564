"""A day or a week to look at: each day a band from left to right in the colours of what it was.

Needs Pillow: imported only where a picture is asked for.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.time import from_us, zone
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.taxonomy import TaxonomyConfig
from taskclf_tray.infer.taxonomy_file import DEFAULT_COLORS
from taskclf_tray.labels.spans import printable
from taskclf_tray.report.days import Day, day_bounds_us
from taskclf_tray.report.minutes import duration, whole_minutes
from taskclf_tray.report.pieces import Piece, own_ui_label, pieces_of
from taskclf_tray.report.table import NOT_SURE, TOTAL, day_name

WIDTH: Final = 1280
_MARGIN: Final = 40
_DAY_NAMES: Final = 116
_HOUR_US: Final = 3_600_000_000
_SHORTEST_HOURS: Final = 6
_MARK: Final = 6
"""The height of the line over what the person labelled."""
_LEGEND_COLUMNS: Final = 4
_LEGEND_ROW: Final = 30

_PAPER: Final = "#ffffff"
_INK: Final = "#1b2026"
_FAINT: Final = "#5b6670"
_TROUGH: Final = "#f1f3f5"
_FRAME: Final = "#b9c1c9"
_UNSURE: Final = "#dde1e6"
_UNSURE_LINES: Final = "#a3adb8"
_SPARE: Final = ("#7f8c8d", "#a56b2c", "#e07a96", "#3f7f86", "#8e7cc3", "#4d4d4d", "#b3c41a", "#c0392b")
"""For names without a colour, or with one that another has."""

Draw = ImageDraw.ImageDraw


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a moment lies on a band: by the time since the day began, so that days of 23 and 25 hours are right."""

    left: int
    right: int
    first_hour: int
    last_hour: int

    def x(self, elapsed_us: int) -> int:
        share = (elapsed_us - self.first_hour * _HOUR_US) / ((self.last_hour - self.first_hour) * _HOUR_US)
        return round(self.left + share * (self.right - self.left))


def picture_png(days: Sequence[Day], taxonomy: TaxonomyConfig | None) -> bytes:
    """The bands of the days with a legend, as a PNG file 1280 pixels wide."""
    pieces = [pieces_of(day.records, day.spans, taxonomy) for day in days]
    minutes = whole_minutes(_totals_us(pieces, taxonomy))
    names = list(minutes) + [n for n in _away_names(days, taxonomy) if n not in minutes]
    colors = _colors(names, taxonomy)
    height = 130 if len(days) == 1 else 44
    row = height + 40
    top, legend = 96, 96 + row * len(days) + 16
    image = Image.new("RGB", (WIDTH, legend + _LEGEND_ROW * _legend_rows(len(names)) + 24), _PAPER)
    draw = ImageDraw.Draw(image)
    _draw_head(draw, days, sum(minutes.values()))
    left = _MARGIN if len(days) == 1 else _MARGIN + _DAY_NAMES
    scale = _Scale(left, WIDTH - _MARGIN, *_hours(days))
    for number, (day, parts) in enumerate(zip(days, pieces, strict=True)):
        y = top + number * row
        if len(days) > 1:
            draw.text((_MARGIN, y + height / 2), f"{day.date:%a} {day.date.day} {day.date:%b}", _INK, _font(18), "lm")
        _draw_band(image, scale, day, parts, (y, y + height), colors, taxonomy)
    _draw_legend(image, names, minutes, colors, legend)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


# -- what there is ----------------------------------------------------------------------------------------------


def _shown(piece: Piece, taxonomy: TaxonomyConfig | None) -> str:
    includes_rejected = taxonomy is not None and taxonomy.include_rejected_in_reports
    return NOT_SURE if piece.is_mixed and not includes_rejected else piece.ui_label


def _totals_us(days: Sequence[Sequence[Piece]], taxonomy: TaxonomyConfig | None) -> dict[str, int]:
    """Most first, what nobody is sure of last."""
    totals: Counter[str] = Counter()
    for piece in (piece for pieces in days for piece in pieces):
        totals[_shown(piece, taxonomy)] += piece.covered_us
    return dict(sorted(totals.items(), key=lambda item: (item[0] == NOT_SURE, -item[1], item[0])))


def _away_names(days: Sequence[Day], taxonomy: TaxonomyConfig | None) -> Iterator[str]:
    yield from dict.fromkeys(own_ui_label(labelled.label, taxonomy) for day in days for labelled in day.away)


def _colors(names: Sequence[str], taxonomy: TaxonomyConfig | None) -> dict[str, str]:
    """A colour each: the category's or the label's own, and never one twice."""
    own = dict(zip(LABEL_SET_V1, DEFAULT_COLORS, strict=True))
    own.update({bucket.name: bucket.color for bucket in (taxonomy.buckets if taxonomy else ())})
    colors: dict[str, str] = {NOT_SURE: _UNSURE}
    for name in sorted(names, key=lambda name: name not in own):
        if name not in colors:
            wanted = (own[name].lower(),) if name in own else ()
            free = (color for color in (*wanted, *_SPARE) if color not in colors.values())
            colors[name] = next(free, _SPARE[len(colors) % len(_SPARE)])
    return colors


def _hours(days: Sequence[Day]) -> tuple[int, int]:
    """The hours since midnight that the bands show: those with something in them, and not too few."""
    first, last = 24, 0
    for day in days:
        midnight_us = day_bounds_us(day.date, day.time_zone)[0]
        for start_us, end_us in _reaches(day):
            first = min(first, (start_us - midnight_us) // _HOUR_US)
            last = max(last, -((midnight_us - end_us) // _HOUR_US))
    if first >= last:
        return 8, 18
    spare = max(0, _SHORTEST_HOURS - (last - first))
    return max(min(first, 0), first - spare // 2), last + spare - spare // 2


def _reaches(day: Day) -> Iterator[Interval]:
    if day.records:
        yield day.records[0].start_us, day.records[-1].end_us
    yield from ((labelled.start_us, labelled.end_us) for labelled in day.away)


# -- drawing ----------------------------------------------------------------------------------------------------


def _draw_head(draw: Draw, days: Sequence[Day], minutes: int) -> None:
    first, last = days[0].date, days[-1].date
    title = day_name(first) if first == last else f"{day_name(first)} – {day_name(last)}"
    draw.text((_MARGIN, 44), title, _INK, _font(26), "lm")
    draw.text((WIDTH - _MARGIN, 44), f"{TOTAL} {duration(minutes)}", _FAINT, _font(22), "rm")


def _draw_band(
    image: Image.Image,
    scale: _Scale,
    day: Day,
    pieces: Sequence[Piece],
    rows: tuple[int, int],
    colors: Mapping[str, str],
    taxonomy: TaxonomyConfig | None,
) -> None:
    draw = ImageDraw.Draw(image)
    top, bottom = rows
    midnight_us, end_us = day_bounds_us(day.date, day.time_zone)
    last_us = max(end_us, *(piece.end_us for piece in pieces[-1:])) if pieces else end_us
    frame = (max(scale.left, scale.x(0)), min(scale.right, scale.x(last_us - midnight_us)))
    draw.rectangle((frame[0], top, frame[1], bottom), _TROUGH)
    _draw_ticks(draw, scale, day, midnight_us, last_us, rows)
    for piece in pieces:
        box = (scale.x(piece.start_us - midnight_us), top, scale.x(piece.end_us - midnight_us), bottom)
        name = _shown(piece, taxonomy)
        if name == NOT_SURE and piece.is_mixed:
            _hatch(image, box, _UNSURE, _UNSURE_LINES)
        else:
            draw.rectangle(_inside(box), colors[name])
        if piece.is_own:
            draw.rectangle(_inside((box[0], top - _MARK - 2, box[2], top - 2)), _INK)
    for labelled in day.away:
        box = (scale.x(labelled.start_us - midnight_us), top, scale.x(labelled.end_us - midnight_us), bottom)
        _hatch(image, box, _PAPER, colors[own_ui_label(labelled.label, taxonomy)])
        draw.rectangle(_inside((box[0], top - _MARK - 2, box[2], top - 2)), _INK)
    draw.rectangle((frame[0], top, frame[1], bottom), outline=_FRAME)


def _draw_ticks(draw: Draw, scale: _Scale, day: Day, midnight_us: int, last_us: int, rows: tuple[int, int]) -> None:
    """The hours as the clock on the wall showed them."""
    step = 1 if (scale.right - scale.left) / (scale.last_hour - scale.first_hour) >= 40 else 2
    for hour in range(scale.first_hour, scale.last_hour + 1):
        if hour * _HOUR_US > last_us - midnight_us:
            break
        x = scale.x(hour * _HOUR_US)
        draw.line((x, rows[0], x, rows[1] + 5), _FRAME)
        if (hour - scale.first_hour) % step == 0:
            moment = from_us(midnight_us + hour * _HOUR_US).astimezone(zone(day.time_zone))
            draw.text((x, rows[1] + 8), f"{moment:%H:%M}" if moment.minute else f"{moment:%H}", _FAINT, _font(14), "ma")


def _legend_rows(names: int) -> int:
    return -(-(names + 3) // _LEGEND_COLUMNS)


def _draw_legend(
    image: Image.Image, names: Sequence[str], minutes: Mapping[str, int], colors: Mapping[str, str], top: int
) -> None:
    """Every name with its time, then what the marks mean."""
    draw = ImageDraw.Draw(image)
    width = (WIDTH - 2 * _MARGIN) // _LEGEND_COLUMNS
    marks = ("Your label", "Your label, not on record", "Nothing on record")
    for number, name in enumerate((*names, *marks)):
        x, y = _MARGIN + number % _LEGEND_COLUMNS * width, top + number // _LEGEND_COLUMNS * _LEGEND_ROW
        box = (x, y, x + 20, y + 18)
        place = number - len(names)
        if place >= 1:
            _hatch(image, box, _PAPER, _FAINT) if place == 1 else draw.rectangle(_inside(box), _TROUGH)
        elif name == NOT_SURE and place < 0:
            _hatch(image, box, _UNSURE, _UNSURE_LINES)
        elif place < 0:
            draw.rectangle(_inside(box), colors[name])
        if place in (0, 1):
            draw.rectangle((x, y - 2, x + 19, y + 2), _INK)
        draw.rectangle(_inside(box), outline=_FRAME)
        time = f"  {duration(minutes[name])}" if place < 0 and name in minutes else ""
        draw.text((x + 30, y + 9), _cut(printable(name, 60), width - 44, time), _INK, _font(16), "lm")


def _cut(name: str, pixels: int, time: str) -> str:
    """The name as far as there is room, and the time whole."""
    if _font(16).getlength(name + time) <= pixels:
        return name + time
    while name and _font(16).getlength(f"{name}…{time}") > pixels:
        name = name[:-1]
    return f"{name}…{time}"


def _hatch(image: Image.Image, box: tuple[int, int, int, int], ground: str, lines: str) -> None:
    """Oblique lines, the same across neighbours."""
    x0, y0, x1, y1 = box
    if x1 <= x0:
        return
    part = Image.new("RGB", (x1 - x0, y1 - y0 + 1), ground)
    draw = ImageDraw.Draw(part)
    tall = part.height
    for x in range(-tall - (x0 % 10), part.width + tall, 10):
        draw.line((x, tall, x + tall, 0), lines, 3)
    image.paste(part, (x0, y0))


def _inside(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Pillow counts the last column as inside; never less than one."""
    return box[0], box[1], max(box[0], box[2] - 1), box[3]


@lru_cache(maxsize=8)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)  # a size was given
    return font
