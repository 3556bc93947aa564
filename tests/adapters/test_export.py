"""Export files: the recorded ones, other shapes, and damaged ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters import export
from taskclf_tray.adapters.activitywatch import AWEvent, parse_aw_export
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.export import ExportSource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.errors import ExportFormatError, IdentityError
from taskclf_tray.core.intervals import covered, union
from taskclf_tray.core.time import parse_time, seconds_to_us, to_us

RECORDED = Path(__file__).parents[1] / "data" / "real_watchers"
SHORT = RECORDED / "aw-buckets-export_testing_110s.json"
LONG = RECORDED / "aw-buckets-export_default-settings_290s.json"
FIELD = Path(__file__).parents[1] / "data" / "field"
SECRET = "0123456789abcdef" * 4


def test_a_recorded_run() -> None:
    seen = parse_aw_export(SHORT, title_salt=SECRET)
    # by hand from the file: 7.006 s and the hole of 1.001 s after it, 4.003 s and 1.000 s, 3.003 s and 1.000 s
    assert len(seen.window) == 13
    assert [(e.app_id, e.duration_seconds, e.is_unknown) for e in seen.window[:3]] == [
        ("unknown.unknown", 8.007, True),
        ("org.invisible-island.xterm", 5.003, False),
        ("org.invisible-island.xterm", 4.003, False),
    ]
    assert sum(not e.is_away for e in seen.away) == 2  # the copy of one not-afk event collapsed
    assert sorted(e.presses for e in seen.input)[-1] == 42
    assert [e.event_id for e in seen.window] == sorted(e.event_id for e in seen.window)
    for title in ("vim main.py", "office", "漢字"):
        assert title not in repr(seen)


@pytest.mark.parametrize("path", [SHORT, LONG])
def test_filling_leaves_no_short_hole(path: Path) -> None:
    def total(events: tuple[AWEvent, ...]) -> tuple[int, list[int]]:
        spans = union((to_us(e.timestamp), to_us(e.timestamp) + seconds_to_us(e.duration_seconds)) for e in events)
        return covered(spans, 0, 2**62), [b[0] - a[1] for a, b in pairwise(spans)]

    filled, holes = total(parse_aw_export(path, title_salt=SECRET).window)
    bare, bare_holes = total(parse_aw_export(path, title_salt=SECRET, fill_gap_seconds=0).window)
    assert all(hole > 2_000_000 for hole in holes)
    assert filled - bare == sum(bare_holes) - sum(holes) > 0


def test_one_lone_bucket_and_the_clock(tmp_path: Path) -> None:
    whole = json.loads(LONG.read_text("utf-8"))["buckets"]["aw-watcher-window_vm"]
    path = tmp_path / "one.json"
    path.write_text(json.dumps(whole))
    source = ExportSource(path, Normaliser(SECRET))
    assert source.is_closed
    assert source.status().streams == {Stream.WINDOW}
    newest = parse_time("2026-11-21T08:04:51.782Z") + timedelta(seconds=220.251)
    assert source.status().newest_event == newest
    assert source.now() == newest + timedelta(seconds=330)
    source.close()
    assert source.read(*source.span).window == ()


def test_of_several_hosts_all_or_the_one_named(tmp_path: Path) -> None:
    def bucket(host: str, day: int) -> dict[str, Any]:
        event = {"timestamp": f"2026-03-0{day}T08:00:00Z", "duration": 5, "data": {"app": host, "title": ""}}
        return {"type": "currentwindow", "hostname": host, "events": [event, {"timestamp": "?"}]}

    path = tmp_path / "two.json"
    path.write_text(json.dumps({"buckets": {"a": bucket("old", 1), "b": bucket("new", 2), "c": {"type": "x"}, "d": 7}}))
    for hostname, app_ids in (
        (None, ["unknown.old", "unknown.new"]),
        ("new", ["unknown.new"]),
        ("old", ["unknown.old"]),
    ):
        source = ExportSource(path, Normaliser(SECRET), hostname=hostname)
        assert [e.app_id for e in source.read(*source.span).window] == app_ids
    assert "2 damaged" in source.status().detail


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"7", b"\xff\xfe", b"{}", b'{"buckets": []}', b'{"buckets": {}}', b"[" * 100_000,
        b'{"buckets": {"w": {"type": "currentwindow", "events": []}}}', SHORT.read_bytes()[:-300],
    ],
    ids=range(11),
)  # fmt: skip
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(content)
    with pytest.raises(ExportFormatError) as caught:
        parse_aw_export(path, title_salt=SECRET)
    assert "export.json" in str(caught.value)
    assert "vim main.py" not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"


def test_no_file_too_large_a_file_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportFormatError):
        parse_aw_export(tmp_path / "missing.json", title_salt=SECRET)
    with pytest.raises(IdentityError):
        parse_aw_export(SHORT, title_salt="")
    monkeypatch.setattr(export, "MAX_FILE_BYTES", 1000)
    with pytest.raises(ExportFormatError, match="larger"):
        parse_aw_export(SHORT, title_salt=SECRET)


@pytest.mark.parametrize("number", ["02", "04", "06"])
def test_neither_the_order_of_buckets_nor_their_names_decide(tmp_path: Path, number: str) -> None:
    (case,) = FIELD.glob(f"{number}-*.json")
    buckets = json.loads(case.read_text("utf-8"))["buckets"]
    hosts = sorted({bucket["hostname"] for bucket in buckets.values()})

    def read(order: Sequence[str], called: Sequence[str]) -> list[list[Any]]:
        path = tmp_path / "export.json"
        renamed = dict(zip(hosts, called, strict=True))
        listing = {}
        for name in order:
            old = buckets[name]["hostname"]
            new_name = name.removesuffix(f"_{old}") + f"_{renamed[old]}"
            listing[new_name] = {**buckets[name], "hostname": renamed[old]}
        path.write_text(json.dumps({"buckets": listing}))
        seen = parse_aw_export(path, title_salt=SECRET)
        return [
            sorted((e.timestamp, e.duration_seconds, repr(dataclasses.replace(e, event_id=0))) for e in listed)
            for listed in (seen.window, seen.away, seen.tab)
        ]

    expected = read(list(buckets), hosts)
    for order in permutations(buckets):
        assert read(order, hosts) == expected
    assert read(list(buckets), ["zz", "aa"][: len(hosts)]) == expected
    assert read(list(buckets), ["aa", "zz"][: len(hosts)]) == expected


def test_windows_of_a_year_are_damaged_and_counted(tmp_path: Path) -> None:
    def bucket(kind: str, seconds: Sequence[float], **data: Any) -> dict[str, Any]:
        at = "2026-03-02T08:00:00Z"
        events = [{"timestamp": at, "duration": length, "data": data} for length in seconds]
        return {"type": kind, "hostname": "h", "events": events}

    year = 366 * 86_400
    windows = bucket("currentwindow", [600, 4 * 86_400 + 1, *[year] * 40], app="a", title="")
    away = bucket("afkstatus", [30 * 86_400, 32 * 86_400], status="afk")
    path = tmp_path / "long.json"
    path.write_text(json.dumps({"buckets": {"w": windows, "a": away}}))
    source = ExportSource(path, Normaliser(SECRET))
    assert source.report.damage() == "42 damaged events were skipped in long.json."
    assert [e.duration_seconds for e in source.read(*source.span).window] == [600]
    path.write_text(json.dumps({"buckets": {"w": bucket("currentwindow", [year] * 40, app="a", title="")}}))
    with pytest.raises(ExportFormatError, match=r"holds no window.*\(40 damaged events were skipped\)"):
        ExportSource(path, Normaliser(SECRET))


DAMAGED_EXPORTS = {
    "[],": lambda: b'{"buckets": {"w": {"type": "currentwindow", "events": [' + b"[]," * 200_000 + b"0]}}}",
    "depth": lambda: b'{"buckets":' + b"[" * 200_000,
    "days": lambda: _export({"w": _days(1000)}),
    "keys": lambda: _export({"w": _days(1), "i": [("os.hid.input", 31 * 86_400, {"presses": n}) for n in range(9)]}),
    "buckets": lambda: _export({f"w{n}": _days(1) for n in range(2001)}),
}


def _days(count: int) -> list[tuple[str, float, dict[str, Any]]]:
    return [("currentwindow", 86_399, {"app": "a", "title": f"{n}"}) for n in range(count)]


def _export(buckets: dict[str, list[tuple[str, float, dict[str, Any]]]]) -> bytes:
    """Each bucket's events one after the other."""
    listing = {}
    for name, events in buckets.items():
        at, listed = parse_time("2016-03-02T08:00:00Z"), []
        for _, seconds, data in events:
            listed.append({"timestamp": at.isoformat(), "duration": seconds, "data": data})
            at += timedelta(seconds=seconds)
        listing[name] = {"type": events[0][0], "hostname": "h", "events": listed}
    return json.dumps({"buckets": listing}).encode()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("[],", "lists or objects"),
        ("depth", "lists or objects"),
        ("days", "claims 1,439,983 minutes"),
        ("keys", "claims 403,199 minutes"),
        ("buckets", "holds 2001 buckets"),
    ],
)
def test_files_that_mean_more_than_they_can_are_refused(tmp_path: Path, name: str, words: str) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(DAMAGED_EXPORTS[name]())
    with pytest.raises(ExportFormatError, match=words) as caught:
        ExportSource(path, Normaliser(SECRET))
    assert caught.value.next_step


def test_forty_days_with_one_window_each_are_read(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(_export({"w": _days(40)}))
    source = ExportSource(path, Normaliser(SECRET))
    assert len(source.read(*source.span).window) == 40


def test_a_read_of_a_part_looks_at_that_part_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person with a year of pauses has a part between each two of them."""
    path = tmp_path / "export.json"
    minutes = [("currentwindow", 60, {"app": f"a{n}", "title": ""}) for n in range(2000)]
    away = [("afkstatus", 7200, {"status": "afk"}) for _ in range(20)]
    path.write_bytes(_export({"w": minutes, "a": away}))
    source = ExportSource(path, Normaliser(SECRET))
    begin, end = source.span
    whole = source.read(begin, end)
    looked_at = 0
    original = Normaliser.events

    def counting(self: Normaliser, start: Any, end: Any, raw: Any, **more: Any) -> Any:
        nonlocal looked_at
        looked_at += sum(map(len, raw.values()))
        return original(self, start, end, raw, **more)

    monkeypatch.setattr(Normaliser, "events", counting)
    hours = [begin + timedelta(hours=n) for n in range(35)]
    parts = [source.read(first, second) for first, second in pairwise(hours)]
    assert looked_at < 2 * 2000
    assert [e.app_id for part in parts for e in part.window] == [e.app_id for e in whole.window]
    assert union(
        (to_us(e.timestamp), to_us(e.timestamp) + seconds_to_us(e.duration_seconds)) for p in parts for e in p.away
    ) == union(
        (to_us(e.timestamp), min(to_us(e.timestamp) + seconds_to_us(e.duration_seconds), to_us(hours[-1])))
        for e in whole.away
    )


def test_a_locked_long_weekend_is_read(tmp_path: Path) -> None:
    """Friday evening to Tuesday morning, the machine awake and the locker in front."""
    at, seconds = "2026-04-03T17:00:00Z", 87 * 3600.0
    events = [{"timestamp": at, "duration": seconds, "data": {"app": "xscreensaver", "title": ""}}]
    path = tmp_path / "easter.json"
    path.write_text(json.dumps({"buckets": {"w": {"type": "currentwindow", "hostname": "h", "events": events}}}))
    source = ExportSource(path, Normaliser(SECRET))
    assert source.report.damage() == ""
    assert sum(e.duration_seconds for e in source.read(*source.span).window) == seconds
