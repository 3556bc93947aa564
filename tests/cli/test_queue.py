"""`taskclf-tray queue`: list, answer, skip, export, import, asking; ids as people type them; two at once."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.labels.asking_state import AskingState, load_asking, update_asking
from taskclf_tray.labels.queue_file import MAX_FILE_BYTES, parse_queue
from tests.support.cli_records import NOW, RecordHome, clock_of, in_berlin, line
from tests.support.worker_home import USER

__all__ = ["in_berlin", "line"]

ID = "1f0c2d3e-0000-4000-8000-000000000001"
OTHER = "9a0c2d3e-0000-4000-8000-000000000002"


def ask(line: RecordHome, request_id: str, minutes_ago: int) -> None:
    """A notification asked about this block."""
    with line.database() as database, database.transaction():
        at = NOW - timedelta(minutes=minutes_ago)
        database.asks.add(USER, request_id, to_us(at), at.astimezone().date().isoformat(), is_random=False)


def outcomes(line: RecordHome) -> list[tuple[str, str | None, int | None]]:
    with line.database() as database:
        return [(ask.request_id, ask.outcome, ask.outcome_us) for ask in database.asks.since(USER, 0)]


# -- list -----------------------------------------------------------------------------------------------------


def test_list_shows_what_waits_the_least_sure_first(line: RecordHome) -> None:
    assert line.call("queue", "list")[:2] == (0, "Nothing waits for a label.\n")
    line.put_request(ID, 25)
    line.put_request(OTHER, 880, minutes=30, confidence=0.22, guess="ReadResearch", reason="drift")
    line.put_request("77777777-aaaa", 100, reason="gap", confidence=None, guess=None)
    line.put_request("88888888-aaaa", 200, status="skipped")
    line.put_request("99999999-aaaa", 200, user_id="somebody")
    code, out, err = line.call("queue", "list")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "9a0c2d3e  2026-03-01 23:50–00:20   30 min  unusual    ReadResearch? 22%",
        "1f0c2d3e  2026-03-02 14:05–14:25   20 min  unsure     Build? 48%",
        "77777777  2026-03-02 12:50–13:10   20 min  away       ?",
        "",
        "taskclf-tray queue answer 9a0c2d3e LABEL, or: taskclf-tray queue skip 9a0c2d3e",
    ]
    assert max(map(len, out.splitlines())) <= 80


def test_list_as_json_and_with_a_limit(line: RecordHome) -> None:
    for n in range(25):
        line.put_request(f"id-{n:02d}-{'0' * 10}", 30 * (n + 1), confidence=n / 100)
    facts = line.json("queue", "list")
    assert (facts["waiting"], len(facts["entries"])) == (25, 25)
    assert facts["entries"][0] == {
        "id": "id-00-0000000000",
        "short_id": "id-00-00",
        "start": "2026-03-02T13:00:00+00:00",
        "end": "2026-03-02T13:20:00+00:00",
        "reason": "low_confidence",
        "predicted_label": "Build",
        "second_label": "Debug",
        "confidence": 0.0,
    }
    assert "… and 5 more (--limit)" in line.call("queue", "list")[1]
    assert "… and 23 more (--limit)" in line.call("queue", "list", "--limit", "2")[1]
    assert len(line.json("queue", "list", "--limit", "2")["entries"]) == 2
    for limit in ("0", "-1", "many", "1e3"):
        assert "usage:" in line.refused("queue", "list", f"--limit={limit}", code=2)


# -- answer and skip ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [ID, "1f0c2d3e", "1f0c", "1F0C2D", " 1f0c2d3e "])
def test_answer_by_the_beginning_of_an_id(line: RecordHome, word: str) -> None:
    line.put_request(ID, 25)
    line.put_request(OTHER, 60)
    ask(line, ID, 3)
    ask(line, OTHER, 2)
    assert line.call("queue", "answer", word, "debug") == (
        0,
        "2026-03-02 14:05–14:25 is Debug.\n`taskclf-tray labels undo` takes it back.\n",
        "",
    )
    assert line.said() == [("03-02 14:05", "03-02 14:25", "Debug")]
    assert line.call("labels", "list")[1].endswith("Debug         an answer\n")
    assert [entry["id"] for entry in line.json("queue", "list")["entries"]] == [OTHER]
    assert outcomes(line) == [(ID, "answered", to_us(NOW)), (OTHER, None, None)]


def test_undo_lets_an_answer_wait_again(line: RecordHome) -> None:
    line.put_request(ID, 25)
    line.call("queue", "answer", "1f0c2d3e", "Build")
    assert line.call("labels", "undo")[1] == "Undone: the answer for 2026-03-02 14:05–14:25, which waits again.\n"
    line.call("queue", "skip", "1f0c2d3e")
    assert line.call("labels", "undo")[1] == "Undone: the skip of 2026-03-02 14:05–14:25, which waits again.\n"
    assert line.json("queue", "list")["waiting"] == 1
    assert line.said() == []


def test_skip_is_for_good(line: RecordHome) -> None:
    line.put_request(ID, 25)
    ask(line, ID, 3)
    assert line.json("queue", "skip", "1f0c2d3e") == {"id": ID, "status": "skipped", "label": None}
    assert outcomes(line) == [(ID, "skipped", to_us(NOW))]
    for words in (("queue", "skip", "1f0c"), ("queue", "answer", ID, "Build")):
        said = line.refused(*words)
        assert "2026-03-02 14:05–14:25 is answered already: it was labelled or skipped before. Nothing" in said
    assert line.said() == []
    assert outcomes(line) == [(ID, "skipped", to_us(NOW))]


def test_what_the_person_said_before_stays(line: RecordHome) -> None:
    line.put_request(ID, 25)
    line.call("labels", "add", "--start", "14:10", "--end", "14:30", "Meet")
    assert line.json("queue", "answer", "1f0c", "Build") == {"id": ID, "status": "labeled", "label": "Build"}
    assert line.said() == [("03-02 14:05", "03-02 14:10", "Build"), ("03-02 14:10", "03-02 14:30", "Meet")]
    line.put_request(OTHER, 85)
    line.call("labels", "add", "--start", "13:05", "--end", "13:25", "Review")
    assert "is answered already" in line.refused("queue", "answer", OTHER, "Build")


def test_an_id_that_is_too_short_ambiguous_or_unknown(line: RecordHome) -> None:
    line.put_request("request-001", 30)
    line.put_request("request-002", 60)
    line.put_request("REQUEST-002x", 90)
    shown = {entry["id"]: entry["short_id"] for entry in line.json("queue", "list")["entries"]}
    assert shown == {name: name for name in ("request-001", "request-002", "REQUEST-002x")}
    said = line.refused("queue", "answer", "request", "Build")
    assert "“request” begins 3 ids: " in said
    assert "request-001" in said
    assert "Type more" in said
    assert "“req” is too short for an id. Type 4 characters" in line.refused("queue", "skip", "req")
    for word in ("gone", "xyz", "", " ", "request-001x"):
        assert "No block waits under" in line.refused("queue", "skip", word)
    assert line.call("queue", "skip", "request-002")[0] == 0
    assert "begins 2 ids" in line.refused("queue", "skip", "request-00")
    line.put_request("request-0021", 120)
    assert "is answered already" in line.refused("queue", "skip", "request-002")  # and not the one that begins so


@pytest.mark.parametrize(
    "word", ["'; DROP TABLE label_requests; --", '"', "%", "____", "\x1b[2J\x07", "‮dcba", "x" * 100_000, "1f0c\n"]
)
def test_hostile_ids(line: RecordHome, word: str) -> None:
    line.put_request(ID, 25)
    line.put_request('it\'s "quoted" 100%', 60)
    if word == "1f0c\n":
        assert line.call("queue", "skip", word)[0] == 0
        return
    said = line.refused("queue", "skip", word)
    assert said.count("\n") == 1
    assert len(said) < 300
    assert said.strip().isprintable()
    assert line.json("queue", "list")["waiting"] == 2
    assert line.call("queue", "answer", "it's \"q", "Build")[0] == 0


def test_a_wrong_label_is_wrong_usage(line: RecordHome) -> None:
    line.put_request(ID, 25)
    assert "They are BreakIdle, Build" in line.refused("queue", "answer", ID, "Bui\x1bld", code=2)
    assert line.json("queue", "list")["waiting"] == 1


_RACER = """
import sys
from taskclf_tray.cli.main import main
home, verb, *ids = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
label = ["Write"] if verb == "answer" else []
if verb == "skip":
    ids.reverse()  # they meet in the middle, and both win some
won = [name for name in ids if main(["queue", verb, name, *label, "--home", home]) == 0]
print("won", *won)
"""


def test_of_two_processes_one_answers_and_the_other_is_told(line: RecordHome) -> None:
    ids = [f"{n:04d}-{'0' * 8}" for n in range(30)]
    for n, name in enumerate(ids):
        line.put_request(name, 30 * (n + 1))
        ask(line, name, 10)
    racers = {
        verb: subprocess.Popen(
            [sys.executable, "-c", _RACER, str(line.home), verb, *ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for verb in ("answer", "skip")
    }
    for racer in racers.values():
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    won: dict[str, set[str]] = {}
    for racer in racers.values():
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    for verb, racer in racers.items():
        out, err = racer.communicate(timeout=120)
        won[verb] = set(out.splitlines()[-1].split()[1:])
        assert err.count("is answered already") == len(ids) - len(won[verb])
        assert "Traceback" not in err
    assert won["answer"] | won["skip"] == set(ids)
    assert not won["answer"] & won["skip"]
    assert won["answer"]
    assert won["skip"]
    with line.database() as database:
        statuses = {one.request_id: one.status for one in database.requests.all(USER)}
        labelled = sum(database.labels.counts(USER).values())
    assert statuses == {name: "labeled" if name in won["answer"] else "skipped" for name in ids}
    assert labelled == len(won["answer"])
    assert {(name, "answered" if name in won["answer"] else "skipped") for name in ids} == {
        (name, outcome) for name, outcome, _ in outcomes(line)
    }


# -- files ----------------------------------------------------------------------------------------------------


def test_export_and_import(line: RecordHome, tmp_path: Path) -> None:
    line.put_request(ID, 25)
    line.put_request(OTHER, 60, status="skipped")
    line.put_request("77777777-gap", 120, reason="gap", confidence=None, guess=None)
    code, out, err = line.call("queue", "export")
    assert (code, err) == (0, "")
    assert [request.request_id for request in parse_queue(out)] == [OTHER, ID]
    assert line.json("queue", "export") == json.loads(out)
    file = tmp_path / "queue.json"
    assert line.call("queue", "export", "--out", str(file))[1] == f"2 entries written to {file}.\n"
    assert file.read_text() == out
    assert line.call("queue", "import", str(file))[1] == "0 entries imported.\n2 entries stay as they are.\n"
    entries = json.loads(out)
    entries[1]["status"] = "skipped"
    entries.append(entries[0] | {"request_id": "new", "bucket_start_ts": "2026-03-02T06:00:00Z", "status": "pending"})
    entries.append(entries[0] | {"request_id": "theirs", "user_id": "somebody"})
    file.write_text(json.dumps(entries))
    assert line.json("queue", "import", str(file)) == {
        "file": str(file),
        "imported": 2,
        "unchanged": 1,
        "of_others": 1,
    }
    assert {entry["id"] for entry in line.json("queue", "list")["entries"]} == {"new", "77777777-gap"}
    assert "cannot be written" in line.refused("queue", "export", "--out", str(tmp_path))


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", "[{}]", '[{"request_id": "\\u001b[2J"}]', "[" * 100_000])
def test_files_that_are_no_queue(line: RecordHome, tmp_path: Path, content: str | None) -> None:
    line.put_request(ID, 25)
    file = tmp_path / "queue.json"
    if content is not None:
        file.write_text(content)
    said = line.refused("queue", "import", str(file))
    assert said.count("\n") == 1
    assert said.strip().isprintable()
    assert len(said) < 400
    with file.open("wb") as huge:
        huge.truncate(MAX_FILE_BYTES + 1)
    assert "more than the" in line.refused("queue", "import", str(file))
    assert line.json("queue", "list")["waiting"] == 1


# -- being asked ----------------------------------------------------------------------------------------------


def test_asking_shows_the_state(line: RecordHome) -> None:
    config = line.home / "config.toml"
    config.write_text("asks_per_day = 5\n")
    ask(line, ID, 60)
    ask(line, OTHER, 60 * 24)
    code, out, err = line.call("queue", "asking")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "Asking is on.",
        "Asked today: 1 of at most 5.",
        f"asks_per_day in {config} sets how many.",
    ]
    with line.database() as database:
        update_asking(database, USER, lambda _: AskingState(cap_halvings=1, first_day=NOW.date()))
    out = line.call("queue", "asking")[1]
    assert out.startswith(
        "Asking is on, from tomorrow: nobody is asked on the first day.\nAsked today: 1 of at most 2 ("
    )


def test_asking_is_switched_as_in_the_menu(line: RecordHome) -> None:
    assert line.json("queue", "asking", "snooze")["snoozed_until"] == "2026-03-02T14:30:00+00:00"
    assert line.call("queue", "asking")[1].startswith("Asking is on, and silent until 2026-03-02 15:30.\n")
    facts = line.json("queue", "asking", "not-today")
    assert (facts["quiet_until"], facts["is_silent_now"]) == ("2026-03-02T23:00:00+00:00", True)
    assert "silent until 2026-03-03 00:00" in line.call("queue", "asking")[1]
    line.now += timedelta(days=1)
    assert line.call("queue", "asking")[1].startswith("Asking is on.\n")
    assert line.json("queue", "asking", "off")["is_on"] is False
    assert "Asking is off: " in line.call("queue", "asking")[1]
    assert line.json("queue", "asking", "on") == {
        "is_on": True,
        "is_silent_now": False,
        "snoozed_until": None,
        "quiet_until": None,
        "asked_today": 0,
        "cap": 4,
        "asks_per_day": 4,
        "config": str(line.home / "config.toml"),
    }
    assert "usage:" in line.refused("queue", "asking", "maybe", code=2)


def test_not_today_ends_at_this_machines_midnight(line: RecordHome, monkeypatch: pytest.MonkeyPatch) -> None:
    line.now = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # 00:30 in Berlin, on a day of 23 hours
    line.call("queue", "asking", "not-today")
    with line.database() as database:
        assert load_asking(database, USER).quiet_until == datetime(2026, 3, 29, 22, tzinfo=UTC)
    with clock_of("America/New_York", monkeypatch):
        assert line.json("queue", "asking", "not-today")["quiet_until"] == "2026-03-29T04:00:00+00:00"
