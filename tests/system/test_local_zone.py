"""The computer's zone: found as its clock shows it, by a name that can be stored, and followed when it is changed."""

from __future__ import annotations

import io
import struct
import sys
import time
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest

from taskclf_tray.core.zones import zone
from taskclf_tray.system import local_zone
from taskclf_tray.system.local_zone import (
    LocalZone,
    ZoneWatcher,
    find_local_zone,
    fixed_offset,
    local_time,
    local_zone_name,
)

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def zone_file(name: str) -> bytes:
    """A file of the tz database."""
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def with_footer(data: bytes, rules: str) -> bytes:
    """The file with other rules after its last change, as an older edition has them."""
    return data.rstrip(b"\n").rpartition(b"\n")[0] + f"\n{rules}\n".encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path


def localtime(root: Path) -> Path:
    return root / "etc" / "localtime"


def test_a_link_bears_the_name(root: Path) -> None:
    """The one the person chose, not the one that the file behind a further link has."""
    (root / "usr/share/zoneinfo/Europe").mkdir(parents=True)
    (root / "usr/share/zoneinfo/Europe/Amsterdam").symlink_to("Brussels")
    (root / "usr/share/zoneinfo/Europe/Brussels").write_bytes(zone_file("Europe/Brussels"))
    localtime(root).symlink_to("../usr/share/zoneinfo/Europe/Amsterdam")
    assert find_local_zone({}, root) == LocalZone("Europe/Amsterdam", "/etc/localtime")


@pytest.mark.parametrize("target", ["/var/db/timezone/zoneinfo/Asia/Tokyo", "/usr/share/zoneinfo/posix/Asia/Tokyo"])
def test_other_systems_link_elsewhere(root: Path, target: str) -> None:
    localtime(root).symlink_to(target)
    assert find_local_zone({}, root).name == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["Europe/Berlin", "Africa/Cairo", "America/Havana", "Asia/Kolkata", "UTC"])
def test_a_copy_of_a_file_is_known_by_what_it_says(root: Path, name: str) -> None:
    """Containers get /etc/localtime as a plain file: tzlocal calls that None, and the app stopped with a TypeError."""
    localtime(root).write_bytes(zone_file(name))
    assert find_local_zone({}, root) == LocalZone(name, "/etc/localtime")


def test_etc_timezone_names_it_where_it_agrees(root: Path) -> None:
    localtime(root).write_bytes(zone_file("Europe/Berlin"))
    (root / "etc/timezone").write_text("Europe/Copenhagen\n")
    assert find_local_zone({}, root).name == "Europe/Copenhagen"
    (root / "etc/timezone").write_text("Asia/Tokyo\n")
    assert find_local_zone({}, root).name == "Europe/Berlin"
    (root / "etc/timezone").write_bytes(b"\xff\n")
    assert find_local_zone({}, root).name == "Europe/Berlin"


def test_another_edition_of_a_file_is_the_zone_that_shows_the_same_time(root: Path) -> None:
    data = zone_file("Europe/Berlin")
    changed = data.replace(b"LMT\0", b"LOC\0")
    assert changed != data
    localtime(root).write_bytes(changed)
    own, found = zoneinfo.ZoneInfo.from_file(io.BytesIO(changed)), zone(find_local_zone({}, root).name)
    assert all(
        moment.astimezone(own).utcoffset() == moment.astimezone(found).utcoffset()
        for moment in (NOON + timedelta(days=number) for number in range(-9000, 4000, 7))
    )


def test_a_file_that_is_no_zone_of_the_database_is_stored_by_its_rules(root: Path) -> None:
    localtime(root).write_bytes(with_footer(zone_file("Asia/Tokyo"), "FOO-3:17BAR,M3.5.0,M10.5.0/3"))
    found = find_local_zone({}, root)
    assert found == LocalZone("FOO-3:17BAR,M3.5.0,M10.5.0/3", "/etc/localtime")
    assert NOON.astimezone(zone(found.name)).utcoffset() == timedelta(hours=4, minutes=17)


def test_a_file_without_rules_is_stored_by_its_offset(root: Path) -> None:
    header = struct.pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 0, 1, 4)  # version 1, which has no footer
    localtime(root).write_bytes(header + struct.pack(">lbb4s", 20_700, 0, 0, b"ABC\0"))
    found = find_local_zone({}, root)
    assert found.problem is None
    assert NOON.astimezone(zone(found.name)).utcoffset() == timedelta(hours=5, minutes=45)


@pytest.mark.parametrize("minutes", [0, 60, -210, 345, 840, -720])
def test_an_offset_has_a_name(minutes: int) -> None:
    offset = timedelta(minutes=minutes)
    assert NOON.astimezone(zone(fixed_offset(offset))).utcoffset() == offset


@pytest.mark.parametrize("data", [b"", b"hello", b"TZif2\0\0\0", b"TZif" + b"\xff" * 60])
def test_a_damaged_file_is_said_and_utc_stands_in(root: Path, data: bytes) -> None:
    localtime(root).write_bytes(data)
    found = find_local_zone({}, root)
    assert (found.name, found.problem) == ("UTC", "/etc/localtime cannot be read as a time zone.")


def test_no_setting_is_utc_and_no_problem(root: Path) -> None:
    assert find_local_zone({}, root) == LocalZone("UTC", "there is no /etc/localtime")


def test_a_link_to_nothing_is_said(root: Path) -> None:
    localtime(root).symlink_to("/usr/share/zoneinfo/Europe/Atlantis")
    found = find_local_zone({}, root)
    assert (found.name, found.problem) == ("UTC", "/etc/localtime leads to no file.")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("", "UTC"),  # as the C library has it; tzlocal answers with /etc/localtime
        (":America/New_York", "America/New_York"),
        ("Antarctica/Troll", "Antarctica/Troll"),
        ("EST5EDT", "EST5EDT"),
        ("CET-1CEST", "CET-1CEST,M3.2.0,M11.1.0"),
        ("EST5EDT,M3.2.0,M11.1.0", "EST5EDT,M3.2.0,M11.1.0"),
        ("UTC0", "UTC0"),
    ],
)
def test_the_variable_stands_above_the_file(root: Path, value: str, name: str) -> None:
    localtime(root).write_bytes(zone_file("Asia/Tokyo"))
    assert find_local_zone({"TZ": value}, root) == LocalZone(name, "the variable TZ")


@pytest.mark.parametrize("value", ["nonsense", "Europe/Nowhere", "\x1b[31mred" + "x" * 99, "\udc80", "/no/such/file"])
def test_a_variable_that_names_no_zone_is_said(root: Path, value: str) -> None:
    found = find_local_zone({"TZ": value}, root)
    assert found.name == "UTC"
    assert found.problem is not None
    assert found.problem.isprintable()
    assert len(found.problem) < 100


@pytest.mark.parametrize("value", ["Factory", "posixrules"])
def test_files_of_the_database_that_name_no_place(root: Path, value: str) -> None:
    assert find_local_zone({"TZ": value}, root).problem is not None
    localtime(root).write_bytes(zone_file("Asia/Tokyo"))
    assert find_local_zone({"TZ": ":localtime"}, root).name == "Asia/Tokyo"


def test_a_variable_may_name_a_file(root: Path) -> None:
    (root / "zones").mkdir()
    (root / "zones/mine").write_bytes(zone_file("Asia/Tokyo"))
    assert find_local_zone({"TZ": ":/zones/mine"}, root).name == "Asia/Tokyo"


def test_the_local_clock_is_that_of_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a message shows and what `date` shows is the same time."""
    for value in ("Africa/Cairo", "CET-1CEST", "EST5EDT,M3.2.0,M11.1.0", ":Asia/Tokyo", "", "nonsense"):
        monkeypatch.setenv("TZ", value)
        local_zone_name()  # follows the variable, and takes the C library along
        for moment in (NOON, NOON + timedelta(days=180)):
            assert local_time(moment).utcoffset() == moment.astimezone().utcoffset(), value
    monkeypatch.undo()
    time.tzset()


def test_a_change_of_the_setting_is_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `timedatectl set-timezone` does it: another link takes the place of the old one."""
    seconds = [0.0]
    monkeypatch.setattr(local_zone, "time", SimpleNamespace(monotonic=lambda: seconds[0], tzset=lambda: None))
    environ: dict[str, str] = {}
    watcher = ZoneWatcher(environ, root)
    localtime(root).symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    assert watcher.current().name == "Europe/Berlin"
    other = root / "etc" / "new"
    other.symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    other.replace(localtime(root))
    seconds[0] = local_zone.LOOK_SECONDS
    assert watcher.current().name == "Asia/Tokyo"
    environ["TZ"] = "America/New_York"
    assert watcher.current().name == "America/New_York"
    del environ["TZ"]
    assert watcher.current().name == "Asia/Tokyo"


def test_nothing_is_read_again_without_a_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    localtime(root).symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    found: list[Path] = []
    inner = find_local_zone

    def counting(environ: dict[str, str], folder: Path) -> LocalZone:
        found.append(folder)
        return inner(environ, folder)

    seconds = [0.0]
    monkeypatch.setattr(local_zone, "find_local_zone", counting)
    monkeypatch.setattr(local_zone, "time", SimpleNamespace(monotonic=lambda: seconds[0], tzset=lambda: None))
    watcher = ZoneWatcher({}, root)
    for _ in range(100):
        watcher.current()
        seconds[0] += 1
    assert len(found) == 1


def test_windows_is_asked_through_tzlocal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = [zone("Asia/Tokyo"), "Mars/Elysium", LookupError("no such key")]

    def reload_localzone() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setitem(sys.modules, "tzlocal", SimpleNamespace(reload_localzone=reload_localzone))
    monkeypatch.setattr(local_zone.sys, "platform", "win32")
    assert find_local_zone({}, root) == LocalZone("Asia/Tokyo", "the settings of Windows")
    for _ in range(2):
        found = find_local_zone({}, root)
        assert found.problem is not None
        assert NOON.astimezone(zone(found.name)).utcoffset() == datetime.now(UTC).astimezone().utcoffset()
