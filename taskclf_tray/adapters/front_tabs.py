"""Tabs of several browsers: those of the browser in front count, the others' are left out while it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from taskclf_tray.adapters.browsers import passes_as
from taskclf_tray.adapters.cleaning import subtract_intervals
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import Interval, flatten, intersect, union

MINUTE_US: Final = 60_000_000
RECENT_US: Final = 300_000_000
"""How long an event speaks for the minutes after it. Every read looks back further than that, so that a minute is
judged by the same events whatever the polls are cut at."""


def minutes_near(events: Iterable[RawEvent]) -> list[Interval]:
    """The whole minutes that an event touches, or that begin less than `RECENT_US` after one has ended."""
    return union(
        (event.start_us // MINUTE_US * MINUTE_US, -(-(event.end_us + RECENT_US) // MINUTE_US) * MINUTE_US)
        for event in events
    )


def tabs_in_front(
    tabs: Sequence[RawEvent], windows: Sequence[RawEvent], browser_of: Callable[[RawEvent], str]
) -> list[RawEvent]:
    """The tab events in order of time, without the time in which the tabs of another browser count.

    `browser_of`: the browser of a window event, empty for another program. While a browser is in front, its own tabs
    count; where it reports none about that minute, those of the browser it passes itself off as; where there are none
    of these either, those of which nobody knows the browser. Time without a browser in front is left as it is.
    """
    names = {tab.browser for tab in tabs}
    if names <= {""}:
        return sorted(tabs, key=_in_time)
    near = {name: minutes_near(tab for tab in tabs if tab.browser == name) for name in names}
    holes: dict[str, list[Interval]] = {name: [] for name in names}
    for browser, front in _fronts(windows, browser_of).items():
        other = passes_as(browser)
        own = near.get(browser, [])
        foreign = near.get(other, []) if other else []
        for name in names:
            holes[name] += _without_voice(name, browser, other, front, own, foreign)
    kept: list[RawEvent] = []
    for name in sorted(names):
        kept += subtract_intervals([tab for tab in tabs if tab.browser == name], union(holes[name]))
    return sorted(kept, key=_in_time)


def _in_time(tab: RawEvent) -> tuple[int, int]:
    return tab.start_us, tab.event_id


def _without_voice(
    name: str, browser: str, other: str, front: list[Interval], own: list[Interval], foreign: list[Interval]
) -> list[Interval]:
    """When `browser` is in front and the tabs of `name` do not count."""
    if name == browser:
        return []
    if name == "":
        return intersect(front, union([*own, *foreign]))
    return intersect(front, own) if name == other else front


def _fronts(windows: Sequence[RawEvent], browser_of: Callable[[RawEvent], str]) -> dict[str, list[Interval]]:
    """When each browser was in front."""
    named = [(event, browser_of(event)) for event in windows]
    browsing = [(event, name) for event, name in named if name]
    spans = [(event.start_us, event.end_us, event.event_id) for event, _ in browsing]
    fronts: dict[str, list[Interval]] = {}
    for start, end, index in flatten(spans):
        fronts.setdefault(browsing[index][1], []).append((start, end))
    return {name: union(pieces) for name, pieces in fronts.items()}
