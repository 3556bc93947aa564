"""The picture of a day or a week: each day is a band from left to right in the colours of its labels.

Needs Pillow: imported only when a picture is made.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.time import from_us
from taskclf_tray.core.zones import stored_zone
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.report.bucket_parts import BucketPart, apportion_minutes, bucket_parts, duration, own_ui_label
from taskclf_tray.report.daily import DailyReport
from taskclf_tray.report.days import Day, day_bounds_us
from taskclf_tray.report.drawing import (
    FAINT,
    FRAME,
    INK,
    NAME_LENGTH,
    PAPER,
    TROUGH,
    UNSURE,
    UNSURE_LINES,
    Box,
    Font,
    colors_of,
    fill,
    hatch,
    outline,
)
from taskclf_tray.report.table import NOT_SURE, TOTAL, Name, day_name, focus_text, parts_us, versus
from taskclf_tray.report.weekly import WeeklyReport

WIDTH: Final = 1280
MOST_NAMES: Final = 24
"""The number of distinguishable colours; names with less time are drawn and counted as others."""
OTHERS: Final = "Others"
_MARGIN: Final = 40
_TOP: Final = 122
_DAY_NAMES: Final = 112
_DAY_TOTALS: Final = 112
_HOUR_US: Final = 3_600_000_000
_SHORTEST_HOURS: Final = 6
_NARROWEST_TICK: Final = 46
_MARK: Final = 6
"""The height of the line over labelled time."""
_LEGEND_COLUMNS: Final = 4
_LEGEND_ROW: Final = 30
_OWN, _OWN_AWAY, _NOTHING = "Your label", "Your label, not on record", "Nothing on record"


def picture_png(days: Sequence[Day], report: DailyReport | WeeklyReport, taxonomy: TaxonomyConfig | None) -> bytes:
    """Draw the bands of the days with a legend, as a PNG file 1280 pixels wide. `report`: of exactly these days."""
    return _Picture(days, report, taxonomy).png()


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps a moment to a position on a band by the time since the day began, correct for days of 23 and 25 hours."""

    left: int
    right: int
    first_hour: int
    last_hour: int

    def x(self, elapsed_us: int) -> int:
        share = (elapsed_us - self.first_hour * _HOUR_US) / ((self.last_hour - self.first_hour) * _HOUR_US)
        return round(self.left + share * (self.right - self.left))


class _Picture:
    """The content of the picture, and its canvas."""

    def __init__(
        self, days: Sequence[Day], report: DailyReport | WeeklyReport, taxonomy: TaxonomyConfig | None
    ) -> None:
        self._days, self._report, self._taxonomy = days, report, taxonomy
        self._parts = [bucket_parts(day.records, day.spans, taxonomy, day.shown) for day in days]
        away = dict.fromkeys(own_ui_label(labelled.label, taxonomy) for day in days for labelled in day.away)
        minutes = apportion_minutes(parts_us(report.ui_label_seconds, report))
        self._total = sum(minutes.values())
        self._shown: dict[str, str] = _shown_as([*(name for name in minutes if name is not None), *away])
        self._minutes: dict[Name, int] = {}
        for name, count in minutes.items():
            shown = None if name is None else self._shown[name]
            self._minutes[shown] = self._minutes.get(shown, 0) + count
        self._colors = colors_of(dict.fromkeys(self._shown.values()), taxonomy)
        self._letters = Font([*self._shown.values(), *self._head(), "".join(map(chr, range(32, 127)))])
        self._band = 132 if len(days) == 1 else 44
        self._row = self._band + 40
        self._legend_top = _TOP + self._row * len(days) + 14
        height = self._legend_top + _LEGEND_ROW * (_rows(len(self._entries())) + _rows(len(self._marks()))) + 22
        self._image = Image.new("RGB", (WIDTH, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        wide = len(days) == 1
        left, right = _MARGIN + (0 if wide else _DAY_NAMES), WIDTH - _MARGIN - (0 if wide else _DAY_TOTALS)
        self._scale = _Scale(left, right, *_hours(days))

    def png(self) -> bytes:
        self._draw_head()
        for number in range(len(self._days)):
            self._draw_day(number, _TOP + number * self._row)
        self._draw_legend()
        file = io.BytesIO()
        self._image.save(file, "PNG")
        return file.getvalue()

    # -- head -----------------------------------------------------------------------------------------------------

    def _head(self) -> tuple[str, str]:
        """Return the title and the facts below it."""
        first, last = self._days[0].date, self._days[-1].date
        title = day_name(first) if first == last else f"{day_name(first)} - {day_name(last)}"
        report, facts = self._report, [_zones(self._days)]
        if isinstance(report, WeeklyReport) and report.before is not None:
            facts.append(versus(report))
        if report.longest_focus is not None:
            facts.append(f"longest focus {focus_text(report.longest_focus, with_day=len(self._days) > 1)}")
        if report.bucket_count:
            facts.append(f"{report.context_switches} context switches")
        return title, "  ·  ".join(facts).replace("–", "-")

    def _draw_head(self) -> None:
        title, facts = self._head()
        letters, right = self._letters, WIDTH - _MARGIN
        letters.draw(self._draw, (_MARGIN, 42), title, INK, 28)
        letters.draw(self._draw, (right, 42), f"{TOTAL} {duration(self._total)}", INK, 22, "rm")
        letters.draw(self._draw, (_MARGIN, 78), letters.cut(facts, right - _MARGIN, 16), FAINT, 16)

    # -- bands ----------------------------------------------------------------------------------------------------

    def _draw_day(self, number: int, top: int) -> None:
        day, middle = self._days[number], top + self._band / 2
        if len(self._days) > 1:
            name = f"{day.date:%a} {day.date.day} {day.date:%b}"
            self._letters.draw(self._draw, (_MARGIN, middle), name, INK, 18)
            minutes = round(sum(part.covered_us for part in self._parts[number]) / 60e6)
            time = duration(minutes) if minutes else "-"
            self._letters.draw(self._draw, (WIDTH - _MARGIN, middle), time, FAINT, 16, "rm")
        self._draw_band(day, self._parts[number], top)

    def _draw_band(self, day: Day, parts: Sequence[BucketPart], top: int) -> None:
        midnight_us, end_us = day_bounds_us(day.date, day.time_zone)
        last_us = max([end_us, *(part.end_us for part in parts[-1:])])
        scale, bottom = self._scale, top + self._band

        def box(start_us: int, stop_us: int) -> Box:
            return scale.x(start_us - midnight_us), top, scale.x(stop_us - midnight_us), bottom

        frame = (max(scale.left, scale.x(0)), top, min(scale.right, scale.x(last_us - midnight_us)), bottom)
        if frame[0] >= frame[2]:  # a day that the calendar left out
            return
        fill(self._image, frame, TROUGH)
        self._draw_hours(day, midnight_us, last_us, top)
        for part in parts:
            self._paint(box(part.start_us, part.end_us), self._name_of(part))
        for labelled in day.away:
            name = self._shown[own_ui_label(labelled.label, self._taxonomy)]
            hatch(self._image, box(labelled.start_us, labelled.end_us), PAPER, self._colors[name])
        outline(self._image, frame, FRAME)
        own = [(part.start_us, part.end_us) for part in parts if part.is_own]
        for start_us, stop_us in (*own, *((labelled.start_us, labelled.end_us) for labelled in day.away)):
            left, _, right, _ = box(start_us, stop_us)
            fill(self._image, (left, top - _MARK - 3, right, top - 3), INK)

    def _draw_hours(self, day: Day, midnight_us: int, last_us: int, top: int) -> None:
        """Draw the hours in the local time of the person's place."""
        scale, bottom = self._scale, top + self._band
        hours = scale.last_hour - scale.first_hour
        step = -(-_NARROWEST_TICK * hours // (scale.right - scale.left))
        for hour in range(scale.first_hour, scale.last_hour + 1):
            moment_us = midnight_us + hour * _HOUR_US
            if moment_us > last_us:
                break
            x = min(scale.x(hour * _HOUR_US), scale.right - 1)
            self._draw.line((x, top, x, bottom + 5), FRAME)
            if (hour - scale.first_hour) % step == 0:
                clock = from_us(moment_us).astimezone(stored_zone(_zone_at(day, moment_us)))
                self._letters.draw(self._draw, (x, bottom + 8), f"{clock:%H:%M}", FAINT, 14, "ma")

    def _name_of(self, part: BucketPart) -> Name:
        return None if part.is_mixed and not self._report.is_rejected_included else self._shown[part.ui_label]

    def _paint(self, box: Box, name: Name) -> None:
        if name is None:
            hatch(self._image, box, UNSURE, UNSURE_LINES)
        else:
            fill(self._image, box, self._colors[name])

    # -- legend ---------------------------------------------------------------------------------------------------

    def _entries(self) -> list[Name]:
        """Return every name that is drawn, those without time on record last."""
        names: list[Name] = [name for name in self._minutes if name is not None]
        names += [name for name in dict.fromkeys(self._shown.values()) if name not in self._minutes]
        return [*names, None] if None in self._minutes else names

    def _marks(self) -> list[str]:
        """Yield the remaining entries of the legend."""
        own = [_OWN] if any(part.is_own for parts in self._parts for part in parts) else []
        return [*own, *([_OWN_AWAY] if any(day.away for day in self._days) else []), _NOTHING]

    def _draw_legend(self) -> None:
        """Draw every name with its time, and the meaning of the marks in rows of their own."""
        entries = self._entries()
        for number, name in enumerate(entries):
            x, y = _place(number, self._legend_top)
            self._paint((x, y, x + 20, y + 20), name)
            outline(self._image, (x, y, x + 20, y + 20), FRAME)
            self._write_entry(x + 30, y + 10, NOT_SURE if name is None else name, self._minutes.get(name))
        for number, mark in enumerate(self._marks()):
            x, y = _place(number, self._legend_top + _rows(len(entries)) * _LEGEND_ROW)
            swatch = (x, y, x + 20, y + 20)
            if mark == _OWN_AWAY:
                hatch(self._image, swatch, PAPER, FAINT)
            elif mark == _NOTHING:
                fill(self._image, swatch, TROUGH)
            outline(self._image, swatch, FRAME)
            if mark != _NOTHING:
                fill(self._image, (x, y, x + 20, y + _MARK), INK)
            self._letters.draw(self._draw, (x + 30, y + 10), mark, FAINT, 16)

    def _write_entry(self, x: int, y: int, name: str, minutes: int | None) -> None:
        share = f"  {minutes / self._total:.0%}" if minutes and self._total else ""
        time = "" if minutes is None else f"   {duration(minutes)}{share}"
        room = (WIDTH - 2 * _MARGIN) // _LEGEND_COLUMNS - 40
        name = self._letters.cut(name, room - self._letters.width(time, 16), 16)
        self._letters.draw(self._draw, (x + self._letters.draw(self._draw, (x, y), name, INK, 16), y), time, FAINT, 16)


def _shown_as(names: Sequence[str]) -> dict[str, str]:
    """Return each name as it is drawn: sanitised and short; surplus names share one name."""
    shown: dict[str, str] = {}
    for name in dict.fromkeys(names):
        shown[name] = printable(name, NAME_LENGTH) if len(shown) < MOST_NAMES else OTHERS
    return shown


def _rows(count: int) -> int:
    return -(-count // _LEGEND_COLUMNS)


def _place(number: int, top: int) -> tuple[int, int]:
    width = (WIDTH - 2 * _MARGIN) // _LEGEND_COLUMNS
    return _MARGIN + number % _LEGEND_COLUMNS * width, top + number // _LEGEND_COLUMNS * _LEGEND_ROW


def _hours(days: Sequence[Day]) -> tuple[int, int]:
    """Return the hours since midnight that the bands show: those with content, but a minimum number."""
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


def _zone_at(day: Day, moment_us: int) -> str:
    """Return the person's zone at a moment, as far as the day's buckets tell."""
    last = bisect_right(day.records, moment_us, key=lambda record: record.start_us) - 1
    return day.records[last].time_zone if last >= 0 else day.time_zone


def _zones(days: Sequence[Day]) -> str:
    """List the zones in the order of the days; for an empty day, the zone where it began."""
    lived = dict.fromkeys(record.time_zone for day in days for record in day.records)
    return ", then ".join(printable(name, NAME_LENGTH) for name in lived or {days[0].time_zone: None})
