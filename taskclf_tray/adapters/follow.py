"""Several machines in one source: each minute uses the windows of the machine in use.

When one machine has windows in a minute, they count, with that machine's away time, input and tabs. When windows of
several overlap, these criteria decide in order: input, `not-afk`, the latest use (up to 300 s before), no known
absence, a call or a tab with sound, and the most named windows. Two window watchers of one screen are compared in the
same way. A minute depends only on its own events and those of the 300 s before, so batch and polls choose alike.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any, Final

from taskclf_tray.adapters.apps import AppInfo, is_nameless
from taskclf_tray.adapters.base import Stream, do_nothing
from taskclf_tray.adapters.browsers import MINUTE_US, RECENT_US, minutes_near
from taskclf_tray.adapters.calls import is_call_title
from taskclf_tray.adapters.cleaning import subtract_intervals
from taskclf_tray.adapters.machines import Bucket, Selection
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import Interval, subtract, union

_COUNTS: Final = ("presses", "clicks", "deltaX", "deltaY", "scrollX", "scrollY")
_MEETING: Final = "meeting"
_KNOWN_STEP_US: Final = 10_000_000
"""Two watchers of one screen differ by a second or two; they are not to take turns over that."""
Lookup = Callable[[str], AppInfo]
Raw = dict[Stream, list[RawEvent]]


@dataclass(frozen=True, slots=True)
class Screen:
    """The windows of one bucket, in any order. The higher rank wins a tie."""

    windows: Sequence[RawEvent]
    rank: tuple[int, ...] = ()


@dataclass(frozen=True)
class Desk:
    """The events of one machine; `inputs`: one list per bucket, the one used last first."""

    screens: Sequence[Screen] = ()
    away: Sequence[RawEvent] = ()
    inputs: Sequence[Sequence[RawEvent]] = ()
    tabs: Sequence[RawEvent] = ()

    @cached_property
    def input(self) -> list[RawEvent]:
        """The input events, one watcher at a time: with several, each key press would count twice."""
        first, *further = self.inputs or ((),)
        merged = list(first)
        for events in further:
            merged += subtract_intervals(events, minutes_near(merged)) if merged else events
        return merged

    def streams(self) -> list[Sequence[RawEvent]]:
        """Return the non-empty lists of events of every kind."""
        return [events for events in (*(s.windows for s in self.screens), self.away, *self.inputs, self.tabs) if events]


def follow(desks: Sequence[Desk], loose: Desk, lookup: Lookup, keep_going: Callable[[], None] = do_nothing) -> Raw:
    """Return the events of the machine in use in each minute, by stream, in any order.

    Args:
        desks: the machines.
        loose: away time, input and tabs without a machine; they fill what the machine in use lacks.
        lookup: returns the program of a reported name.
        keep_going: called before each minute; its exception ends the work.
    """
    speaking = [desk for desk in desks if desk.streams()]
    minutes = _Minutes(speaking, lookup, keep_going)
    windows: list[RawEvent] = []
    away: list[RawEvent] = []
    inputs: list[RawEvent] = []
    tabs: list[RawEvent] = []
    for number, desk in enumerate(speaking):
        elsewhere = minutes.elsewhere(number)
        away += subtract_intervals(desk.away, elsewhere)
        inputs += subtract_intervals(desk.input, elsewhere)
        tabs += subtract_intervals(desk.tabs, elsewhere)
        for index, screen in enumerate(desk.screens):
            windows += subtract_intervals(screen.windows, minutes.unseen(number, index))
    away += subtract_intervals(loose.away, minutes_near(away)) if loose.away and away else loose.away
    inputs += subtract_intervals(loose.input, minutes_near(inputs)) if loose.input and inputs else loose.input
    return {Stream.WINDOW: windows, Stream.AWAY: away, Stream.INPUT: inputs, Stream.TAB: [*tabs, *loose.tabs]}


def followed(
    selection: Selection,
    events: Mapping[str, Sequence[RawEvent]],
    lookup: Lookup,
    *,
    own_host: str = "",
    keep_going: Callable[[], None] = do_nothing,
) -> Raw:
    """Apply `follow` to the buckets of a selection.

    Args:
        selection: the buckets by machine.
        events: by bucket id; buckets that were not requested are absent.
        lookup: returns the program of a reported name.
        own_host: the machine that the source runs on, which wins a tie.
        keep_going: called before each minute; its exception ends the work.
    """
    own = own_host.strip().casefold()

    def desk(buckets: Sequence[Bucket]) -> Desk:
        is_own = bool(own) and any(bucket.name == own for bucket in buckets)
        by_stream: dict[Stream, list[tuple[Bucket, Sequence[RawEvent]]]] = {stream: [] for stream in Stream}
        for bucket in buckets:
            if bucket.stream is not None and events.get(bucket.bucket_id):
                by_stream[bucket.stream].append((bucket, events[bucket.bucket_id]))
        return Desk(
            screens=[Screen(listed, (is_own, b.first_us or 0)) for b, listed in by_stream[Stream.WINDOW]],
            away=[event for _, listed in by_stream[Stream.AWAY] for event in listed],
            inputs=[listed for _, listed in by_stream[Stream.INPUT]],
            tabs=[event for _, listed in by_stream[Stream.TAB] for event in listed],
        )

    desks = [desk(machine.buckets) for machine in selection.machines]
    return follow(desks, desk(selection.loose), lookup, keep_going)


class _Minutes:
    """The screen and the machine in use in each minute."""

    def __init__(self, desks: Sequence[Desk], lookup: Lookup, keep_going: Callable[[], None]) -> None:
        self._keep_going = keep_going
        self._screens = [
            _Seen(number, index, screen, lookup)
            for number, desk in enumerate(desks)
            for index, screen in enumerate(desk.screens)
            if screen.windows
        ]
        self._uses = [_Use(desk) for desk in desks]
        self._decided: list[Interval] = []
        self._followed: dict[int, list[int]] = {}
        self._unseen: dict[tuple[int, int], list[int]] = {}
        if (len(desks) > 1 or len(self._screens) > 1) and not self._are_apart(desks):
            self._decide()

    def elsewhere(self, desk: int) -> list[Interval]:
        """Return the minutes in which another machine is in use."""
        return subtract(self._decided, _intervals(self._followed.get(desk, ())))

    def unseen(self, desk: int, screen: int) -> list[Interval]:
        """Return the minutes in which these windows do not count."""
        return _intervals(self._unseen.get((desk, screen), ()))

    def _are_apart(self, desks: Sequence[Desk]) -> bool:
        """Whether no two machines and no two screens overlap in a minute."""
        hulls = [_hull([_span(events) for events in desk.streams()]) for desk in desks]
        return _are_apart(hulls) and _are_apart([_span(seen.screen.windows) for seen in self._screens])

    def _decide(self) -> None:
        by_minute: dict[int, list[_Seen]] = {}
        for seen in self._screens:
            self._keep_going()
            for minute in seen.minutes:
                by_minute.setdefault(minute, []).append(seen)
        for minute, shown in by_minute.items():
            self._keep_going()
            kept, desks = self._kept(minute, shown)
            for seen in shown:
                if seen not in kept:
                    self._unseen.setdefault((seen.desk, seen.index), []).append(minute)
            for desk in desks:
                self._followed.setdefault(desk, []).append(minute)
        self._decided = _intervals(by_minute)

    def _kept(self, minute: int, shown: list[_Seen]) -> tuple[list[_Seen], set[int]]:
        """Return the screens that count in a minute, and the machines in use."""
        if len(shown) > 1 and _do_overlap(seen.shown(minute) for seen in shown):
            shown = [self._best(minute, shown)]
        desks = {seen.desk for seen in shown}
        if len(self._uses) > len(desks) and all(self._uses[desk].is_away(minute) for desk in desks):
            # the person works at a machine without windows, so windows of other machines do not count as work
            used = {k for k, use in enumerate(self._uses) if k not in desks and use.is_used(minute)}
            if used:
                return [], used
        return shown, desks

    def _best(self, minute: int, shown: Sequence[_Seen]) -> _Seen:
        weighed = [(self._evidence(minute, seen), seen) for seen in shown]
        most = max(evidence for evidence, _ in weighed)
        best = [seen for evidence, seen in weighed if evidence == most]
        return best[0] if len(best) == 1 else max(best, key=lambda seen: seen.content(minute))

    def _evidence(self, minute: int, seen: _Seen) -> tuple[Any, ...]:
        """Return the evidence that the person looks at these windows; greater is stronger."""
        use = self._uses[seen.desk]
        is_attended = seen.is_call(minute) or use.is_audible(minute)
        return (*use.evidence(minute), is_attended, seen.known_us(minute) // _KNOWN_STEP_US, seen.screen.rank)


class _Seen:
    """The windows of a screen, by minute."""

    def __init__(self, desk: int, index: int, screen: Screen, lookup: Lookup) -> None:
        self.desk = desk
        self.index = index
        self.screen = screen
        self._lookup = lookup

    @cached_property
    def minutes(self) -> dict[int, list[RawEvent]]:
        """The window events of each minute."""
        minutes: dict[int, list[RawEvent]] = {}
        for event in self.screen.windows:
            minute = event.start_us // MINUTE_US * MINUTE_US
            minutes.setdefault(minute, []).append(event)
            for later in range(minute + MINUTE_US, event.end_us, MINUTE_US):
                minutes.setdefault(later, []).append(event)
        return minutes

    def shown(self, minute: int) -> list[Interval]:
        """Return when a window was in front in the minute."""
        return _clipped(self.minutes[minute], minute)

    def is_call(self, minute: int) -> bool:
        """Whether a program or a page for calls is in front in the minute."""
        return any(self._shows_call(event) for event in self.minutes[minute])

    def _shows_call(self, event: RawEvent) -> bool:
        app = self._lookup(event.data["app"])
        return app.is_call or app.app_category == _MEETING or (app.is_browser and is_call_title(_title(event)))

    def known_us(self, minute: int) -> int:
        """Return the microseconds of the minute that have a window with a name."""
        events = self.minutes[minute]
        return _length((e for e in events if not is_nameless(e.data["app"], _title(e))), minute)

    def content(self, minute: int) -> list[tuple[int, int, str, str]]:
        """Return the windows of the minute, to break the last tie between two screens."""
        return sorted((e.start_us, e.duration_us, e.data["app"], _title(e)) for e in self.minutes[minute])


class _Use:
    """Evidence for the use of a machine, from its away time, input and tabs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @cached_property
    def _active(self) -> list[Interval]:
        return _times(event for event in self._desk.input if any(event.data.get(key) for key in _COUNTS))

    @cached_property
    def _present(self) -> list[Interval]:
        return _times(event for event in self._desk.away if event.data["status"] == "not-afk")

    @cached_property
    def _absent(self) -> list[Interval]:
        return subtract(_times(event for event in self._desk.away if event.data["status"] == "afk"), self._present)

    @cached_property
    def _used(self) -> list[Interval]:
        return union([*self._active, *self._present])

    @cached_property
    def _audible(self) -> list[Interval]:
        return _times(event for event in self._desk.tabs if event.data.get("audible") is True)

    def is_used(self, minute: int) -> bool:
        """Whether the minute has input, or the away watcher saw the person."""
        return _covered(self._used, minute) > 0

    def is_away(self, minute: int) -> bool:
        """Whether the away watcher saw nobody in the minute."""
        return not self.is_used(minute) and _covered(self._absent, minute) > 0

    def evidence(self, minute: int) -> tuple[Any, ...]:
        """Return the evidence that the person is at this machine; greater is stronger."""
        active, present = _covered(self._active, minute), _covered(self._present, minute)
        last = max(0, self._last_use(minute) - (minute - RECENT_US))
        absent = _covered(self._absent, minute)
        return active + present > 0, active, present, last, -absent

    def is_audible(self, minute: int) -> bool:
        """Whether a tab played sound in the minute."""
        return _covered(self._audible, minute) > 0

    def _last_use(self, minute: int) -> int:
        at = bisect_left(self._used, minute, key=itemgetter(0)) - 1
        return min(self._used[at][1], minute) if at >= 0 else 0


def _title(event: RawEvent) -> str:
    title = event.data.get("title")
    return title if isinstance(title, str) else ""


def _times(events: Iterable[RawEvent]) -> list[Interval]:
    return union((event.start_us, event.end_us) for event in events)


def _clipped(events: Iterable[RawEvent], minute: int) -> list[Interval]:
    return union((max(event.start_us, minute), min(event.end_us, minute + MINUTE_US)) for event in events)


def _do_overlap(lists: Iterable[Sequence[Interval]]) -> bool:
    """Whether intervals of two lists overlap."""
    return any(first[1] > second[0] for first, second in pairwise(sorted(chain.from_iterable(lists))))


def _length(events: Iterable[RawEvent], minute: int) -> int:
    return sum(end - start for start, end in _clipped(events, minute))


def _covered(intervals: Sequence[Interval], minute: int) -> int:
    """Return the microseconds of the minute that the intervals cover."""
    end = minute + MINUTE_US
    at = bisect_right(intervals, minute, key=itemgetter(1))
    total = 0
    while at < len(intervals) and intervals[at][0] < end:
        total += min(intervals[at][1], end) - max(intervals[at][0], minute)
        at += 1
    return total


def _span(events: Sequence[RawEvent]) -> Interval:
    """Return the whole minutes from the first event to the last one's end."""
    last = max(max(event.end_us, event.start_us + 1) for event in events)
    return min(event.start_us for event in events) // MINUTE_US, -(-last // MINUTE_US)


def _hull(spans: Sequence[Interval]) -> Interval:
    return min(start for start, _ in spans), max(end for _, end in spans)


def _are_apart(spans: Sequence[Interval]) -> bool:
    return all(first[1] <= second[0] for first, second in pairwise(sorted(spans)))


def _intervals(minutes: Iterable[int]) -> list[Interval]:
    return union((minute, minute + MINUTE_US) for minute in minutes)
