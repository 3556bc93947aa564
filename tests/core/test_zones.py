"""Zones by name and by rules: what is understood, and what stands in for what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taskclf_tray.core.zones import known_zone, posix_rules, stored_zone, unknown_zones, unknown_zones_note, zone

WINTER = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        ("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"),
        ("EST5EDT,M3.2.0,M11.1.0", "America/New_York"),
        ("EST5EDT", "America/New_York"),  # without dates the C library takes those of the United States
        ("<+0545>-5:45", "Asia/Kathmandu"),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "America/Nuuk"),
        ("IST-2IDT,M3.4.4/26,M10.5.0", "Asia/Jerusalem"),
        ("UTC0", "UTC"),
    ],
)
def test_rules_in_posix_notation_are_the_zone_that_has_them(rules: str, name: str) -> None:
    whole = posix_rules(rules)
    assert whole is not None
    by_rules, by_name = zone(whole), ZoneInfo(name)
    moments = [WINTER + timedelta(hours=7 * number) for number in range(366 * 24 // 7)]
    assert [m.astimezone(by_rules).utcoffset() for m in moments] == [m.astimezone(by_name).utcoffset() for m in moments]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "Europe/Nowhere", "CET-1CEST,M13.5.0,M10.5.0/3", "XXX99", "CET-1CEST,M3.5.0", "../etc", "a\0b",
     "é-1", "CET-1\nCEST", "X" * 5000, "zone.tab"],
)  # fmt: skip
def test_what_is_no_zone_is_refused_by_name(text: str) -> None:
    assert posix_rules(text) is None
    with pytest.raises(ValueError, match="unknown time zone"):
        zone(text)


def test_a_stored_zone_that_is_unknown_counts_as_utc_and_is_remembered() -> None:
    assert known_zone("Mars/Elysium") == "UTC"
    assert WINTER.astimezone(stored_zone("Mars/Elysium")) == WINTER
    assert "Mars/Elysium" in unknown_zones()
    assert known_zone("Europe/Berlin") == "Europe/Berlin"
    assert "Europe/Berlin" not in unknown_zones()


def test_the_note_names_what_is_unknown_and_nothing_that_steers_a_terminal() -> None:
    assert unknown_zones_note([]) is None
    note = unknown_zones_note(["Mars/Elysium", "\x1b[31m" + "x" * 99])
    assert note is not None
    assert "“Mars/Elysium”, “�[31mxxx" in note
    assert len(note) < 200


def test_old_names_are_known_wherever_the_system_keeps_them() -> None:
    """Debian keeps them in a package that is often not installed; tzdata from PyPI has them all."""
    assert zone("US/Pacific").utcoffset(WINTER.replace(tzinfo=None)) == timedelta(hours=-8)
