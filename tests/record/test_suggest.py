"""`_LabelSuggester`: one label for a stretch of time, from the record, without touching it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app.worker import _LabelSuggester
from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.batch import run_batch
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from tests.support.worker_home import (
    MORNING,
    USER,
    batch_predictions,
    batch_rows,
    copy_home,
    pipeline_config,
    recorded,
    recorder_of,
    simulated_source,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def digest(paths: HomePaths) -> str:
    """Of every file the database has."""
    files = sorted(paths.tray.glob("tray.db*"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files if path.suffix != ".db-shm")).hexdigest()


@pytest.fixture(scope="module")
def recorded_home(tmp_path_factory: pytest.TempPathFactory) -> HomePaths:
    """A taskclf home with the record of a simulated morning."""
    paths = HomePaths(copy_home(tmp_path_factory.mktemp("suggest") / "home"))
    database = Database(paths.database)
    clock = ManualClock(MORNING + 5 * HOUR)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    while not recorder.step(clock.now(), settle_all=True).is_caught_up:
        pass
    database.close()
    return paths


def expected(predictions: list[WindowPrediction], start: datetime, end: datetime) -> tuple[str, float] | None:
    """The rule in words of its own: seconds by UI label, the label with most, the weighted mean behind it."""
    seconds: dict[str, float] = {}
    weighted: dict[str, float] = {}
    for p in predictions:
        shared = (min(p.bucket_end_ts, end) - max(p.bucket_start_ts, start)).total_seconds()
        if shared <= 0:
            continue
        name = p.smoothed_label_name
        chance = p.confidence if name == MIXED_UNKNOWN else p.core_probs[LABEL_SET_V1.index(name)]
        seconds[p.ui_label] = seconds.get(p.ui_label, 0.0) + shared
        weighted[p.ui_label] = weighted.get(p.ui_label, 0.0) + shared * chance
    if 2 * sum(seconds.values()) < (end - start).total_seconds() or not seconds:
        return None
    best = max(seconds, key=lambda label: seconds[label])
    return best, weighted[best] / seconds[best]


def test_it_agrees_with_the_record_and_with_batch(recorded_home: HomePaths) -> None:
    suggester = _LabelSuggester.from_policy(recorded_home.models)
    database = Database(recorded_home.database, read_only=True)
    record = recorded(database)
    database.close()
    clock = ManualClock(MORNING + 5 * HOUR)
    rows = batch_rows(simulated_source(clock), MORNING.replace(hour=0), clock.now())
    batch = batch_predictions(pipeline_config(), rows[: len(record)])
    settled = [p for p in record if p.bucket_end_ts < MORNING + 4 * HOUR]
    assert batch[: len(settled)] == settled
    seen = set()
    for start_minute in range(0, 220, 7):
        for length in (timedelta(seconds=30), 5 * MINUTE, timedelta(minutes=24, seconds=11)):
            start = MORNING + start_minute * MINUTE + timedelta(seconds=13)
            suggestion = suggester.suggest(start, start + length)
            assert suggestion == pytest.approx(expected(batch, start, start + length))
            seen.add(None if suggestion is None else suggestion[0])
    assert len(seen) >= 4, "the morning holds several labels"
    one = record[60]
    suggestion = suggester.suggest(one.bucket_start_ts, one.bucket_end_ts)
    assert suggestion is not None
    assert suggestion[0] == run_batch(pipeline_config(), rows).ui_labels[60]


def test_it_writes_nothing(recorded_home: HomePaths) -> None:
    before = digest(recorded_home)
    suggester = _LabelSuggester.from_policy(recorded_home.models)
    assert suggester.suggest(MORNING, MORNING + HOUR) is not None
    assert suggester.suggest(MORNING - 90 * HOUR, MORNING) is None
    assert digest(recorded_home) == before


def minute(at: int, core: str, *, ui: str | None = None, share: float = 0.72) -> WindowPrediction:
    """Minute number `at` of the morning, with this label throughout."""
    rest = (1.0 - share) / 7
    probs = tuple(share if label == core else rest for label in LABEL_SET_V1)
    start = MORNING + at * MINUTE
    return WindowPrediction(
        user_id=USER,
        bucket_start_ts=start,
        core_label_id=LABEL_SET_V1.index(core),
        core_label_name=core,
        core_probs=probs,
        confidence=share,
        is_rejected=False,
        mapped_label_name=ui or core,
        mapped_probs={ui: 1.0} if ui else {},
        model_version="m",
        schema_version="v3",
        label_version="v1",
        smoothed_label_name=core,
        decided_by="model",
        config_id="c",
        bucket_end_ts=start + MINUTE,
        model_probs=probs,
    )


def put(database: Database, predictions: list[WindowPrediction], *, user: str = USER) -> None:
    with database.transaction():
        database.buckets.put(
            BucketRecord(
                user, to_us(p.bucket_start_ts), to_us(p.bucket_end_ts), "UTC", 60.0, p.config_id, p.decided_by,
                p.ui_label, p.core_label_name, p.smoothed_label_name, False, False, p.confidence, 0.0, True, b"",
                json.dumps(p.pack()),
            )
            for p in predictions
        )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> HomePaths:
    return HomePaths(copy_home(tmp_path / "home"))


def test_no_record_no_suggestion(home: HomePaths) -> None:
    suggester = _LabelSuggester.from_policy(home.models)
    assert suggester.suggest(MORNING, MORNING + HOUR) is None
    assert not home.database.exists()


def test_half_of_the_time_must_be_recorded(home: HomePaths) -> None:
    database = Database(home.database)
    put(database, [minute(0, "Build"), minute(1, "Build")])
    put(database, [minute(k, "Meet") for k in range(2, 30)], user="somebody-else")
    suggester = _LabelSuggester.from_policy(home.models)
    assert suggester.suggest(MORNING, MORNING + 4 * MINUTE) == ("Build", pytest.approx(0.72))
    assert suggester.suggest(MORNING, MORNING + 4 * MINUTE + timedelta(microseconds=2)) is None
    assert suggester.suggest(MORNING - 2 * MINUTE, MORNING + 2 * MINUTE) is not None
    assert suggester.suggest(MORNING + 2 * MINUTE, MORNING + 3 * MINUTE) is None
    assert suggester.suggest(MORNING, MORNING) is None
    assert suggester.suggest(MORNING + MINUTE, MORNING) is None
    database.close()


def test_most_seconds_win_and_the_earliest_among_equals(home: HomePaths) -> None:
    database = Database(home.database)
    put(database, [minute(0, "Meet"), minute(1, "Build"), minute(2, "Build"), minute(3, "Meet")])
    suggester = _LabelSuggester.from_policy(home.models)
    assert suggester.suggest(MORNING, MORNING + 4 * MINUTE) == ("Meet", pytest.approx(0.72))
    assert suggester.suggest(MORNING + timedelta(seconds=1), MORNING + 4 * MINUTE) == ("Build", pytest.approx(0.72))
    border = MORNING + MINUTE
    around = suggester.suggest(border - timedelta(seconds=20), border + timedelta(seconds=20))
    assert around == ("Meet", pytest.approx(0.72))
    database.close()


def test_the_confidence_is_of_the_core_labels_behind_the_category(home: HomePaths) -> None:
    database = Database(home.database)
    put(
        database,
        [
            minute(0, "Build", ui="Deep Work", share=0.9),
            minute(1, "Debug", ui="Deep Work", share=0.6),
            minute(2, "Meet", ui="Meetings", share=0.99),
            # smoothing brought Write in: its own probability counts, not the model's answer's
            minute(3, "Build", ui="Deep Work", share=0.65).model_copy(update={"smoothed_label_name": "Write"}),
            minute(9, "Build", ui=MIXED_UNKNOWN, share=0.4).model_copy(update={"smoothed_label_name": MIXED_UNKNOWN}),
        ],
    )
    suggester = _LabelSuggester.from_policy(home.models)
    label, confidence = suggester.suggest(MORNING + MINUTE / 2, MORNING + 4 * MINUTE) or ("", 0.0)
    assert label == "Deep Work"
    assert confidence == pytest.approx((30 * 0.9 + 60 * 0.6 + 60 * 0.05) / 150)
    ninth = MORNING + 9 * MINUTE
    assert suggester.suggest(ninth, ninth + MINUTE) == (MIXED_UNKNOWN, pytest.approx(0.4))
    database.close()


def test_it_reads_while_the_app_writes(home: HomePaths) -> None:
    database = Database(home.database)
    clock = ManualClock(MORNING + HOUR)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    while not recorder.step(clock.now()).is_caught_up:
        pass
    suggester = _LabelSuggester.from_policy(home.models)
    before = suggester.suggest(MORNING + 30 * MINUTE, MORNING + 45 * MINUTE)
    assert before is not None
    with database.transaction():
        database.state.set("half", "done")
        assert suggester.suggest(MORNING + 30 * MINUTE, MORNING + 45 * MINUTE) == before
    clock.advance(1800)
    recorder.step(clock.now())
    assert suggester.suggest(MORNING + HOUR, MORNING + 80 * MINUTE) is not None
    database.close()
