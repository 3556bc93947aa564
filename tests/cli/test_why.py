"""`taskclf-tray why`: the answer fits what is stored, names what really counts, and shows no word of a title."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from functools import partial

import pytest

from taskclf_tray.app.serving import Serving
from taskclf_tray.app.why_text import why_told
from taskclf_tray.infer.attribution import Attribution
from taskclf_tray.record.why import Because, Why, why_minute
from taskclf_tray.simulation.person import ManualClock
from tests.support.cli_records import RecordHome, in_berlin, line
from tests.support.worker_home import MORNING, TASKCLF_HOME, USER, recorder_of, simulated_source

__all__ = ["in_berlin", "line"]

SINCE, NOW = MORNING, MORNING + timedelta(hours=2, minutes=7)


@pytest.fixture
def home(line: RecordHome) -> RecordHome:
    """A morning of a simulated person, recorded with what the home serves."""
    for folder in ("models", "artifacts", "configs"):
        shutil.copytree(TASKCLF_HOME / folder, line.home / folder)
    clock = ManualClock(NOW)
    with line.database() as database:
        recorder = recorder_of(database, simulated_source(clock), config_of(line))
        while not recorder.step(clock.now()).is_caught_up:
            pass
    line.now = NOW
    return line


def config_of(home: RecordHome) -> object:
    serving = Serving(home.home / "models", home.home / "configs" / "user_taxonomy.yaml")
    serving.load()
    return serving.config


def every_minute(home: RecordHome) -> list[Why]:
    config = config_of(home)
    attribution = Attribution.load(next((home.home / "models").glob("2*")) / "model.txt")
    with home.database() as database:
        records = database.buckets.between(USER, 0, 1 << 62)
        idle = [record for record in records if record.decided_by == "idle_rule"]
        starts = [record.start_us for record in records[::15] + idle[:3]]
        moments = [datetime.fromtimestamp(us / 1_000_000 + 30, tz=NOW.tzinfo) for us in starts]
        explain = partial(why_minute, database, USER, config=config, attribution=lambda: attribution)
        return [explain(at) for at in moments]


def test_every_minute_is_explained_as_it_was_decided(home: RecordHome) -> None:
    minutes = every_minute(home)
    kinds = {why.because for why in minutes}
    assert kinds >= {Because.MODEL, Because.IDLE}
    for why in minutes:
        prediction, told = why.prediction, ". ".join(why_told(why))
        assert (why.because is Because.IDLE) == (prediction.decided_by == "idle_rule")
        assert (why.because is Because.SMOOTHED) == (prediction.smoothed_label_name != prediction.raw_label)
        assert (why.reasons is None) == (prediction.decided_by != "model")
        if why.reasons is not None:
            assert why.is_of_now
            assert why.reasons.label == prediction.core_label_name
            assert why.reasons.probability == pytest.approx(prediction.confidence, abs=1e-6)
            assert "What counts most" in told
        assert why.label in told


def test_the_command_tells_the_newest_minute_and_any_other(home: RecordHome) -> None:
    code, told, errors = home.call("why")
    assert (code, errors) == (0, "")
    assert told.startswith("12:0")
    facts = home.json("why", "11:30")
    assert facts["sentence"].startswith("11:30: ")
    assert facts["named"] == [one["group"] for one in facts["reasons"]][: len(facts["named"])]
    assert all(one["probability_without"] < facts["confidence"] for one in facts["reasons"])
    home.call("labels", "add", "--start", "11:25", "--end", "11:35", "Meet")
    said = home.json("why", "11:30")
    assert (said["because"], said["label"], said["model_label"]) == ("said", "Meet", facts["model_label"])
    assert "as you said. You labelled it at 12:07. The model alone would say" in said["sentence"]
    code, _, errors = home.call("why", "2026-01-01 10:00")
    assert (code, errors) == (
        1,
        "taskclf-tray: Nothing is on record of that minute. Name a time at which the app was recording.\n",
    )


def test_a_home_without_a_minute_says_so(line: RecordHome) -> None:
    assert line.call("why")[2] == (
        "taskclf-tray: No minute is on record yet. Start the app with `taskclf-tray run`; it takes two minutes.\n"
    )


def test_a_minute_of_another_model_is_explained_by_todays_and_said_so(home: RecordHome) -> None:
    shutil.rmtree(home.home / "models")
    home.json("why", "11:30")
    assert "another one decided then" in home.call("why", "11:30")[1]
