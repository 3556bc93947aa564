"""The check-up: true, bounded in time, and never without a next step for what failed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import doctor
from taskclf_tray.app.doctor import check_everything
from taskclf_tray.app.home_checks import CheckResult
from taskclf_tray.core.private_files import close_places, open_places
from taskclf_tray.core.time import iso_z
from taskclf_tray.store.database import Database
from tests.support.aw_server import run_rust_server
from tests.support.dbus_bus import private_bus
from tests.support.desktop import desktop
from tests.support.heads import served_head
from tests.support.notify_service import NotificationService
from tests.support.processes import allowed
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import MORNING, USER, copy_home
from tests.support.worker_rig import BUNDLE

NO_SERVER = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = copy_home(tmp_path / "home")
    close_places(open_places(home))
    return home


def checked(home: Path, aw_host: str = NO_SERVER) -> dict[str, list[CheckResult]]:
    found: dict[str, list[CheckResult]] = {}
    for finding in check_everything(home=home, aw_host=aw_host):
        found.setdefault(finding.subject, []).append(finding)
        assert finding.verdict != "failed" or finding.next_step, finding
    return found


def failed(found: dict[str, list[CheckResult]]) -> list[str]:
    return [name for name, group in found.items() if any(finding.verdict == "failed" for finding in group)]


def test_a_fresh_home_lacks_nothing_but_a_source(tmp_path: Path) -> None:
    found = checked(tmp_path / "new")
    assert failed(found) == ["Activity source"]
    assert "the model's threshold 0.43 holds" in found["Policy"][0].detail
    assert "synthetic data" in found["Model"][0].detail


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(tmp_path / "no" / "where")
    assert found["Home"][0].detail == f"{tmp_path / 'no' / 'where'} is not there yet; the first start makes it"
    assert "the starter, which the first start brings" in found["Model"][0].detail
    assert "GB free" in found["Disk"][0].detail
    assert not {"Identity", "Record", "Permissions"} & set(found)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "Home" in failed(checked(tmp_path / "no" / "where"))
    assert list(tmp_path.iterdir()) == []


def test_every_open_permission_is_named(home: Path) -> None:
    home.chmod(0o755)
    (home / "models").chmod(0o777)
    (home / "data" / "processed" / ".user_id").chmod(0o664)
    found = checked(home)["Permissions"]
    assert {finding.verdict for finding in found} == {"failed"}
    assert [finding.detail.split(" is open ")[0] for finding in found] == [
        str(place) for place in (home, home / "data" / "processed" / ".user_id", home / "models")
    ]
    assert "0777" in found[-1].detail
    home.chmod(0o700)
    assert {finding.verdict for finding in checked(home)["Permissions"]} == {"note"}
    close_places(open_places(home))
    assert [finding.verdict for finding in checked(home)["Permissions"]] == ["ok"]


def test_a_home_of_the_taskclf_tool(home: Path) -> None:
    found = checked(home)
    assert failed(found) == ["Activity source"]
    assert found["Policy"][0].detail == "threshold 0.9"
    assert "Deep Work" in found["Categories"][0].detail


@pytest.fixture
def hung() -> Iterator[str]:
    """A server that accepts and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_hangs_is_given_up(home: Path, hung: str) -> None:
    began = time.monotonic()
    found = checked(home, hung)
    assert time.monotonic() - began < allowed(15)
    assert "Activity source" in failed(found)


def test_every_bucket_with_its_age_and_whether_it_is_read(home: Path) -> None:
    now = datetime.now(UTC)

    def event(ago: timedelta, **data: object) -> dict[str, object]:
        return {"timestamp": iso_z(now - ago), "duration": 0, "data": data}

    window = {"app": "Code", "title": "poison-title"}
    with run_rust_server(hostname="desk") as server:
        server.add("w-desk", "currentwindow", "desk", [event(timedelta(days=3), **window)])
        server.add("w-mac", "currentwindow", "mac", [event(timedelta(minutes=5), **window)])
        server.add("aw-watcher-android-test", "currentwindow", "unknown", [event(timedelta(hours=3), app="Maps")])
        server.add("stopwatch", "general.stopwatch", "unknown")
        server.add("\x1b[31mbad\ud800", "currentwindow", "\ud800", [event(timedelta(0), **window)])
        found = checked(home, server.url)
    assert "Activity source" not in failed(found)
    lines = {finding.facts["bucket"]: finding for finding in found["Bucket"]}
    assert {name: (f.facts["is_read"], f.facts["reason"], f.verdict) for name, f in lines.items()} == {
        "w-mac": (True, None, "ok"),
        "w-desk": (True, None, "ok"),
        "aw-watcher-android-test": (False, "phone", "note"),
        "stopwatch": (False, "other_type", "ok"),
        "[31mbad\N{REPLACEMENT CHARACTER}": (False, "bad_name", "note"),
    }
    assert "newest event 3 days ago; read for its own time only: mac has a newer one" in lines["w-desk"].detail
    assert "newest event 5 minutes ago; read" in lines["w-mac"].detail
    assert lines["w-mac"].facts["age_seconds"] in range(300, 360)
    assert lines["w-desk"].facts["computer"] == "mac"
    assert "no event yet" in lines["stopwatch"].detail
    assert "poison" not in f"{found}"
    assert json.loads(json.dumps([asdict(finding) for finding in found["Bucket"]]))


def test_what_is_damaged_is_named(home: Path) -> None:
    (home / "models" / "inference_policy.json").write_text('{"policy_version": "v1"')
    (home / "configs" / "user_taxonomy.yaml").write_text("buckets: [")
    (home / "config.toml").write_text("asks_per_day = true\nwhat = 1\n")
    found = checked(home)
    assert failed(found) == ["Settings", "Activity source", "Policy", "Categories"]
    assert [("line 1" in f.detail, "line 2" in f.detail) for f in found["Settings"]] == [(True, False), (False, True)]
    assert "inference_policy.json" in found["Policy"][0].detail
    assert "line 1" in found["Categories"][0].detail


def test_the_head_is_told_and_a_damaged_one_named(home: Path) -> None:
    entry = served_head(home / "models")
    (finding,) = checked(home)["Words"]
    assert finding.verdict == "ok"
    assert finding.detail.endswith("on 37 labelled minutes")
    (home / entry.file).write_text("{}")
    found = checked(home)
    assert [f.verdict for f in found["Words"]] == ["failed"]
    assert str(home / entry.file) in found["Words"][0].detail
    assert "failed" not in [f.verdict for f in found["Policy"]]


def test_a_damaged_model_and_a_damaged_record(home: Path) -> None:
    checked(home)
    for bundle in (home / "models").glob("2*"):
        if bundle.name != BUNDLE:
            shutil.rmtree(bundle)
    (home / "models" / BUNDLE / "model.txt").write_text("tree\n")
    (home / "tray" / "tray.db").write_bytes(b"this is no database, and it is long enough to tell" * 40)
    found = checked(home)
    assert failed(found) == ["Record", "Activity source", "Model"]
    assert "damaged" in found["Record"][0].detail
    assert BUNDLE in found["Model"][0].detail


def test_a_secret_others_can_read_is_told(home: Path) -> None:
    (home / "data" / "processed" / ".title_secret").chmod(0o644)
    (finding,) = checked(home)["Identity"]
    assert finding.verdict == "failed"
    assert "chmod 600" in finding.next_step


def test_a_home_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (finding,) = check_everything(home=tmp_path / "file")
    assert (finding.subject, finding.verdict) == ("Home", "failed")
    assert finding.next_step


def test_a_check_that_breaks_hides_no_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_paths: object, _config: object) -> Iterator[CheckResult]:
        raise ZeroDivisionError("secret words")

    monkeypatch.setitem(doctor._CHECKS, "Disk", broken)
    found = checked(home)
    assert found["Disk"][0].detail == "this could not be checked (ZeroDivisionError)"
    assert "Model" in found


@pytest.mark.desktop
def test_which_source_is_used_without_a_server(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def found() -> CheckResult:
        return checked(home)["Activity source"][0]

    (home / "config.toml").write_text('aw_host = "http://127.0.0.1:9"\n')
    monkeypatch.setenv("DISPLAY", ":65000")
    assert (found().verdict, "ActivityWatch" in found().next_step) == ("failed", True)
    with desktop(tmp_path / "desk", panel=False) as desk:
        monkeypatch.setenv("DISPLAY", desk.env["DISPLAY"])
        assert (found().verdict, found().detail) == (
            "ok",
            "the built-in watcher sees windows and idle time, for no ActivityWatch server answers at http://127.0.0.1:9",
        )
        (home / "config.toml").write_text('source = "builtin"\n')
        assert (found().verdict, found().detail) == ("ok", "the built-in watcher sees windows and idle time")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert (found().verdict, "Wayland" in found().detail, "awatcher" in found().next_step) == ("failed", True, True)


@pytest.mark.bus
def test_what_shows_notifications_and_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = checked(home)["Notifications"]
    assert finding.verdict == "note"
    assert "DBUS_SESSION_BUS_ADDRESS" in finding.detail
    with private_bus() as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        service = NotificationService(bus.address)
        try:
            (finding,) = checked(home)["Notifications"]
            assert (finding.verdict, finding.detail.split(". ")[0]) == (
                "ok",
                "desktop-notifier: body, buttons, click, replace",
            )
            monkeypatch.setattr("taskclf_tray.notify.factory.find_spec", lambda name: None)
            (finding,) = checked(home)["Notifications"]
            assert finding.verdict == "note"
            assert finding.detail.startswith("plyer: body. The package desktop-notifier is not installed")
            assert "menu" in finding.next_step
        finally:
            service.stop()


def test_a_setting_without_effect_is_worth_a_note(home: Path) -> None:
    (home / "config.toml").write_text("autostart = true\nasks_per_day = 2\n")
    (finding,) = checked(home)["Settings"]
    assert (finding.verdict, finding.next_step) == ("note", "")
    assert finding.detail.startswith("config.toml, line 1: autostart has no effect in this version")


def test_a_pause_is_worth_a_note(home: Path) -> None:
    database = Database(home / "tray" / "tray.db")
    with database.transaction():
        database.blackouts.open("pause", 1)
    database.close()
    assert checked(home)["Pause"][0].verdict == "note"


def test_a_zone_that_cannot_be_used_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    (finding,) = checked(home)["Time zone"]
    assert (finding.verdict, finding.detail) == ("ok", "Europe/Berlin (from the variable TZ)")
    monkeypatch.setenv("TZ", "nonsense")
    (finding,) = checked(home)["Time zone"]
    assert finding.detail == "TZ is set to “nonsense”, which is no time zone. Days are counted in UTC."
    assert "such as Europe/Berlin" in finding.next_step
    monkeypatch.undo()
    time.tzset()


def test_a_record_of_an_unknown_zone_is_said(home: Path) -> None:
    database = Database(home / "tray" / "tray.db")
    with database.transaction():
        for days, zone in enumerate(("Europe/Berlin", "Mars/Elysium", "Asia/Tokyo")):
            start = MORNING + timedelta(days=days)
            database.buckets.put(bucket(start + n * MINUTE, zone=zone, user=USER) for n in range(30))
    with database.reading():
        assert database.buckets.time_zones(USER) == ["Europe/Berlin", "Mars/Elysium", "Asia/Tokyo"]
    database.close()
    finding = checked(home)["Record"][-1]
    assert finding.verdict == "failed"
    assert finding.next_step == "Update the time zone database: pip install --upgrade tzdata."
    assert "“Mars/Elysium” are counted in UTC" in finding.detail
