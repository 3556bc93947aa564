"""Two computers, a rename and two browsers: the record of any polls is what batch makes of the whole."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.aw_http import AWClient
from taskclf_tray.adapters.export import ExportSource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.time import iso_z
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.store.database import Database
from tests.support.aw_server import RustServer
from tests.support.worker_home import SECRET, USER, pipeline_config, recorder_of

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECONDS = 9000
APPS = ("Code", "chrome.exe", "firefox.exe", "Slack", "", "unknown")
SITES = ("https://github.com/x", "https://www.youtube.com/watch", "https://mail.google.com/")


class Life:
    """What the watchers of some computers report: made up, and the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.buckets: dict[str, tuple[str, str, list[dict[str, Any]]]] = {}

    def add(self, stem: str, kind: str, host: str, events: list[dict[str, Any]]) -> None:
        self.buckets[f"{stem}_{host}"] = (kind, host, events)

    def run(self, begin: float, end: float, lengths: tuple[float, ...], make: Any, hole: float = 1.0) -> list[Any]:
        """Events one after the other, as one watcher reports them."""
        events, at = [], begin
        while at < end:
            length = min(self.rng.choice(lengths), end - at)
            start = iso_z(MORNING + timedelta(seconds=round(at, 3)))
            events.append({"timestamp": start, "duration": round(length, 3), "data": make(at)})
            at += length + self.rng.choice((0.0, hole, hole, 7.0))
        return events

    def computer(self, host: str, begin: float, end: float, used: list[tuple[float, float]]) -> None:
        """One that stands on from `begin` to `end`, and is used in between."""

        def is_used(at: float) -> bool:
            return any(a <= at < b for a, b in used)

        def window(at: float) -> dict[str, Any]:
            app = self.rng.choice(APPS) if is_used(at) else "Code"
            return {"app": app, "title": "" if app in ("", "unknown") else f"{app} {self.rng.randint(0, 3)}"}

        self.add("w", "currentwindow", host, self.run(begin, end, (4.0, 31.5, 90.0, 240.0), window))
        away = [(a, b, "not-afk") for a, b in used]
        gaps = zip([begin, *(b for _, b in used)], [*(a for a, _ in used), end], strict=True)
        away += [(a, b, "afk") for a, b in gaps if b - a >= 180]
        self.add(
            "a",
            "afkstatus",
            host,
            [
                {"timestamp": iso_z(MORNING + timedelta(seconds=a)), "duration": b - a, "data": {"status": status}}
                for a, b, status in sorted(away)
            ],
        )

    def serve(self, server: RustServer) -> None:
        for bucket_id, (kind, host, events) in self.buckets.items():
            server.add(bucket_id, kind, host, events)

    def export(self, path: Path) -> Path:
        buckets = {
            bucket_id: {"type": kind, "hostname": host, "client": "test", "events": events[::-1]}
            for bucket_id, (kind, host, events) in self.buckets.items()
        }
        path.write_text(json.dumps({"buckets": buckets}))
        return path


def life(seed: int) -> Life:
    made = Life(seed)
    made.computer("laptop", 0, 5000, [(0, 1500), (2500, 3900), (4200, 5000)])
    made.computer("tower", 600, SECONDS, [(1500, 2450), (3900, 4200), (5000, 5400)])
    made.computer("laptop-at-home", 5300, SECONDS, [(5400, 7000), (7900, SECONDS)])

    def keys(at: float) -> dict[str, Any]:
        return {
            "presses": made.rng.choice((0, 3, 9)),
            "clicks": 1,
            "deltaX": 4,
            "deltaY": 2,
            "scrollX": 0,
            "scrollY": 0,
        }

    made.add("i", "os.hid.input", "tower", made.run(1500, 2450, (5.0, 15.0), keys, 0.0))
    made.add("i", "os.hid.input", "unknown", made.run(0, 1500, (5.0, 10.0), keys, 0.0))
    for browser, host, begin in (("chrome", "laptop", 0), ("firefox", "unknown", 900), ("other", "unknown", 0)):

        def tab(_at: float) -> dict[str, Any]:
            return {"url": made.rng.choice(SITES), "title": "", "audible": made.rng.random() < 0.4}

        tabs = made.run(begin, SECONDS, (20.0, 130.0, 400.0), tab)
        made.add(f"aw-watcher-web-{browser}", "web.tab.current", host, tabs)
    return made


@pytest.mark.parametrize("seed", [1, 2])
def test_any_polls_give_the_rows_of_the_whole(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = life(seed)
    source = ExportSource(made.export(tmp_path / "export.json"), Normaliser(SECRET))
    assert len(source.report.machines) == 2
    events = source.read(*source.span)
    expected = build_features_from_aw_events(
        events.window,
        user_id=USER,
        device_id="desktop",
        input_events=events.input,
        away_events=events.away,
        tab_events=events.tab,
    )
    assert {row.decided_by for row in expected} == {"model", "idle_rule", "no_window"}
    assert len({row.domain_category for row in expected}) > 3
    database = Database(tmp_path / "record.db")
    server = RustServer(hostname="elsewhere")  # an export does not say where the server runs
    made.serve(server)
    monkeypatch.setattr(AWClient, "get", lambda _client, path, params=None: server.get(path, params))
    live = ActivityWatchSource("http://127.0.0.1:1", normaliser=Normaliser(SECRET))
    recorder = recorder_of(database, live, pipeline_config())
    now, end = MORNING, MORNING + timedelta(seconds=SECONDS + 900)
    while now < end:
        now = min(end, now + timedelta(seconds=made.rng.choice((5, 20, 61, 300, 1000))))
        while not recorder.step(now).is_caught_up:
            pass
    recorded = [record.row() for record in database.buckets.between(USER, 0, 1 << 62)]
    database.close()
    assert [row.bucket_start_ts for row in recorded] == [row.bucket_start_ts for row in expected]
    assert recorded == expected
