"""The picture of a day or a week: looked at pixel by pixel."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from PIL import Image

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig, TaxonomyReject
from taskclf_tray.report import drawing
from taskclf_tray.report.daily import DailyReport, daily_report
from taskclf_tray.report.days import Day, LabelledTime, day_bounds_us
from taskclf_tray.report.drawing import INK, TROUGH, UNSURE, UNSURE_LINES, Font, colors_of
from taskclf_tray.report.picture import MOST_NAMES, WIDTH, picture_png
from taskclf_tray.report.weekly import WeeklyReport, weekly_report
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.labels import SpanRecord
from tests.support.hostile_texts import HOSTILE
from tests.support.report_records import MINUTE, bucket

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
BLUE, RED = "#2E86DE", "#AA0011"
TAXONOMY = TaxonomyConfig(
    buckets=(
        TaxonomyBucket(name="Coding", core_labels=("Build",), color=BLUE),
        TaxonomyBucket(name="Talk", core_labels=("Meet",), color=RED),
    )
)
MARGIN, TOP, BAND, MARK = 40, 122, 132, 6
"""Where a single day lies on the sheet."""


def drawn(days: Sequence[Day], report: DailyReport | WeeklyReport, taxonomy: TaxonomyConfig | None) -> Image.Image:
    with Image.open(io.BytesIO(picture_png(days, report, taxonomy))) as image:
        assert (image.format, image.width, image.text) == ("PNG", WIDTH, {})
        return image.convert("RGB")


def a_day(day: Day, taxonomy: TaxonomyConfig | None = TAXONOMY) -> Image.Image:
    return drawn([day], daily_report(day, taxonomy), taxonomy)


def row(image: Image.Image, y: int) -> list[str]:
    """The colours of a row, as the taxonomy writes them."""
    return ["#{:02x}{:02x}{:02x}".format(*image.getpixel((x, y))) for x in range(image.width)]  # type: ignore[misc]


def minutes(start: datetime, count: int, ui: str = "Coding", **more: str) -> list[BucketRecord]:
    label = {"Coding": "Build", "Talk": "Meet"}.get(ui, MIXED_UNKNOWN)
    return [bucket(start + number * MINUTE, label, ui=ui, **more) for number in range(count)]


def said(start: datetime, count: int, label: str) -> SpanRecord:
    end = start + count * MINUTE
    return SpanRecord(1, "u", to_us(start), to_us(end), label, "manual", None, to_us(end), False)


def test_the_band_shows_each_minute_in_its_colour() -> None:
    """Six hours on 1200 pixels: 200 an hour, with a gap from 10:00 to 10:30."""
    image = a_day(Day(NINE.date(), [*minutes(NINE, 60), *minutes(NINE + 90 * MINUTE, 120, "Talk")]))
    colours = row(image, TOP + BAND // 2)
    start = colours.index(BLUE.lower())
    assert colours[start : start + 200] == [BLUE.lower()] * 200
    gap = colours[start + 201 : start + 300]
    assert set(gap) == {TROUGH}
    assert colours[start + 300 : start + 700] == [RED.lower()] * 400


def test_what_the_person_labelled_is_marked_above_and_drawn_as_they_said() -> None:
    spans = [said(NINE + 15 * MINUTE, 15, "Meet"), said(NINE + 3 * 60 * MINUTE, 60, "Meet")]
    away = [LabelledTime(spans[1].start_us, spans[1].end_us, "Meet")]
    image = a_day(Day(NINE.date(), minutes(NINE, 60), spans, away))
    band, marks = row(image, TOP + BAND // 2), row(image, TOP - MARK)
    start = band.index(BLUE.lower())
    assert band[start + 50 : start + 100] == [RED.lower()] * 50
    marked = [x - start for x, colour in enumerate(marks) if colour == INK]
    assert marked == [*range(50, 100), *range(600, 800)]
    assert set(band[start + 600 : start + 799]) >= {RED.lower(), "#ffffff"}  # hatched


def test_unsure_minutes_are_hatched_unless_the_taxonomy_counts_them() -> None:
    records = minutes(NINE, 60, "Unclear")
    hatched = set(row(a_day(Day(NINE.date(), records)), TOP + BAND // 2)[500:600])
    assert hatched == {UNSURE, UNSURE_LINES}
    counted = TaxonomyConfig(
        buckets=TAXONOMY.buckets, reject=TaxonomyReject(mixed_label_name="Unclear", include_rejected_in_reports=True)
    )
    assert len(set(row(a_day(Day(NINE.date(), records), counted), TOP + BAND // 2)[500:600])) == 1


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_days_of_daylight_saving_are_as_long_as_they_are(day: date, hours: int) -> None:
    """A whole day fills the band; noon lies where it came: after 11, 12 or 13 hours."""
    start, end = (datetime.fromtimestamp(us / 1e6, UTC) for us in day_bounds_us(day, "Europe/Berlin"))
    assert (end - start) / timedelta(hours=1) == hours
    records = minutes(start, 60 * hours, zone="Europe/Berlin")
    noon = start + timedelta(hours=hours - 12)
    records[(hours - 12) * 60 : (hours - 11) * 60] = minutes(noon, 60, "Talk", zone="Europe/Berlin")
    colours = row(a_day(Day(day, records, (), (), "Europe/Berlin")), TOP + BAND // 2)
    first, last = colours.index(RED.lower()), len(colours) - colours[::-1].index(RED.lower())
    assert abs(first - (MARGIN + 1200 * (hours - 12) / hours)) <= 1
    assert abs(last - first - 1200 / hours) <= 1
    assert TROUGH not in colours


def test_the_hours_are_those_of_the_clock_where_the_person_was() -> None:
    """The same minutes lived elsewhere: the band is the same, what is written below it is not."""
    here = a_day(Day(NINE.date(), minutes(NINE, 360)))
    there = a_day(Day(NINE.date(), minutes(NINE - timedelta(hours=9), 360, zone="Asia/Tokyo"), (), (), "Asia/Tokyo"))
    half = a_day(Day(NINE.date(), minutes(NINE - timedelta(hours=2), 360, zone="Asia/Tokyo"), (), (), "Asia/Tokyo"))
    below = (0, TOP + BAND + 6, WIDTH, TOP + BAND + 28)
    assert here.crop(below).tobytes() == there.crop(below).tobytes() != half.crop(below).tobytes()


def test_a_traveller_has_a_long_day() -> None:
    records = [
        *minutes(NINE, 60, zone="Asia/Tokyo"),
        *minutes(NINE + timedelta(hours=25), 60, "Talk", zone="Pacific/Honolulu"),
    ]
    colours = row(a_day(Day(NINE.date(), records, (), (), "Asia/Tokyo")), TOP + BAND // 2)
    counts = Counter(colours)
    assert abs(counts[BLUE.lower()] - counts[RED.lower()]) <= 1
    assert colours.index(RED.lower()) - colours.index(BLUE.lower()) > 1_000


def test_a_week_has_a_band_a_day() -> None:
    monday = date(2026, 3, 2)
    days = [Day(monday + timedelta(days=n), minutes(NINE + timedelta(days=n), 60 * n)) for n in range(7)]
    image = drawn(days, weekly_report([daily_report(day, TAXONOMY) for day in days]), TAXONOMY)
    wide = [Counter(row(image, TOP + n * (44 + 40) + 22))[BLUE.lower()] for n in range(7)]
    hour = wide[6] / 6
    assert hour > 100
    assert all(abs(count - n * hour) <= 1 for n, count in enumerate(wide))


def test_nothing_on_record_is_a_picture_too() -> None:
    image = a_day(Day(NINE.date(), []))
    assert set(row(image, TOP + BAND // 2)[MARGIN + 1 : MARGIN + 50]) == {TROUGH}


# -- names ----------------------------------------------------------------------------------------------------


def test_names_of_every_kind_are_drawn_within_the_sheet() -> None:
    records = [bucket(NINE + number * MINUTE, ui=name) for number, name in enumerate(HOSTILE * 3)]
    hostile = TaxonomyConfig(
        buckets=tuple(TaxonomyBucket(name=name, core_labels=("Build",)) for name in HOSTILE if name.strip())
    )
    image = a_day(Day(NINE.date(), records), hostile)
    assert image.height < 500
    assert set(row(image, image.height - 5)) == {"#ffffff"}
    edge = {image.getpixel((x, y)) for x in (*range(20), *range(WIDTH - 18, WIDTH)) for y in range(image.height)}
    assert edge == {(255, 255, 255)}


def test_more_names_than_colours_are_drawn_as_others() -> None:
    records = [bucket(NINE + number * MINUTE, ui=f"Name {number}") for number in range(300)]
    image = a_day(Day(NINE.date(), records))
    assert image.height < 600
    assert len(set(row(image, TOP + BAND // 2))) <= MOST_NAMES + 4


def test_colours_are_the_taxonomys_and_never_one_twice() -> None:
    names = ["Coding", "Talk", "Build", "Old", "Older"]
    colours = colors_of(names, TAXONOMY)
    assert (colours["Coding"], colours["Talk"]) == (BLUE.lower(), RED.lower())
    assert len(set(colours.values())) == len(names)
    twins = TaxonomyConfig(
        buckets=(TaxonomyBucket(name="A", core_labels=("Build",)), TaxonomyBucket(name="B", core_labels=("Meet",)))
    )
    assert len(set(colors_of(["A", "B"], twins).values())) == 2
    steered = TaxonomyConfig(buckets=(TaxonomyBucket(name="a\x1b[0m", core_labels=("Build",), color=RED),))
    assert colors_of(["a�[0m"], steered) == {"a�[0m": RED.lower()}


def test_letters_that_no_font_has_are_written_with_those_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_SYSTEM_FONTS", ("no such font.ttf",))
    letters = Font(["Gespräche 会"])
    assert letters.width("Gespräche", 16) == letters.width("Gesprache", 16)
    assert letters.width("会", 16) == letters.width("?", 16)
    assert letters.cut("a" * 100, 50, 16).endswith("a…")
    assert letters.width(letters.cut("a" * 100, 50, 16), 16) <= 50
