"""Input columns from keyboard and mouse samples.

The input watcher counts in samples of 5 s on the wall clock. Equal neighbours merge into one longer event with the
counts of one, so an event of n × 5 s stands for n samples. Its durations are microseconds off (4.999998, 5.000029), so
borders within 10 ms of the 5 s grid snap to it; otherwise a sample would reach 29 µs into the next minute and make an
unwatched minute look watched. When different events overlap, counts add up and seconds count once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum
from operator import itemgetter
from typing import Final

from taskclf_tray.core.intervals import Interval, subtract, union
from taskclf_tray.core.types import AWInputEvent
from taskclf_tray.features.spans import Key, OpenStarts, is_past, microseconds

SAMPLE_US: Final = 5_000_000
_NEAR_US: Final = 10_000
_US_PER_MINUTE: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class InputSpan:
    """An input event in microseconds: `samples` equal samples over `length_us` from `start_us`.

    `length_us` is nominal when the source cut the event, so that the parts add up to the whole event.
    """

    key: Key
    start_us: int
    end_us: int
    samples: int
    length_us: int
    presses: int
    clicks: int
    scrolls: int
    distance: int

    @property
    def keyboard(self) -> bool:
        """Whether keys were pressed."""
        return self.presses != 0

    @property
    def mouse(self) -> bool:
        """Whether the mouse moved, clicked or scrolled."""
        return bool(self.clicks or self.scrolls or self.distance)


Clip = tuple[int, int, InputSpan]


def input_key(event: AWInputEvent) -> Key:
    """Return the key that identifies an input event across reads."""
    return (event.event_id, *_counts(event))


def _counts(event: AWInputEvent) -> tuple[int, ...]:
    return (event.presses, event.clicks, event.delta_x, event.delta_y, event.scroll_x, event.scroll_y)


def resolve_inputs(
    events: Iterable[AWInputEvent],
    opened: OpenStarts,
    read_from: int | None,
    read_until: int,
    *,
    keep_past: bool = False,
) -> list[InputSpan]:
    """Resolve input spans in order of time.

    Of events with the same start and counts, which are one event read twice, the longer stays.

    Args:
        events: input events in any order.
        opened: true starts of the events that reached the end of the last read.
        read_from: events that ended by this moment are left out unless `keep_past`.
        read_until: end of the requested time; an event that ends there off the 5 s grid was cut.
        keep_past: keep events that ended by `read_from`.
    """
    found: dict[tuple[int, tuple[int, ...]], tuple[int, AWInputEvent]] = {}
    for event in events:
        begin, end = (_on_grid(moment) for moment in microseconds(event))
        if read_from is not None and begin <= read_from:
            begin = opened.get(input_key(event), begin)
        if not keep_past and is_past(begin, end, read_from):
            continue
        kept = found.get((begin, _counts(event)))
        if kept is None or kept[0] < end:
            found[begin, _counts(event)] = (end, event)
    order = sorted(found.items(), key=itemgetter(0))
    return [_span(begin, end, event, read_until) for (begin, _), (end, event) in order]


def open_inputs(spans: Iterable[InputSpan], until: int) -> dict[Key, int]:
    """Return the true starts of spans that reach `until`, for the next read."""
    return {span.key: span.start_us for span in spans if span.start_us < until <= span.end_us}


def _on_grid(moment: int) -> int:
    nearest = (moment + SAMPLE_US // 2) // SAMPLE_US * SAMPLE_US
    return nearest if abs(moment - nearest) <= _NEAR_US else moment


def _span(start: int, end: int, event: AWInputEvent, read_until: int) -> InputSpan:
    length = end - start
    samples = max(1, round(length / SAMPLE_US))
    if end == read_until and length and length % SAMPLE_US:
        samples, length = 1, SAMPLE_US
    return InputSpan(
        key=input_key(event),
        start_us=start,
        end_us=end,
        samples=samples,
        length_us=length,
        presses=event.presses,
        clicks=event.clicks,
        scrolls=event.scroll_x + event.scroll_y,
        distance=event.delta_x + event.delta_y,
    )


def clip_inputs(spans: Iterable[InputSpan], start: int, end: int) -> list[Clip]:
    """Return the parts of the spans in [start, end), events without length included."""
    return [
        (max(span.start_us, start), min(span.end_us, end), span)
        for span in spans
        if (span.start_us < end and span.end_us > start) or start <= span.start_us == span.end_us < end
    ]


@dataclass(frozen=True, slots=True)
class InputValues:
    """The input columns of a row; all None when no sample touches the row."""

    keys_per_min: float | None = None
    clicks_per_min: float | None = None
    scroll_events_per_min: float | None = None
    mouse_distance: float | None = None
    active_seconds_keyboard: float | None = None
    active_seconds_mouse: float | None = None
    active_seconds_any: float | None = None
    max_idle_run_seconds: float | None = None
    event_density: float | None = None


NO_INPUT: Final = InputValues()


def input_values(clips: Sequence[Clip], length_us: int, bucket_us: int) -> InputValues:
    """Compute the input columns of `length_us`; distance and seconds are scaled to a bucket."""
    if not clips:
        return NO_INPUT
    per_minute, per_bucket = _US_PER_MINUTE / length_us, bucket_us / length_us
    keyboard = _time([clip for clip in clips if clip[2].keyboard])
    mouse = _time([clip for clip in clips if clip[2].mouse])
    active = [clip for clip in clips if clip[2].keyboard or clip[2].mouse]
    busy = union((start, end) for start, end, _ in active)
    busy_us = sum(end - start for start, end in busy)
    samples = _share(active, [clip[2].samples for clip in active], each=False)

    def seconds(us: float) -> float:
        return round(us / 1e6 * per_bucket, 2)

    return InputValues(
        keys_per_min=round(_share(clips, [clip[2].presses for clip in clips]) * per_minute, 2),
        clicks_per_min=round(_share(clips, [clip[2].clicks for clip in clips]) * per_minute, 2),
        scroll_events_per_min=round(_share(clips, [clip[2].scrolls for clip in clips]) * per_minute, 2),
        mouse_distance=round(_share(clips, [clip[2].distance for clip in clips]) * per_bucket, 2),
        active_seconds_keyboard=seconds(keyboard),
        active_seconds_mouse=seconds(mouse),
        active_seconds_any=seconds(busy_us),
        max_idle_run_seconds=seconds(_longest_idle(clips, busy)),
        event_density=round(samples / (busy_us / 1e6), 4) if busy_us else 0.0,
    )


def _share(clips: Sequence[Clip], counts: Sequence[int], *, each: bool = True) -> float:
    """Sum each span's total count × its fraction inside the clip; exact in any order."""
    whole, parts = 0, []
    for (start, end, span), count in zip(clips, counts, strict=True):
        total = count * span.samples if each else count
        if not total:
            continue
        if end - start == span.length_us:
            whole += total
        else:
            parts.append(total * (end - start) / span.length_us)
    return fsum([whole, *parts]) if parts else float(whole)


def _time(clips: Sequence[Clip]) -> int:
    return sum(end - start for start, end in union((start, end) for start, end, _ in clips))


def _longest_idle(clips: Sequence[Clip], busy: Sequence[Interval]) -> int:
    quiet = union((start, end) for start, end, span in clips if not (span.keyboard or span.mouse))
    return max((end - start for start, end in subtract(quiet, busy)), default=0)
