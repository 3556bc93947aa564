"""Simulation of ActivityWatch's watchers on a simulated screen and simulated input.

Shapes and flaws follow aw-watcher-window, -afk, -input and -web as recorded on a real desktop. The window watcher looks
once a second, so every switch leaves a hole of about a second, and a window seen once has length 0. Away is reported
backwards after 180 s. Equal neighbours of 5 s input samples merge and keep the counts of one. A tab stays current while
another program is in front. Times are whole milliseconds of the plan day, as on the server.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taskclf_tray.simulation.scenes import Rhythm
from taskclf_tray.simulation.screen import View

LOOK_MS: Final = 1002
"""Time between two looks of the window watcher: one second plus the look itself."""
SAMPLE_MS: Final = 5000
AWAY_TIMEOUT_MS: Final = 180_000
INPUT_KEYS: Final = ("presses", "clicks", "deltaX", "deltaY", "scrollX", "scrollY")

Counts = tuple[int, int, int, int, int, int]
_STILL: Final[Counts] = (0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event without an id: milliseconds of the plan day and the watcher's data."""

    start_ms: int
    end_ms: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One 5 s input sample."""

    start_ms: int
    counts: Counts


def powered_runs(views: Sequence[View]) -> list[list[View]]:
    """Split the views into runs between which the machine slept."""
    runs: list[list[View]] = [[]]
    for view in views:
        if view.is_on:
            runs[-1].append(view)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def record_windows(views: Sequence[View], phase_ms: int) -> list[Recorded]:
    """Record the windows with one look every `LOOK_MS`: consecutive looks at one window are one event."""
    events: list[Recorded] = []
    for run in powered_runs(views):
        first_look = run[0].start_ms + phase_ms
        last: tuple[str, str] | None = None
        for view in run:
            k = max(0, -(-(view.start_ms - first_look) // LOOK_MS))
            seen = first_look + k * LOOK_MS
            if seen >= view.end_ms:
                continue
            seen_last = seen + (view.end_ms - 1 - seen) // LOOK_MS * LOOK_MS
            if (view.app, view.title) == last:
                events[-1] = Recorded(events[-1].start_ms, seen_last, events[-1].data)
            else:
                events.append(Recorded(seen, seen_last, {"app": view.app, "title": view.title}))
                last = (view.app, view.title)
    return events


def record_tabs(views: Sequence[View], phase_ms: int, rng: random.Random) -> list[Recorded]:
    """Record the browser's active tab: it stays current behind other programs, and ends with the next tab."""
    events: list[Recorded] = []
    tabs = rng.randint(4, 14)
    for run in powered_runs(views):
        is_same_run = False
        for view in run:
            if view.url is None or view.start_ms + phase_ms >= view.end_ms:
                if view.url is None and is_same_run:
                    events[-1] = Recorded(events[-1].start_ms, view.end_ms, events[-1].data)
                continue
            tabs = max(1, tabs + rng.choice((-1, 0, 0, 0, 1)))
            data = {
                "url": view.url,
                "title": view.title,
                "audible": view.is_audible,
                "incognito": False,
                "tabCount": tabs,
            }
            start = view.start_ms + phase_ms
            if is_same_run and events[-1].data["url"] == view.url and events[-1].data["audible"] == view.is_audible:
                events[-1] = Recorded(events[-1].start_ms, view.end_ms, events[-1].data)
                continue
            if is_same_run:
                was = events[-1]
                events[-1] = Recorded(was.start_ms, max(was.start_ms, min(was.end_ms, view.start_ms)), was.data)
            events.append(Recorded(start, view.end_ms, data))
            is_same_run = True
    return events


def play_hands(views: Sequence[View], rhythms: Mapping[str, Rhythm], rng: random.Random) -> list[Sample]:
    """Generate the input samples for every 5 s (aligned to the wall clock) in which the machine was on throughout."""
    samples: list[Sample] = []
    for run in powered_runs(views):
        at = -(-run[0].start_ms // SAMPLE_MS) * SAMPLE_MS
        is_typing, rest_left, k = False, 0, 0
        while at + SAMPLE_MS <= run[-1].end_ms:
            while run[k].end_ms <= at + SAMPLE_MS // 2:
                k += 1
            rhythm = rhythms[run[k].rhythm]
            if run[k].rhythm == "gone":
                rest_left = 0
                samples.append(Sample(at, _STILL))
            elif rest_left > 0:
                rest_left -= 1
                samples.append(Sample(at, _STILL))
            else:
                if rng.random() < rhythm.rest:
                    rest_left = int(rng.expovariate(1 / rhythm.rest_samples))
                is_typing = rng.random() >= rhythm.stop if is_typing else rng.random() < rhythm.begin
                samples.append(Sample(at, _sample(rhythm, is_typing, rng)))
            at += SAMPLE_MS
    return samples


def _sample(rhythm: Rhythm, is_typing: bool, rng: random.Random) -> Counts:
    draw = rng.random
    presses = int(rhythm.keys * (0.4 + 1.2 * draw())) if is_typing else 0
    mouse = 0.45 if is_typing else 1.0  # hands on the keyboard leave the mouse alone
    clicks = 1 + int(3 * draw() ** 3) if draw() < rhythm.click * mouse else 0
    moves = clicks > 0 or draw() < rhythm.move * mouse
    scrolls = draw() < rhythm.scroll * mouse
    return (
        presses,
        clicks,
        int(900 * draw() ** 2) if moves else 0,
        int(600 * draw() ** 2) if moves else 0,
        0 if draw() < 0.97 else int(4 * draw()),
        1 + int(18 * draw() ** 2) if scrolls else 0,
    )


def record_input(samples: Iterable[Sample]) -> list[Recorded]:
    """Record samples as events: equal touching neighbours merge into one that keeps the counts of one sample."""
    events: list[Recorded] = []
    last: Counts | None = None
    for sample in samples:
        if last == sample.counts and events[-1].end_ms == sample.start_ms:
            events[-1] = Recorded(events[-1].start_ms, sample.start_ms + SAMPLE_MS, events[-1].data)
        else:
            data = dict(zip(INPUT_KEYS, sample.counts, strict=True))
            events.append(Recorded(sample.start_ms, sample.start_ms + SAMPLE_MS, data))
            last = sample.counts
    return events


def input_moments(samples: Iterable[Sample]) -> list[int]:
    """Return the ends of the samples with any input: the times of last input that the away watcher can know."""
    return [sample.start_ms + SAMPLE_MS for sample in samples if sample.counts != _STILL]


def record_away(views: Sequence[View], moments: Sequence[int]) -> list[Recorded]:
    """Record `not-afk` up to the last input, then `afk` from 1 ms later when 180 s pass without any."""
    events: list[Recorded] = []
    at = 0
    for run in powered_runs(views):
        begin, end = run[0].start_ms, run[-1].end_ms
        present_since = last = begin
        while at < len(moments) and moments[at] <= end:
            if moments[at] - last >= AWAY_TIMEOUT_MS:
                events += _present_then_away(present_since, last, moments[at])
                present_since = moments[at]
            last = moments[at]
            at += 1
        if end - last >= AWAY_TIMEOUT_MS:
            events += _present_then_away(present_since, last, end)
        else:
            events.append(Recorded(present_since, last, {"status": "not-afk"}))
    return events


def _present_then_away(since: int, last: int, until: int) -> list[Recorded]:
    return [Recorded(since, last, {"status": "not-afk"}), Recorded(last + 1, until, {"status": "afk"})]
