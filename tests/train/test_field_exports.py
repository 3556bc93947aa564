"""Exports as people have them: several machines, names, browsers, phones, damage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters.activitywatch import parse_aw_export
from taskclf_tray.adapters.export_report import ExportReport
from taskclf_tray.core.config import Config
from taskclf_tray.core.errors import ExportFormatError, SourceError
from taskclf_tray.core.time import parse_time
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.jobs.batch import BatchRequest, run
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import export_rows
from tests.support.worker_home import SECRET, copy_home

FIELD = Path(__file__).parents[1] / "data" / "field"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> HomePaths:
    return HomePaths(copy_home(tmp_path_factory.mktemp("field") / "home"))


def read(paths: HomePaths, path: Path, hostname: str | None = None) -> tuple[list[FeatureRow], ExportReport]:
    reports: list[ExportReport] = []
    rows = export_rows(paths, path, Config(), 60, hostname=hostname, on_report=reports.append)
    return rows, reports[0]


def case(paths: HomePaths, number: str, hostname: str | None = None) -> tuple[list[FeatureRow], ExportReport]:
    (path,) = FIELD.glob(f"{number}-*.json")
    return read(paths, path, hostname)


def deciders(rows: list[FeatureRow]) -> Counter[str]:
    return Counter(row.decided_by for row in rows)


def write(path: Path, **buckets: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps({"buckets": buckets}))
    return path


def bucket(kind: str, host: str, *events: tuple[str, int, dict[str, Any]], **more: Any) -> dict[str, Any]:
    listed = [{"timestamp": f"2026-03-02T{at}Z", "duration": seconds, "data": data} for at, seconds, data in events]
    return {"type": kind, "hostname": host, "client": "x", "events": listed[::-1], **more}


def test_windows_of_one_computer_and_away_time_of_another(paths: HomePaths) -> None:
    rows, report = case(paths, "02")
    assert deciders(rows) == {"model": 130}
    assert report.sentence().endswith(
        ": 2 computers were read, LAPTOP and DESK; each minute is that of the one in use."
    )
    assert deciders(case(paths, "02", "desk")[0]) == {"model": 10}
    laptop, report = case(paths, "02", "LAPTOP")
    assert deciders(laptop) == {"model": 120}
    assert "aw-watcher-afk_DESK and aw-watcher-window_DESK were left out" in report.sentence()


def test_a_computer_that_was_renamed(paths: HomePaths) -> None:
    rows, report = case(paths, "04")
    assert deciders(rows) == {"model": 150}
    assert report.sentence().endswith(": one computer was read, NEW-NAME (earlier OLD-NAME).")
    assert len(case(paths, "04", "old-name")[0]) == 120


def test_a_meeting_in_one_browser_while_another_was_used_later(paths: HomePaths) -> None:
    rows, report = case(paths, "06")
    assert deciders(rows) == {"model": 80}
    assert [row.attended_seconds for row in rows] == [60.0] * 60 + [0.0] * 20
    assert "unknown" not in {row.domain_category for row in rows[:60]}
    assert Counter(row.domain_category for row in rows[60:])["unknown"] == 19  # Firefox's own tab was seen for 30 s
    assert report.sentence() == ""


def test_a_phone_is_no_desk(paths: HomePaths) -> None:
    rows, report = case(paths, "09")
    assert rows == []
    assert not report.has_windows
    assert report.facts()["left_out"] == [{"bucket": "aw-watcher-android-test", "host": "unknown", "reason": "phone"}]
    with pytest.raises(ExportFormatError, match=r"aw-watcher-android-test was left out \(a phone's activity"):
        run(BatchRequest(str(paths.home), str(next(FIELD.glob("09-*")))), lambda _event: None)


def test_damage_is_counted_aloud(paths: HomePaths, tmp_path: Path) -> None:
    rows, report = case(paths, "13")
    assert len(rows) == 5
    assert report.sentence() == "3 damaged events were skipped in 13-damaged-unsaid.json."
    export = write(
        tmp_path / "all.json",
        w=bucket("currentwindow", "h", ("09:00:00", 60, {"app": "Code", "title": ""}), ("09:01:00", 1, {"title": "x"})),
        a=bucket("afkstatus", "h", ("09:00:00", 60, {"status": "dozing"})),
        i=bucket("os.hid.input", "h", ("09:00:00", 5, {"presses": -1}), ("09:00:05", 5, {"presses": 1})),
        t=bucket("web.tab.current", "h", ("09:00:00", 5, {"url": None})),
    )
    assert read(paths, export)[1].damaged == 4
    said: list[dict[str, Any]] = []
    run(BatchRequest(str(paths.home), str(export), out_dir=str(tmp_path)), said.append)
    assert {"event": "warning", "text": "4 damaged events were skipped in all.json."} in said


def test_away_time_alone(paths: HomePaths) -> None:
    begin, end = (parse_time(f"2026-03-02T{hour}:00Z").astimezone() for hour in ("09", "10"))
    rows, _ = case(paths, "14")
    assert rows == []
    with pytest.raises(ExportFormatError) as refused:
        run(BatchRequest(str(paths.home), str(next(FIELD.glob("14-*")))), lambda _event: None)
    assert f"has no windows of a computer, only away time of {begin.day} March 2026, " in refused.value.title
    assert f"{begin:%H:%M}–{end:%H:%M}" in refused.value.title
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("app", "title", "decided_by"),
    [
        ("", "", "no_window"),
        (" Unknown ", "", "no_window"),
        ("UNKNOWN", "unknown", "no_window"),
        ("", "Unknown", "no_window"),
        ("unknown", "\u200b \t", "no_window"),
        ("unknown", "a program of that name", "model"),
        ("", "a window without a program", "model"),
        ("Code", "", "model"),
    ],
)
def test_no_window_in_other_words(paths: HomePaths, tmp_path: Path, app: str, title: str, decided_by: str) -> None:
    assert deciders(case(paths, "18")[0]) == {"no_window": 10}
    window = bucket("currentwindow", "h", ("09:00:00", 60, {"app": app, "title": title}))
    assert deciders(read(paths, write(tmp_path / "one.json", w=window))[0]) == {decided_by: 1}


def test_which_host_is_meant(paths: HomePaths, tmp_path: Path) -> None:
    with pytest.raises(ExportFormatError) as unknown:
        case(paths, "04", "nobody")
    assert "NEW-NAME and OLD-NAME" in unknown.value.next_step
    phone = {"app": "Maps", "package": "p"}
    export = write(
        tmp_path / "phone.json",
        p=bucket("currentwindow", "pixel", ("09:00:00", 60, phone)),
        w=bucket("currentwindow", "desk", ("09:00:00", 60, {"app": "Code", "title": ""})),
    )
    with pytest.raises(ExportFormatError, match=r"pixel .* is a phone"):
        read(paths, export, "pixel")
    rows, report = read(paths, export)
    assert len(rows) == 1
    assert report.sentence().startswith("phone.json: desk was read; p was left out (a phone's activity")
    with pytest.raises(SourceError, match="no export is read"):
        run(BatchRequest(str(paths.home), host="desk"), lambda _event: None)


def test_copies_of_aw_sync(paths: HomePaths, tmp_path: Path) -> None:
    def windows(host: str, app: str) -> dict[str, Any]:
        return bucket("currentwindow", host, ("09:00:00", 60, {"app": app, "title": ""}))

    copy = {"w-synced-from-far": windows("far", "Copied")}
    export = write(tmp_path / "copy.json", w=windows("near", "Code"), **copy)
    rows, report = read(paths, export)
    assert [row.app_id for row in rows] == ["com.microsoft.VSCode"]
    assert "w-synced-from-far was left out (aw-sync's copy from another computer)" in report.sentence()
    assert [row.app_id for row in read(paths, export, "far")[0]] == ["unknown.copied"]


def test_hostile_names_in_an_export(paths: HomePaths, tmp_path: Path) -> None:
    window = ("09:00:00", 60, {"app": "Code", "title": ""})
    names = ["\ud800", "x" * 10_000, "\x1b[31m\n", "\u202eabc"]
    export = write(tmp_path / "hostile.json", **{name: bucket("currentwindow", name, window) for name in names})
    rows, report = read(paths, export)
    assert len(rows) == 1
    said = f"{report.sentence()}{report.facts()}"
    assert said.encode()
    assert "\x1b" not in report.sentence()
    assert len(report.sentence()) < 1500
    assert len(report.left_out) == 2


def test_names_that_no_server_could_be_asked_for_are_passed_over(paths: HomePaths, tmp_path: Path) -> None:
    code, other = (("09:00:00", 60, {"app": app, "title": ""}) for app in ("Code", "firefox"))
    names = {"..": other, ".": other, "\ud800": other, "w": code}
    export = write(tmp_path / "steps.json", **{name: bucket("currentwindow", "h", at) for name, at in names.items()})
    rows, report = read(paths, export)
    assert [row.app_id for row in rows] == ["com.microsoft.VSCode"]
    assert {state.bucket_id for state in report.left_out} == {"..", ".", "\N{REPLACEMENT CHARACTER}"}
    assert "were left out (a damaged name)" in report.sentence()


def test_the_library_reads_the_same(paths: HomePaths, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    events = parse_aw_export(next(FIELD.glob("04-*")), title_salt=SECRET)
    assert sum(e.duration_seconds for e in events.window) == 150 * 60
    assert "NEW-NAME (earlier OLD-NAME)" in caplog.text
    assert "Visual Studio" not in caplog.text
    assert parse_aw_export(next(FIELD.glob("09-*")), title_salt=SECRET).window == ()
