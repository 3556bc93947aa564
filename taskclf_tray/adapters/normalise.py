"""Conversion of raw events to cleaned events without titles, for all other rooms (contract, section 3).

Every source uses one order: join, clip, fill gaps, remove the exclusions, and only then hash the titles of the rest.
Damaged events are skipped and counted; no event makes this module fail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from taskclf_tray.adapters.apps import UNKNOWN_APP, AppInfo, AppRegistry, is_nameless
from taskclf_tray.adapters.base import Stream, do_nothing
from taskclf_tray.adapters.browsers import browser_of_app, domain_category, tabs_in_front
from taskclf_tray.adapters.calls import HOST_APP_IDS
from taskclf_tray.adapters.cleaning import (
    CLIP_NOISE_US,
    clip,
    fill_gaps,
    join_parts,
    remove_excluded,
    subtract_intervals,
)
from taskclf_tray.adapters.exclusions import Exclusions
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.adapters.titles import TitleFeatures, TitleHasher
from taskclf_tray.core.config import Config
from taskclf_tray.core.defaults import DEFAULT_GAP_FILL_SECONDS
from taskclf_tray.core.time import US_PER_SECOND, from_us, seconds_to_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, SourceEvents

_COUNTS: Final = ("presses", "clicks", "deltaX", "deltaY", "scrollX", "scrollY")
_MAX_COUNT: Final = 1_000_000_000
_AWAY: Final = {"afk": True, "not-afk": False}
_DAY_US: Final = 86_400 * US_PER_SECOND
_LONGEST_US: Final = {
    Stream.WINDOW: 4 * _DAY_US,
    Stream.TAB: 4 * _DAY_US,
    Stream.AWAY: 31 * _DAY_US,
    Stream.INPUT: 31 * _DAY_US,
}
"""A longer event is damaged. A screen locker stays in front over a long weekend, and away time lasts a holiday; a
longer event comes from a wrong clock or is invented, and would cost a row for each of its minutes."""


class Normaliser:
    """Cleans the events of one installation; its repr shows neither the secret nor the exclusions. Used by one thread.

    Args:
        secret: the title secret, 64 hex characters.
        apps: the table of programs; the default one when None.
        exclude_apps: see `Exclusions`.
        exclude_title_patterns: see `Exclusions`.
        with_words: whether events get the salted buckets of words and programs, for the personal head.
        fill_gap_seconds: longest gap given to the window before it.

    Raises:
        IdentityError: the secret is not valid.
        ConfigError: a pattern is not a regular expression.
    """

    def __init__(
        self,
        secret: str,
        *,
        apps: AppRegistry | None = None,
        exclude_apps: Sequence[str] = (),
        exclude_title_patterns: Sequence[str] = (),
        with_words: bool = True,
        fill_gap_seconds: float = DEFAULT_GAP_FILL_SECONDS,
    ) -> None:
        self._hasher = TitleHasher(secret)
        self._apps = AppRegistry.default() if apps is None else apps
        self._exclusions = Exclusions(self._apps, exclude_apps, exclude_title_patterns)
        self._with_words = with_words
        self._fill_us = seconds_to_us(fill_gap_seconds)
        self.skipped_count = 0
        """Damaged events in the last call of `events`."""

    @classmethod
    def by_settings(cls, secret: str, config: Config) -> Normaliser:
        """With what the person excluded. Raises IdentityError for a malformed secret."""
        return cls(
            secret,
            exclude_apps=config.exclude_apps,
            exclude_title_patterns=config.exclude_title_patterns,
            with_words=config.personal_words,
        )

    @property
    def undecided_titles(self) -> int:
        """Number of titles in the last call of `events` that were excluded because a pattern exceeded its time."""
        return self._exclusions.undecided

    def __repr__(self) -> str:
        return f"Normaliser(fill_gap_seconds={self._fill_us / US_PER_SECOND})"

    def events(
        self,
        start: datetime,
        end: datetime,
        raw: Mapping[Stream, Sequence[RawEvent]],
        *,
        are_sound: bool = False,
        keep_going: Callable[[], None] = do_nothing,
    ) -> SourceEvents:
        """Return the cleaned events of [start, end).

        Args:
            start: aware start.
            end: aware end, exclusive.
            raw: the events of each stream in any order, whole or cut, with duplicates.
            are_sound: the damaged events are already removed.
            keep_going: called before each event that costs time; its exception ends the work.
        """
        bounds = to_us(start), to_us(end)
        self.skipped_count = 0
        self._exclusions.begin_read()
        if not are_sound:
            raw = {stream: self._sound(stream, events) for stream, events in raw.items()}
        by_stream = {stream: clip(join_parts(raw.get(stream, ())), *bounds) for stream in Stream}
        filled = fill_gaps(by_stream[Stream.WINDOW], self._fill_us)
        keep_going()
        window, holes = remove_excluded(filled, self._is_excluded)
        tabs = [e for e in _each(by_stream[Stream.TAB], keep_going) if not self._has_excluded_title(e)]
        # strategies of the macOS watcher put the address beside the title, which equals a tab event
        tabs += [
            dataclasses.replace(event, browser=self._browser_of(event))
            for event in window
            if isinstance(event.data.get("url"), str)
        ]
        tabs = tabs_in_front(tabs, filled, self._browser_of)
        return SourceEvents(
            start=from_us(bounds[0]),
            end=from_us(bounds[1]),
            window=tuple(self._window_event(event) for event in _each(window, keep_going)),
            input=tuple(_input_event(event) for event in by_stream[Stream.INPUT]),
            away=tuple(_away_event(event) for event in by_stream[Stream.AWAY]),
            tab=tuple(_tab_event(event) for event in _each(subtract_intervals(tabs, holes), keep_going)),
        )

    def _sound(self, stream: Stream, events: Sequence[RawEvent]) -> list[RawEvent]:
        sound = [event for event in events if is_sound(stream, event)]
        self.skipped_count += len(events) - len(sound)
        return sound

    def lookup(self, name: str) -> AppInfo:
        """Return the program of a reported name."""
        return self._apps.lookup(name)

    def excludes(self, app_id: str) -> bool:
        """Whether the program of this id is excluded now: for events that were cleaned before."""
        return self._exclusions.has_app_id(app_id)

    def _browser_of(self, event: RawEvent) -> str:
        """Return the browser of a window, empty for another program."""
        app = self._apps.lookup(event.data["app"])
        return browser_of_app(app.app_id) if app.is_browser else ""

    def _is_excluded(self, event: RawEvent) -> bool:
        return self._exclusions.has_app(event.data["app"]) or self._has_excluded_title(event)

    def _has_excluded_title(self, event: RawEvent) -> bool:
        return self._exclusions.has_title(_title(event))

    def _window_event(self, event: RawEvent) -> AWEvent:
        name, title = event.data["app"], _title(event)
        app, seen = self._apps.lookup(name), self._hasher.features(title)
        return AWEvent(
            timestamp=from_us(event.start_us),
            duration_seconds=event.duration_us / US_PER_SECOND,
            app_id=app.app_id,
            app_category=app.app_category,
            is_browser=app.is_browser,
            is_editor=app.is_editor,
            is_terminal=app.is_terminal,
            window_title_hash=seen.window_title_hash,
            title_token_sketch=seen.title_token_sketch,
            title_char3_sketch=seen.title_char3_sketch,
            title_char_count=seen.title_char_count,
            title_token_count=seen.title_token_count,
            title_unique_token_ratio=seen.title_unique_token_ratio,
            title_digit_ratio=seen.title_digit_ratio,
            title_separator_count=seen.title_separator_count,
            event_id=event.event_id,
            is_locker=app.is_locker,
            is_unknown=is_nameless(name, title),
            is_call=app.is_call or (seen.is_call_title and _may_show_calls(app)),
            word_buckets=self._words(seen, app),
        )

    def _words(self, seen: TitleFeatures, app: AppInfo) -> tuple[int, ...]:
        return (*seen.word_buckets, self._hasher.program_bucket(app.app_id)) if self._with_words else ()


def _each(events: Iterable[RawEvent], keep_going: Callable[[], None]) -> Iterator[RawEvent]:
    for event in events:
        keep_going()
        yield event


def _may_show_calls(app: AppInfo) -> bool:
    """Whether the title decides: browsers and hosts show foreign content, and an unknown program may be for calls."""
    return app.is_browser or app.app_id in HOST_APP_IDS or app.app_id.startswith(UNKNOWN_APP)


def _title(event: RawEvent) -> str:
    title = event.data.get("title")
    return title if isinstance(title, str) else ""


def is_sound(stream: Stream, event: RawEvent) -> bool:
    """Whether the data of an event fit its stream, and it is no longer than its watcher writes."""
    data = event.data
    if event.duration_us > _LONGEST_US[stream] + CLIP_NOISE_US:
        return False
    if stream is Stream.WINDOW:
        return isinstance(data.get("app"), str)
    if stream is Stream.AWAY:
        return isinstance(data.get("status"), str) and data["status"] in _AWAY
    if stream is Stream.TAB:
        return isinstance(data.get("url"), str)
    counts = [data[key] for key in _COUNTS if key in data]
    return bool(counts) and all(map(_is_count, counts))


def _is_count(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _MAX_COUNT  # booleans do not count as numbers


def _input_event(event: RawEvent) -> AWInputEvent:
    count_of = event.data.get
    presses, clicks, delta_x, delta_y, scroll_x, scroll_y = [int(count_of(key, 0)) for key in _COUNTS]
    return AWInputEvent(
        timestamp=from_us(event.start_us),
        duration_seconds=event.duration_us / US_PER_SECOND,
        presses=presses,
        clicks=clicks,
        delta_x=delta_x,
        delta_y=delta_y,
        scroll_x=scroll_x,
        scroll_y=scroll_y,
        event_id=event.event_id,
    )


def _away_event(event: RawEvent) -> AWAwayEvent:
    return AWAwayEvent(
        timestamp=from_us(event.start_us),
        duration_seconds=event.duration_us / US_PER_SECOND,
        is_away=_AWAY[event.data["status"]],
        event_id=event.event_id,
    )


def _tab_event(event: RawEvent) -> AWTabEvent:
    return AWTabEvent(
        timestamp=from_us(event.start_us),
        duration_seconds=event.duration_us / US_PER_SECOND,
        domain_category=domain_category(event.data["url"], is_browser=True),
        is_audible=event.data.get("audible") is True,
        event_id=event.event_id,
    )
