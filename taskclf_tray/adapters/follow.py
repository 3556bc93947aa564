"""Several machines in one source: minute by minute the machine in use is followed.

Where only one machine has windows in a minute, they count, with that machine's own away time, input and tabs. Where
windows of several overlap, the one in use wins: input, then `not-afk`, then who was used last (up to 300 s before),
then who is not known to be away, then a call or a tab that plays sound, then the more named windows. Two window
watchers on one screen are decided the same way. A minute depends on nothing but the events in it and in the 300 s
before it, so that batch and polls choose alike.
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
from taskclf_tray.adapters.base import Stream, always
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
    """The windows of one bucket, in any order. Where nothing else decides, the higher rank wins."""

    windows: Sequence[RawEvent]
    rank: tuple[int, ...] = ()


@dataclass(frozen=True)
class Desk:
    """What the watchers of one machine say; `inputs`: one list a bucket, the one used last first."""

    screens: Sequence[Screen] = ()
    away: Sequence[RawEvent] = ()
    inputs: Sequence[Sequence[RawEvent]] = ()
    tabs: Sequence[RawEvent] = ()

    @cached_property
    def input(self) -> list[RawEvent]:
        """Of several input watchers at one time only one counts, or each key would count twice."""
        first, *further = self.inputs or ((),)
        merged = list(first)
        for events in further:
            merged += subtract_intervals(events, minutes_near(merged)) if merged else events
        return merged

    def streams(self) -> list[Sequence[RawEvent]]:
        """Its events of every kind, those that there are."""
        return [events for events in (*(s.windows for s in self.screens), self.away, *self.inputs, self.tabs) if events]


def follow(desks: Sequence[Desk], loose: Desk, lookup: Lookup, keep_going: Callable[[], None] = always) -> Raw:
    """The events of the machine in use, minute by minute, each stream in any order.

    `loose`: away time, input and tabs without a machine; they fill what the machine in use does not say itself.
    `lookup`: what a program's name means. `keep_going`: called before each minute; raises what ends the work.
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
    keep_going: Callable[[], None] = always,
) -> Raw:
    """`follow`, with the buckets of a selection; `events`: by bucket id, nothing for one that was not asked for.

    `own_host`: the machine the source runs on, which wins where nothing else decides between two.
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
    """Whose windows count in which minute."""

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
        """The minutes in which another machine is followed, and not this one."""
        return subtract(self._decided, _intervals(self._followed.get(desk, ())))

    def unseen(self, desk: int, screen: int) -> list[Interval]:
        """The minutes in which these windows do not count."""
        return _intervals(self._unseen.get((desk, screen), ()))

    def _are_apart(self, desks: Sequence[Desk]) -> bool:
        """Whether no two machines, and no two screens, share a minute."""
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
        """The screens that count in a minute, and the machines that are followed."""
        if len(shown) > 1 and _do_overlap(seen.shown(minute) for seen in shown):
            shown = [self._best(minute, shown)]
        desks = {seen.desk for seen in shown}
        if len(self._uses) > len(desks) and all(self._uses[desk].is_away(minute) for desk in desks):
            # the person works at a machine without windows: what another one shows meanwhile does not count as work
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
        """The more, the surer these windows are the ones somebody looks at."""
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
        """The windows that each minute shows."""
        minutes: dict[int, list[RawEvent]] = {}
        for event in self.screen.windows:
            minute = event.start_us // MINUTE_US * MINUTE_US
            minutes.setdefault(minute, []).append(event)
            for later in range(minute + MINUTE_US, event.end_us, MINUTE_US):
                minutes.setdefault(later, []).append(event)
        return minutes

    def shown(self, minute: int) -> list[Interval]:
        """When a window was in front in the minute."""
        return _clipped(self.minutes[minute], minute)

    def is_call(self, minute: int) -> bool:
        """Whether a program or a page for calls is in front in the minute."""
        return any(self._shows_call(event) for event in self.minutes[minute])

    def _shows_call(self, event: RawEvent) -> bool:
        app = self._lookup(event.data["app"])
        return app.is_call or app.app_category == _MEETING or (app.is_browser and is_call_title(_title(event)))

    def known_us(self, minute: int) -> int:
        """How much of the minute has a window with a name."""
        events = self.minutes[minute]
        return _length((e for e in events if not is_nameless(e.data["app"], _title(e))), minute)

    def content(self, minute: int) -> list[tuple[int, int, str, str]]:
        """The windows themselves, for two screens that nothing else tells apart."""
        return sorted((e.start_us, e.duration_us, e.data["app"], _title(e)) for e in self.minutes[minute])


class _Use:
    """Whether somebody uses a machine, as its away time, input and tabs say."""

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
        """Whether there was input in the minute, or the away watcher says so."""
        return _covered(self._used, minute) > 0

    def is_away(self, minute: int) -> bool:
        """Whether the away watcher says that nobody was there in the minute."""
        return not self.is_used(minute) and _covered(self._absent, minute) > 0

    def evidence(self, minute: int) -> tuple[Any, ...]:
        """The more, the surer somebody is at this machine."""
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
    """Whether an interval of one list shares a moment with one of another."""
    return any(first[1] > second[0] for first, second in pairwise(sorted(chain.from_iterable(lists))))


def _length(events: Iterable[RawEvent], minute: int) -> int:
    return sum(end - start for start, end in _clipped(events, minute))


def _covered(intervals: Sequence[Interval], minute: int) -> int:
    """Microseconds of the minute that the intervals cover."""
    end = minute + MINUTE_US
    at = bisect_right(intervals, minute, key=itemgetter(1))
    total = 0
    while at < len(intervals) and intervals[at][0] < end:
        total += min(intervals[at][1], end) - max(intervals[at][0], minute)
        at += 1
    return total


def _span(events: Sequence[RawEvent]) -> Interval:
    """The whole minutes from the first event to the last one's end."""
    last = max(max(event.end_us, event.start_us + 1) for event in events)
    return min(event.start_us for event in events) // MINUTE_US, -(-last // MINUTE_US)


def _hull(spans: Sequence[Interval]) -> Interval:
    return min(start for start, _ in spans), max(end for _, end in spans)


def _are_apart(spans: Sequence[Interval]) -> bool:
    return all(first[1] <= second[0] for first, second in pairwise(sorted(spans)))


def _intervals(minutes: Iterable[int]) -> list[Interval]:
    return union((minute, minute + MINUTE_US) for minute in minutes)
