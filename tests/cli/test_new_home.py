"""The first command in a home that does not exist: it works, or says in one sentence what to do."""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import sources
from taskclf_tray.cli.main import main
from taskclf_tray.cli.status import NOT_RUNNING_CODE
from taskclf_tray.labels.csv_files import write_label_csv
from taskclf_tray.models.bundle import starter_bundle
from taskclf_tray.ui import app
from tests.support.cli_records import in_berlin
from tests.support.commands import LEAVES
from tests.support.homes import Home
from tests.support.sample_rows import DATA
from tests.support.worked_days import spans_of

__all__ = ["in_berlin"]

pytestmark = pytest.mark.usefixtures("forked_jobs")

EXPORT = DATA / "real_watchers" / "aw-buckets-export_default-settings_290s.json"
LABELS = "start_ts,end_ts,label\n2026-03-02T13:05Z,2026-03-02T13:25Z,Build\n"
NO_SERVER = ["--aw-host", "http://127.0.0.1:9"]
NEEDED: dict[str, list[str]] = {
    "labels add": ["--start", "00:00", "--end", "00:01", "Build"],
    "labels now": ["Build"],
    "labels delete": ["--start", "00:00", "--end", "00:01"],
    "labels import": ["labels.csv"],
    "queue answer": ["abcd1234", "Build"],
    "queue skip": ["abcd1234"],
    "queue import": ["queue.json"],
    "model set-active": ["2026-01-01_000000_run-0001"],
    "train replay": ["--input", "export.json", "--labels", "labels.csv", "--out-dir", "replayed"],
    "run": ["--once", *NO_SERVER],
    "infer online": ["--once", *NO_SERVER],
    "doctor": NO_SERVER,
}
"""What a command cannot do without."""
MAKES_A_HOME = frozenset({"run", "demo", "infer online", "labels import", "taxonomy init"})
ANSWERS = frozenset(
    {
        "run", "demo", "infer online", "labels import", "taxonomy init", "taxonomy show", "policy show",
        "policy remove", "model list", "train list", "autostart on", "autostart off", "autostart status",
    }
)  # fmt: skip
"""Commands that have something to do or to say in a new home; the others fail with a sentence."""
OTHER_CODES = {"status": NOT_RUNNING_CODE}
"""What is no failure, and not done either."""


NEXT_STEPS = {
    "model inspect": "The first start of the app in a home brings a starter model",
    "policy create": "The first start of the app in a home brings a starter model",
    "infer batch": "name an export with --input",
    "train lgbm": "name an export of its events",
    "train evaluate": "name an export of its events",
    "train retrain": "name an export of its events with --input",
}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app starts without its loop, without a desktop, and leaves this process's log as it was."""
    monkeypatch.setattr(sources, "activitywatch_installed", lambda: False)
    monkeypatch.setattr(app, "_run_app", lambda *_: 0)
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
        root.removeHandler(handler)
    root.setLevel(level)
    logging.raiseExceptions = raises


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "queue.json").write_text("[]")
    return Home(tmp_path / "home", capsys)


@pytest.mark.parametrize("path", [path for path in LEAVES if path != ("selftest",)], ids=" ".join)  # it has no home
def test_every_command_works_first_or_says_what_to_do(line: Home, path: tuple[str, ...]) -> None:
    name = " ".join(path)
    code, out, err = line.call(*path, *NEEDED.get(name, []))
    assert code == OTHER_CODES.get(name, 0 if name in ANSWERS else 1)
    assert "unexpected" not in out + err
    if name not in ANSWERS and name not in ("doctor", "policy validate", "taxonomy validate", *OTHER_CODES):
        assert out == ""
        assert re.fullmatch(r"taskclf-tray: [^\n]{20,}\. [^\n]{10,}\.\n", err), "a sentence and a next step"
        assert NEXT_STEPS.get(name, "") in err
    assert line.home.exists() is (name in MAKES_A_HOME)


def test_a_taxonomy_that_was_never_made_is_no_mistake_of_yours(line: Home) -> None:
    assert line.call("taxonomy", "validate")[1].splitlines() == [
        "✗ The taxonomy user_taxonomy.yaml is missing.",
        "Until there is one the eight core labels are shown: `taskclf-tray taxonomy init` writes one.",
    ]


def test_an_export_is_predicted_with_the_starter_model_from_where_it_is(line: Home, tmp_path: Path) -> None:
    code, out, err = line.call("infer", "batch", "--input", str(EXPORT))
    assert (code, err) == (0, "")
    assert out.startswith(f"6 minutes predicted with the starter model, as {line.home} holds no model yet; ")
    written = line.home / "tray" / "out" / "batch" / "predictions.csv"
    with written.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert not line.models.exists()
    assert "was made for them" not in out
    facts = line.json("infer", "batch", "--input", str(EXPORT), "--out-dir", str(tmp_path / "out"))
    assert (facts["is_starter"], facts["model"].split("@")[0]) == (True, starter_bundle().name)
    assert (tmp_path / "out" / "predictions.csv").read_bytes() == written.read_bytes()


def test_a_home_with_a_model_never_falls_back_to_the_starter(line: Home) -> None:
    (line.models / "broken").mkdir(parents=True)
    said = line.refused("infer", "batch", "--input", str(EXPORT))
    assert "No model can be served" in said
    assert "- broken: " in said


def test_the_first_home_is_the_one_that_was_named_before_the_command(line: Home, tmp_path: Path) -> None:
    assert main(["--home", str(tmp_path / "x"), "infer", "batch", "--input", str(EXPORT)]) == 0
    assert (tmp_path / "x" / "tray" / "out" / "batch" / "segments.json").exists()


# -- labels before the record ---------------------------------------------------------------------------------


def test_labels_come_before_the_record(line: Home) -> None:
    code, out, err = line.call("labels", "import", "labels.csv")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "1 label imported.",
        "It lies outside recorded time: for training it counts only together with an export of that time "
        "(`taskclf-tray train retrain --input EXPORT.json`).",
        f"The home {line.home} was made for them.",
    ]
    assert line.call("labels", "import", "labels.csv")[1].splitlines()[0] == (
        "1 label was there already: nothing has changed."
    )
    assert [one["label"] for one in line.json("labels", "list", "--from", "2026-01-01")["labels"]] == ["Build"]
    assert line.call("labels", "undo")[0] == 0
    assert line.call("run", "--once", *NO_SERVER)[0] == 0


@pytest.mark.parametrize(
    "text", ["", "a,b\n", LABELS + "soon,soon,Build\n", LABELS.replace("label\n", "label,user_id\n")]
)
def test_a_file_that_cannot_be_used_makes_no_home(line: Home, tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    line.refused("labels", "import", "labels.csv")
    assert not line.home.exists()


def test_what_was_exported_elsewhere_is_adopted_here(line: Home, tmp_path: Path) -> None:
    spans = spans_of([0])
    write_label_csv(tmp_path / "labels.csv", spans)
    text = (tmp_path / "labels.csv").read_text().replace(",,", ",somebody,")
    (tmp_path / "labels.csv").write_text(text)
    assert "With --adopt they become your labels" in line.refused("labels", "import", "labels.csv")
    assert not line.home.exists()
    assert line.json("labels", "import", "labels.csv", "--adopt")["labels"] == len(spans)


# -- the first run --------------------------------------------------------------------------------------------


def test_a_mistake_in_the_settings_is_said_once(line: Home) -> None:
    line.home.mkdir()
    (line.home / "config.toml").write_text("poll_secs = 5\nasks_per_day = 70\n")
    code, out, err = line.call("run", "--once", *NO_SERVER)
    assert code == 0
    assert out.count("\n") == 1
    assert [err.count(word) for word in ("poll_secs", "asks_per_day", "line 1")] == [1, 1, 1]


def test_json_of_a_first_run_is_json_lines(line: Home) -> None:
    code, out, _ = line.call("run", "--once", "--json", *NO_SERVER)
    assert code == 0
    events = [json.loads(row) for row in out.splitlines()]
    assert {event["event"] for event in events} == {"bucket"}
    starts = [datetime.fromisoformat(event["bucket_start_ts"]) for event in events]
    assert starts == sorted(starts)
    assert starts[-1] - starts[0] < timedelta(days=1)
