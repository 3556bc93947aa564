"""`taskclf-tray monitor`: a drift check on demand, what the daily ones have found, and telemetry by the day."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.drift import wording
from taskclf_tray.drift.memory import DriftMemory, Told, update_memory
from tests.support.cli_records import NOW, RecordHome, clock_of, in_berlin, line
from tests.support.drift_home import FRIDAY, LAST, in_figma, working_days, write_days
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import USER

__all__ = ["in_berlin", "line"]

DATABASE = ("tray", "tray.db")
NOON = datetime(2026, 3, 19, 12, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("forked_jobs")


def put_hour(line: RecordHome, start: datetime, **changes: object) -> None:
    records = [bucket(start + n * MINUTE, user=USER, zone="Europe/Berlin", **changes) for n in range(60)]  # type: ignore[arg-type]
    with line.database() as database, database.transaction():
        database.buckets.put(records)


# -- drift-check ----------------------------------------------------------------------------------------------


def test_a_check_finds_the_drift_tells_nobody_and_is_shown(line: RecordHome) -> None:
    line.now = NOON
    write_days(line.home.joinpath(*DATABASE), working_days())
    write_days(line.home.joinpath(*DATABASE), working_days(FRIDAY), in_figma)
    code, out, err = line.call("monitor", "drift-check")
    assert code == 0
    assert out.splitlines()[:2] == [
        f"The seven days up to {LAST} beside the seven before:",
        "· You have used an app a lot since Friday that the model has not seen before.",
    ]
    assert "figma" not in out.lower()
    assert "only your activity is compared" in err  # this home has no model
    assert line.json("queue", "list")["waiting"] == 0
    assert line.json("monitor", "show")["day"] is None
    remember(line, DriftMemory(LAST, NOON))
    shown = line.json("monitor", "show")
    assert [(one["kind"], one["since"]) for one in shown["found"]][:1] == [("new_app", FRIDAY.isoformat())]
    (line.home / "config.toml").write_text("privacy_notifications = false\n")
    assert (
        "  · You have used Figma a lot since Friday. The model has not seen it before.\n"
        in line.call("monitor", "show")[1]
    )


def test_a_record_too_young_says_so_and_is_no_failure(line: RecordHome) -> None:
    put_hour(line, NOW - timedelta(hours=5))
    code, out, _ = line.call("monitor", "drift-check", "--day", "today", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["found"] == []
    assert facts["too_little_data"].startswith("Too little to compare")
    assert json.loads((line.home / "tray" / "drift" / "drift_2026-03-02.json").read_text())["alerts"] == []


# -- show -----------------------------------------------------------------------------------------------------


def remember(line: RecordHome, memory: DriftMemory) -> None:
    with line.database() as database:
        update_memory(database, USER, lambda _: memory)


def test_show_before_the_first_check(line: RecordHome) -> None:
    assert line.call("monitor", "show") == (0, f"{wording.NEVER_CHECKED}\n", "")
    assert line.json("monitor", "show") == {
        "day": None, "checked_at": None, "too_little_data": None, "found": [], "told": [], "waiting": 0,
    }  # fmt: skip


def test_show_says_why_there_was_too_little(line: RecordHome) -> None:
    remember(line, DriftMemory(LAST, NOON, wording.TOO_SHORT))
    assert line.call("monitor", "show")[1].splitlines() == [
        f"Checked on 2026-03-19 13:00, with the days up to {LAST}:",
        f"  {wording.TOO_SHORT}",
    ]


def test_show_lists_what_was_told_and_what_waits(line: RecordHome) -> None:
    told = [Told(NOON + timedelta(days=n), LAST, "habits", "title", f"Sentence {n}.") for n in range(2)]
    remember(line, DriftMemory(LAST, NOON, told=tuple(told)))
    line.put_request("one", 60, reason="drift")
    line.put_request("two", 120)
    line.put_request("three", 180, reason="drift", status="skipped")
    assert line.call("monitor", "show")[1].splitlines()[1:] == [
        f"  {wording.NO_DRIFT}",
        "You were told, the newest first:",
        "  2026-03-20 13:00  Sentence 1.",
        "  2026-03-19 13:00  Sentence 0.",
        "1 block waits for a label because of a drift: `taskclf-tray queue list`.",
    ]
    assert [one["text"] for one in line.json("monitor", "show")["told"]] == ["Sentence 1.", "Sentence 0."]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff\x00", b'{"alerts": [{}], "users": []}'])
def test_a_damaged_report_is_no_failure_of_show(line: RecordHome, damage: bytes) -> None:
    remember(line, DriftMemory(LAST, NOON))
    folder = line.home / "tray" / "drift"
    folder.mkdir()
    (folder / f"drift_{LAST}.json").write_bytes(damage)
    assert line.json("monitor", "show")["found"] == []


# -- telemetry ------------------------------------------------------------------------------------------------


def test_telemetry_by_the_day(line: RecordHome, monkeypatch: pytest.MonkeyPatch) -> None:
    morning = NOW - timedelta(hours=5)
    put_hour(line, morning, confidence=0.75)
    put_hour(line, morning - timedelta(days=1), label="Meet", keys_per_min=None)
    put_hour(line, morning - timedelta(days=8))
    with line.database() as database, database.transaction():
        database.asks.add(USER, "one", to_us(NOW), "2026-03-02", is_random=False)
        database.asks.settle("one", "answered", to_us(NOW))
    days = line.json("monitor", "telemetry")["days"]
    assert [(day["date"], day["bucket_count"], day["mean_confidence"]) for day in days] == [
        ("2026-03-01", 60, 0.9),
        ("2026-03-02", 60, 0.75),
    ]
    assert days[1]["ask_outcome_counts"]["answered"] == 1
    lines = line.call("monitor", "telemetry")[1].splitlines()
    assert lines[1].split() == ["2026-03-01", "60", "90%", "0%", "0.50", "100%", "0%", "0", "0", "Meet", "100%"]
    assert lines[2].split() == ["2026-03-02", "60", "75%", "0%", "0.50", "0%", "0%", "1", "1", "Build", "100%"]
    assert dates(line, "--day", "yesterday") == ["2026-03-01"]
    assert dates(line, "--from", "2026-02-01", "--to", "2026-03-01") == ["2026-02-22", "2026-03-01"]
    assert dates(line, "--to", "2026-02-24") == ["2026-02-22"]
    assert dates(line, "--day", "2026-01-01") == []
    assert line.call("monitor", "telemetry", "--day", "2026-01-01")[1] == "Nothing is on record of 2026-01-01.\n"
    with clock_of("Pacific/Auckland", monkeypatch):
        assert dates(line) == ["2026-03-01", "2026-03-02"]  # a day is the one of the place it was lived in


def dates(line: RecordHome, *words: str) -> list[str]:
    return [day["date"] for day in line.json("monitor", "telemetry", *words)["days"]]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("telemetry", "--from", "2026-03-02", "--to", "2026-03-01"), 2, "is after the last"),
        (("telemetry", "--from", "1990-01-01"), 2, "400 can be shown at once"),
        (("telemetry", "--day", "today", "--to", "today"), 2, "--day does not go with"),
        (("telemetry", "--day", "tomorow"), 2, "“tomorow” is not understood"),
        (("drift-check", "--day", "2026-02-30"), 2, "“2026-02-30” is not understood"),
        (("nothing",), 2, "invalid choice"),
    ],
)
def test_what_is_not_understood_is_one_sentence(
    line: RecordHome, words: tuple[str, ...], code: int, sentence: str
) -> None:
    assert sentence in line.refused("monitor", *words, code=code)


@pytest.mark.parametrize("action", ["drift-check", "show", "telemetry"])
def test_a_home_without_a_record_is_refused_and_left_alone(line: RecordHome, action: str) -> None:
    line.home = line.home / "nowhere"
    assert "There is no record in" in line.refused("monitor", action)
    assert not line.home.exists()
