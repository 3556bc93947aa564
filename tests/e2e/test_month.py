"""A month in the real app: a report and a line of telemetry for every day worked, and an alarm for what has changed.

A real aw-server has the month; the app with its tray, its notifications and its child processes lives through it day
by day, in the time a test sets. On the 15th the person goes over to another program, on the 22nd the watcher of
keyboard and mouse breaks. The 10th is a holiday, the 21st a Sunday with twenty minutes, the 28th one of 23 hours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.app import drift_watch, served_text, text
from taskclf_tray.core.time import from_us, seconds_to_us, zone
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.system.paths import HomePaths
from tests.support.aw_server import run_aw_server
from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.month_life import ZONE, MovedHome, days_from, events_of, feed, local
from tests.support.sni_driver import TrayClient
from tests.support.stub_notifyd import NotifyDaemon, ShownNotice

pytestmark = [pytest.mark.bus, pytest.mark.server, pytest.mark.timeout(1800)]

MONTH = days_from(date(2021, 3, 1), 28)
OTHER_APP, BROKEN_WATCHER = date(2021, 3, 15), date(2021, 3, 22)
HOLIDAY, SHORT_DAY, SHORT_NIGHT = date(2021, 3, 10), date(2021, 3, 21), date(2021, 3, 28)
WEEKENDS_OFF = [day for day in MONTH if day.weekday() >= 5 and day not in (SHORT_DAY, SHORT_NIGHT)]
MAIN_APP, NEW_APP = "Brave-browser", "Figma"
WITHIN = timedelta(days=3)
DRIFT, _ = served_text.drift_notice("", 0)


def switched_off(day: date, start: datetime) -> datetime:
    """When the day's work ends: these are people who work in the morning."""
    if day == HOLIDAY:
        return local(day)
    return start + timedelta(minutes=20) if day == SHORT_DAY else local(day, 11)


def lived() -> dict[date, dict[Stream, list[RawEvent]]]:
    """The month as the watchers saw it, with what happens in it."""
    person = SimulatedPerson("developer", 1, time_zone=ZONE)
    days = {}
    for day in MONTH:
        start = next((span.start_ts for span in person.day(day).truth), local(day))
        events = events_of(person, day, switched_off(day, start))
        if day >= OTHER_APP:
            events[Stream.WINDOW] = [in_new_app(event) for event in events[Stream.WINDOW]]
        if day >= BROKEN_WATCHER:
            events[Stream.INPUT] = []
        days[day] = events
    return days


def in_new_app(event: RawEvent) -> RawEvent:
    return replace(event, data={**event.data, "app": NEW_APP}) if event.data["app"] == MAIN_APP else event


@dataclass(frozen=True, slots=True)
class Month:
    """What has come of it: all that the person was shown, by the day on which it came, and the home."""

    worked: list[date]
    shown: dict[date, list[ShownNotice]]
    home: MovedHome

    def alarms(self) -> dict[date, str]:
        """The words of each."""
        return {day: notice.body for day, notices in self.shown.items() for notice in notices if notice.title == DRIFT}


def live(home: MovedHome, worked: Sequence[date], env: Mapping[str, str], screen: NotifyDaemon) -> Month:
    """The person's month at the desk: morning after morning, and the midnight after the last."""
    month = Month(list(worked), {}, home)
    with home.running(env) as app, TrayClient(env) as tray:
        for day in MONTH:
            before, count = day - timedelta(days=1), len(screen.notices())
            home.move(local(day, 10, 30))
            if before in worked:
                home.wait(lambda day=before: home.has_report(day), f"the report of {before}")
            if day in worked and day != SHORT_DAY:
                home.wait(lambda day=before: home.memory().checked_day == day, f"the check of {before}")
            told = len(home.memory().told)
            home.wait(lambda told=told: len(alarms(screen.notices())) == told, "what was told on the screen")
            month.shown[day] = screen.notices()[count:]
            if alarms(month.shown[day]):
                tray.wait_for_text("Review (")
        home.move(local(MONTH[-1] + timedelta(days=1), 0, 30))
        home.wait(lambda: home.has_report(MONTH[-1]), "the last report")
        tray.click("Quit")
        assert app.wait(120) == 0
    return month


def alarms(notices: Sequence[ShownNotice]) -> list[ShownNotice]:
    return [notice for notice in notices if notice.title == DRIFT]


def test_a_month_gives_reports_telemetry_and_the_alarms_that_were_planted(
    session_bus: PrivateBus, panel: Panel, notify_daemon: NotifyDaemon, tmp_path: Path
) -> None:
    days = lived()
    home = MovedHome(HomePaths(tmp_path / "home"))
    with run_aw_server(tmp_path / "aw") as server:
        feed(server, list(days.values()))
        home.prepare(server, local(MONTH[0], 8))
        worked = [day for day, events in days.items() if events[Stream.WINDOW]]
        month = live(home, worked, session_bus.env, notify_daemon)
    assert {HOLIDAY, *WEEKENDS_OFF}.isdisjoint(worked)
    assert {SHORT_DAY, SHORT_NIGHT} <= set(worked)
    check_alarms(month)
    check_queue(month)
    check_reports(month)
    check_telemetry(month)


def check_alarms(month: Month) -> None:
    """One for each change, within three days, in plain words; beside them nothing but questions and the welcome."""
    (first, second), (app, watcher) = month.alarms(), month.alarms().values()
    assert first - OTHER_APP <= WITHIN
    assert app.startswith("You have used an app a lot since Monday that the model has not seen before. ")
    assert second - BROKEN_WATCHER <= WITHIN
    assert watcher.startswith("There has been no keyboard or mouse data since Monday: is the input watcher running? ")
    everything = [notice for notices in month.shown.values() for notice in notices]
    unasked = [notice.title for notice in everything if not notice.actions.keys() - {"default"}]
    assert [title for title in unasked if title != DRIFT] == [text.welcome(1)[0]]
    assert all(not month.shown[day] for day in MONTH if day not in month.worked)
    for said in (month.home.log(), *(f"{notice.title} {notice.body}" for notice in everything)):
        assert not re.search("figma|brave", said, re.IGNORECASE)


def check_queue(month: Month) -> None:
    """Blocks from after the change wait, as many as the words say: queued for it, or unsure anyway."""
    first = local(OTHER_APP)
    waiting = [request for request in month.home.requests() if from_us(request.start_us) >= first]
    for words in month.alarms().values():
        count = re.search(r" (\d+) blocks wait under Review", words)
        assert count is not None
        assert 0 < int(count[1]) <= min(len(waiting), drift_watch.QUEUED_BLOCKS)


def check_reports(month: Month) -> None:
    """One for each day worked, whose parts give exactly the seconds on record."""
    covered_us: Counter[date] = Counter()
    for record in month.home.records():
        covered_us[from_us(record.start_us).astimezone(zone(ZONE)).date()] += seconds_to_us(record.covered_seconds)
    reports = month.home.reports()
    assert list(reports) == month.worked == list(covered_us)
    for day, report in reports.items():
        assert seconds_to_us(report["covered_seconds"]) == covered_us[day] > 0
        for parts in ("core_label_seconds", "ui_label_seconds"):
            shown = [*report[parts].values(), report["rejected_seconds"]]
            assert sum(map(seconds_to_us, shown)) == covered_us[day]


def check_telemetry(month: Month) -> None:
    """A line for each day worked; the broken watcher shows in it."""
    lines, reports = month.home.telemetry(), month.home.reports()
    assert [date.fromisoformat(line["date"]) for line in lines] == month.worked
    for line, report in zip(lines, reports.values(), strict=True):
        assert line["bucket_count"] == report["bucket_count"]
        is_broken = line["date"] >= BROKEN_WATCHER.isoformat()
        assert (line["missing_input_share"] == 1.0) if is_broken else (line["missing_input_share"] < 0.5)
