"""Cost of one poll that finalises one new minute, by the length of the record: it must not grow.

`python -m tests.bench.bench_poll [polls]` prints JSON; `run()` returns it. The records take turns, poll by poll, so
that a machine that slows down slows all of them; times are medians of one process, the commits' fsyncs included.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, SourceEvents
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.record.outputs import OutputWriter
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from tests.support.events import WORDS
from tests.support.worker_home import MORNING, USER, pipeline_config, recorder_of

SIZES = (60, 1_440, 10_000, 43_200)
_MIDNIGHT = MORNING.replace(hour=0)
_MINUTE = timedelta(minutes=1)
_APPS = (("org.mozilla.firefox", "browser"), ("com.microsoft.VSCode", "editor"), ("org.gnome.Terminal", "terminal"))
_OF_TODAY = 1_200
"""At most so many buckets are of the current day; the rest fill the days before it."""


class _BusySource(ActivitySource):
    """Somebody who never rests: another app every four minutes, keys in every sample."""

    name = "busy"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        windows, inputs = [], []
        for number in range(int((start - _MIDNIGHT) / _MINUTE), int((end - _MIDNIGHT) / _MINUTE) + 1):
            begin = max(start, _MIDNIGHT + number * _MINUTE)
            seconds = (min(end, _MIDNIGHT + (number + 1) * _MINUTE) - begin).total_seconds()
            if seconds > 0:
                app, category = _APPS[number // 4 % 3]
                kind = [category == name for name in ("browser", "editor", "terminal")]
                words = WORDS[number % 3 :: 3]
                hashed = f"{number % 7:012x}"
                windows.append(
                    AWEvent(begin, seconds, app, category, *kind, hashed, event_id=number, word_buckets=words)
                )
                inputs.append(AWInputEvent(begin, min(5.0, seconds), 9, 1, 30, 20, 0, 1, number))
        here = AWAwayEvent(start, (end - start).total_seconds(), False)
        return SourceEvents(start, end, tuple(windows), tuple(inputs), (here,))

    def status(self) -> SourceStatus:
        return SourceStatus(self.name, True, frozenset(), "Always there.")


class Worker:
    """A record of `size` buckets and its files, up to date; smoothed by `hmm` where it has transitions."""

    def __init__(
        self, folder: Path, size: int, transitions: Transitions | None = None, head: PersonalHead | None = None
    ) -> None:
        today = min(size, _OF_TODAY)
        self.clock = ManualClock(_MIDNIGHT + today * _MINUTE + timedelta(seconds=30))
        self.database = Database(folder / "tray.db")
        self._recorder = recorder_of(
            self.database, _BusySource(self.clock), pipeline_config(transitions=transitions, head=head)
        )
        while not self._recorder.step(self.clock.now()).is_caught_up:
            pass
        self._fill(size - self.database.buckets.count(USER))
        self._writer = OutputWriter(self.database, USER, folder / "out")
        self._writer.write(self.clock.now(), "UTC", max_days=sys.maxsize)

    def _fill(self, missing: int) -> None:
        """Copies of today's first buckets, on the days before it."""
        some = self.database.buckets.between(USER, to_us(_MIDNIGHT), to_us(_MIDNIGHT + timedelta(minutes=40)))
        with self.database.transaction():
            self.database.buckets.put(
                _moved(some[number % len(some)], _MIDNIGHT - (number + 1) * _MINUTE) for number in range(missing)
            )

    def poll(self) -> tuple[int, int]:
        """Nanoseconds of the recorder and of the files for one more minute."""
        self.clock.advance(60)
        now = self.clock.now()
        began = time.perf_counter_ns()
        step = self._recorder.step(now)
        between = time.perf_counter_ns()
        added = self._writer.write(now, "UTC")
        ended = time.perf_counter_ns()
        assert len(step.finalised) == 1, step
        assert added == 1
        return between - began, ended - between


def _moved(record: BucketRecord, start: datetime) -> BucketRecord:
    start_us, end_us = to_us(start), to_us(start + _MINUTE)
    prediction = record.prediction.replace(str(record.start_us), str(start_us)).replace(str(record.end_us), str(end_us))
    return dataclasses.replace(record, start_us=start_us, end_us=end_us, is_settled=True, prediction=prediction)


def run(polls: int = 100, sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Milliseconds a poll (`step` and `write` of it), and the ratio of the longest record to the shortest."""
    with tempfile.TemporaryDirectory() as folder:
        workers = {size: Worker(Path(folder, str(size)), size) for size in sizes}
        times: dict[int, list[tuple[int, int]]] = {size: [] for size in sizes}
        for number in range(polls + 5):
            for size, worker in workers.items():
                spent = worker.poll()
                if number >= 5:  # the first ones fill caches
                    times[size].append(spent)
        for worker in workers.values():
            worker.database.close()
    polled = {size: median(map(sum, spent)) for size, spent in times.items()}
    return {
        "poll_ms": {size: round(ns / 1e6, 3) for size, ns in polled.items()},
        "step_ms": {size: round(median(ns for ns, _ in spent) / 1e6, 3) for size, spent in times.items()},
        "write_ms": {size: round(median(ns for _, ns in spent) / 1e6, 3) for size, spent in times.items()},
        "ratio_longest_to_shortest": round(polled[sizes[-1]] / polled[sizes[0]], 3),
    }


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:])), indent=2))
