"""How fast events become rows, and whether the time stays linear: `python -m tests.bench.bench_features`.

Days like real ones: a window switch every 12 s on average, 5 s input samples, away and tab events; 10 hours a day.
"""

from __future__ import annotations

import json
import random
import time

from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent
from taskclf_tray.features.build import build_features_from_aw_events
from tests.support.events import away, keys, tab, win

APPS = ("edit", "web", "shell", "meet", "chat", "mail", "files", "notes")
DAY_SECONDS = 86_400
WORK_SECONDS = 36_000


def day(number: int) -> tuple[list[AWEvent], list[AWInputEvent], list[AWAwayEvent], list[AWTabEvent]]:
    """One day's events, the same for the same number."""
    rng = random.Random(number)
    start = number * DAY_SECONDS
    window, tabs, at = [], [], 0.0
    while at < WORK_SECONDS:
        length = round(rng.expovariate(1 / 12), 3)
        app = rng.choice(APPS)
        window.append(
            win(start + at, length, app, f"title {rng.randrange(40)}", event_id=number * 100_000 + len(window))
        )
        if app == "web":
            tabs.append(tab(start + at, length, "docs", event_id=len(tabs)))
        at += length + rng.choice((0, 1.003))
    inputs = [
        keys(start + t, 5, rng.choice((0, 0, 7)), event_id=t, dx=rng.choice((0, 90)), sy=rng.choice((0, 3)))
        for t in range(0, WORK_SECONDS, 5)
    ]
    return window, inputs, [away(start + WORK_SECONDS, DAY_SECONDS - WORK_SECONDS)], tabs


def seconds_for(days: int, repeats: int = 3) -> tuple[float, int]:
    """Best time of several for this many days, and how many events they hold."""
    parts = [day(number) for number in range(days)]
    window, inputs, away_events, tabs = ([event for part in parts for event in part[i]] for i in range(4))
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        build_features_from_aw_events(
            window,
            user_id="u",
            input_events=inputs,
            away_events=away_events,
            tab_events=tabs,
            time_zone="Europe/Berlin",
        )
        best = min(best, time.perf_counter() - began)
    return best, len(window) + len(inputs) + len(away_events) + len(tabs)


def run() -> dict[str, object]:
    """Events per second for 1, 2 and 4 days, and how much an event costs more in four days than in one."""
    timed = {days: seconds_for(days) for days in (1, 2, 4)}
    return {
        "events_per_second": {str(days): round(events / took) for days, (took, events) in timed.items()},
        "cost_of_an_event_4_days_to_1": round((timed[4][0] / timed[4][1]) / (timed[1][0] / timed[1][1]), 3),
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
