"""Labelled minutes for tests: bare lines, rows with chosen values, and some days of one simulated person."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from starter_rows import WATCHED, simulated_rows
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow, LabelSpan
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.train.dataset import LabelledBucket
from tests.support.sample_rows import golden_rows

USER = "11111111-0000-4000-8000-000000000001"
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
BUILD, DEBUG, MEET = (LABEL_SET_V1.index(label) for label in ("Build", "Debug", "Meet"))


def row(minute: int, user_id: str = USER, **changes: Any) -> FeatureRow:
    """A feature row that begins so many minutes after 08:00 UTC of a Monday."""
    start = MONDAY + timedelta(minutes=minute)
    return replace(
        golden_rows()[minute % 100],
        user_id=user_id,
        bucket_start_ts=start,
        bucket_end_ts=start + timedelta(minutes=1),
        **changes,
    )


def span(start_minutes: float, end_minutes: float, label: str = "Build", **more: Any) -> LabelSpan:
    """A label for minutes after the same moment."""
    start, end = (MONDAY + timedelta(minutes=minutes) for minutes in (start_minutes, end_minutes))
    return LabelSpan(start, end, label, **more)


def line(
    minute: int, label: int = BUILD, *, user_id: str = USER, day: int | None = None, **more: Any
) -> LabelledBucket:
    """A line of a dataset without a row: `minute` counts from 1970, and so does its UTC day unless another is told."""
    ordinal = date(1970, 1, 1).toordinal() + (minute // 1440 if day is None else day)
    start_us = minute * MINUTE_US
    made = LabelledBucket(user_id, start_us, start_us + MINUTE_US, ordinal, label, 1.0, False, True, b"")
    return replace(made, **more)


@functools.cache
def simulated_days(persona: str = "developer", days: int = 3) -> tuple[list[FeatureRow], list[LabelSpan]]:
    """Rows of a simulated person's working days, and what they really did."""
    person = SimulatedPerson(persona, 4711, time_zone="Europe/Berlin")
    normaliser = Normaliser(hashlib.sha256(b"simulated").hexdigest())
    rows: list[FeatureRow] = []
    truth: list[LabelSpan] = []
    at = date(2026, 3, 2)
    for _ in range(days):
        start, end = person.working_day(at)
        rows += [
            replace(made, user_id=USER)
            for made in simulated_rows(person, normaliser, WATCHED["everything"], start, end)
        ]
        truth += person.truth(start, end)
        at = end.date() + timedelta(days=1)
    return rows, truth
