"""How long a simulated day takes to make and to read: `python -m tests.bench.bench_simulated`."""

from __future__ import annotations

import json
import statistics
import time
import tracemalloc
from datetime import date, timedelta

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.simulation.person import ManualClock, SimulatedPerson, SimulatedSource
from taskclf_tray.simulation.personas import PERSONAS

TUESDAY = date(2026, 3, 3)
DAYS = 5


def run() -> dict[str, float]:
    """Milliseconds to generate a day and for one live poll; MiB held by one person with a full cache."""
    times: list[float] = []
    for persona in PERSONAS:
        person = SimulatedPerson(persona, 1)
        for k in range(DAYS):
            began = time.perf_counter()
            person.day(TUESDAY + timedelta(days=k))
            times.append((time.perf_counter() - began) * 1000)
    return {
        "day_median_ms": round(statistics.median(times), 1),
        "day_worst_ms": round(max(times), 1),
        "poll_median_ms": round(_poll_ms(), 2),
        "held_mib": round(_held_mib(), 1),
    }


def _poll_ms() -> float:
    person = SimulatedPerson("developer", 1)
    start, end = person.working_day(TUESDAY)
    clock = ManualClock(start)
    source = SimulatedSource(person, Normaliser("0" * 64), clock=clock)
    times = []
    for _ in range(200):
        clock.advance((end - start).total_seconds() / 200)
        began = time.perf_counter()
        events = source.read(clock.now() - timedelta(minutes=3), clock.now())
        times.append((time.perf_counter() - began) * 1000)
        assert events.end == clock.now()
    return statistics.median(times)


def _held_mib() -> float:
    tracemalloc.start()
    person = SimulatedPerson("developer", 1)
    for k in range(DAYS):
        assert person.day(TUESDAY + timedelta(days=k)).events[Stream.WINDOW]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 2**20


if __name__ == "__main__":
    print(json.dumps(run()))
