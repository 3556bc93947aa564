"""`run --once` against a real aw-server: a day and a half in one run equals batch, in the record and in the files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.app.serving import Serving
from taskclf_tray.core.time import local_day_bounds
from taskclf_tray.core.types import FeatureRow, SourceEvents
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.batch import read_segments_json, run_batch, run_batch_inference
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.resolve import ResolvedInferenceConfig
from taskclf_tray.record.guard import GuardedReader
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from tests.support.app_process import noon_zone, run_app
from tests.support.aw_feed import feed_aw_server
from tests.support.aw_server import AWServer, run_aw_server
from tests.support.server_days import ShiftedPerson, source_of
from tests.support.worker_home import USER, batch_predictions, copy_home, pipeline_config, recorded

pytestmark = pytest.mark.server

CATEGORIES = {"Deep Work", "Learning / Research", "Communication", "Meetings", "Break", "Other", "Mixed/Unknown"}
HALF_PAST_ELEVEN = timedelta(hours=11, minutes=30)


@dataclass(frozen=True)
class CaughtUp:
    """A home after one run of `--once --json`, what it printed, and what batch says of the same events."""

    paths: HomePaths
    arguments: tuple[str | Path, ...]
    zone: str
    midnight: datetime
    printed: list[dict[str, Any]]
    config: PipelineConfig
    resolved: ResolvedInferenceConfig
    rows: list[FeatureRow]

    def record(self) -> list[WindowPrediction]:
        database = Database(self.paths.database, read_only=True)
        try:
            return recorded(database)
        finally:
            database.close()


class Nothing(ActivitySource):
    """A source that knows of nothing."""

    name: ClassVar[str] = "nothing"

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        return SourceEvents(start, end)

    def status(self) -> SourceStatus:
        return SourceStatus(self.name, True, frozenset(), "There is nothing.")


def place_high_water_mark(paths: HomePaths, moment: datetime, zone: str) -> None:
    """What a worker leaves that ran at `moment` and was told nothing: the mark at that day's midnight."""
    database = Database(paths.database)
    recorder = Recorder(
        database,
        GuardedReader(Nothing(), database, lambda: None),
        pipeline_config(),
        user_id=USER,
        device_id="desktop",
        time_zone=lambda: zone,
    )
    assert not recorder.step(moment).finalised
    assert recorder.high_water_mark == local_day_bounds(moment, zone)[0]
    database.close()


def rows_of(server: AWServer, start: datetime, end: datetime, zone: str) -> list[FeatureRow]:
    source = source_of(server)
    events = source.read(start, end)
    source.close()
    return build_features_from_aw_events(
        events.window,
        user_id=USER,
        device_id="desktop",
        input_events=events.input,
        away_events=events.away,
        tab_events=events.tab,
        time_zone=zone,
    )


@pytest.fixture(scope="module")
def caught_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaughtUp]:
    folder = tmp_path_factory.mktemp("once")
    now = datetime.now(UTC)
    zone = noon_zone(now)
    today = local_day_bounds(now, zone)[0]
    midnight = local_day_bounds(today - timedelta(hours=1), zone)[0]
    paths = HomePaths(copy_home(folder / "home"))
    paths.config.write_text('smoother = "majority"\n')  # as the library's functions
    place_high_water_mark(paths, midnight + timedelta(seconds=5), zone)
    with run_aw_server(folder / "aw") as server:
        feed_aw_server(server.url, ShiftedPerson("developer", 1, midnight), midnight, today + HALF_PAST_ELEVEN)
        arguments = ("run", "--once", "--json", "--aw-host", server.url, "--home", paths.home)
        code, out, err = run_app(*arguments, time_zone=zone)
        assert (code, err) == (0, "")
        serving = Serving(paths.models, paths.taxonomy)
        assert serving.load() == []
        assert serving.config is not None
        assert serving.resolved is not None
        yield CaughtUp(
            paths,
            arguments,
            zone,
            midnight,
            [json.loads(line) for line in out.splitlines()],
            serving.config,
            serving.resolved,
            rows_of(server, midnight, now, zone),
        )


def test_the_record_is_what_batch_says(caught_up: CaughtUp) -> None:
    record = caught_up.record()
    assert len(record) > 500
    assert record == batch_predictions(caught_up.config, caught_up.rows)
    database = Database(caught_up.paths.database, read_only=True)
    stored = database.buckets.between(USER, 0, 1 << 62)
    database.close()
    assert [item.row() for item in stored] == caught_up.rows
    assert all(item.is_settled for item in stored)


def test_the_public_batch_function_agrees(caught_up: CaughtUp) -> None:
    resolved, record = caught_up.resolved, caught_up.record()
    result = run_batch_inference(
        resolved.model,
        caught_up.rows,
        cat_encoders=resolved.cat_encoders,
        reject_threshold=resolved.reject_threshold,
        taxonomy=caught_up.config.taxonomy,
        calibrator_store=resolved.calibrator_store,
        schema_version=resolved.metadata.schema_version,
    )
    assert result.core_probs.tolist() == [list(p.core_probs) for p in record]
    assert result.confidences.tolist() == [p.confidence for p in record]
    assert result.is_rejected.tolist() == [p.is_rejected for p in record]
    assert result.raw_labels == [p.raw_label for p in record]
    assert result.smoothed_labels == [p.smoothed_label_name for p in record]
    assert result.mapped_labels == [p.mapped_label_name for p in record]
    assert list(result.mapped_probs) == [p.mapped_probs for p in record]


def test_a_home_of_the_taskclf_tool_is_served_as_its_policy_says(caught_up: CaughtUp) -> None:
    buckets = [line for line in caught_up.printed if line["event"] == "bucket"]
    starts = [line["bucket_start_ts"] for line in buckets]
    assert starts == [p.bucket_start_ts.isoformat() for p in caught_up.record()]
    assert {line["mapped_label_name"] for line in buckets} <= CATEGORIES
    assert {"Deep Work", "Break"} < {line["mapped_label_name"] for line in buckets}
    assert {line["model_version"].split("@")[0] for line in buckets} == {"2026-11-21_082102_run-9643"}
    assert {line["reject_threshold"] for line in buckets} == {0.9}
    store = caught_up.resolved.calibrator_store_dir
    assert store is not None
    assert store.name == "calibrator_store_isotonic"
    by_model = [line for line in buckets if line["decided_by"] == "model"]
    assert {line["is_rejected"] for line in by_model} == {True, False}
    assert all(line["is_rejected"] == (line["confidence"] < 0.9) for line in by_model)
    assert any(line["decided_by"] == "idle_rule" for line in buckets)


def test_the_files_say_the_same_and_a_second_run_adds_nothing(caught_up: CaughtUp) -> None:
    record = caught_up.record()
    path = caught_up.paths.outputs / "predictions.csv"
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["bucket_start_ts"] for line in lines] == [p.bucket_start_ts.isoformat() for p in record]
    assert [line["predicted_label"] for line in lines] == [p.smoothed_label_name for p in record]
    assert [line["mapped_label"] for line in lines] == [p.mapped_label_name for p in record]
    assert [line["is_rejected"] for line in lines] == [str(p.is_rejected) for p in record]
    assert [line["confidence"] for line in lines] == [f"{p.confidence:.4f}" for p in record]
    assert [json.loads(line["core_probs"]) for line in lines] == [[round(x, 4) for x in p.core_probs] for p in record]

    today = local_day_bounds(caught_up.midnight + timedelta(hours=36), caught_up.zone)[0]
    segments = read_segments_json(caught_up.paths.outputs / "segments.json")
    assert segments == run_batch(caught_up.config, [r for r in caught_up.rows if r.bucket_start_ts >= today]).segments
    assert len(segments) > 3
    assert all((s.end_ts - s.start_ts).total_seconds() == 60 * s.bucket_count for s in segments)

    before = path.read_bytes()
    code, out, err = run_app(*(word for word in caught_up.arguments if word != "--json"), time_zone=caught_up.zone)
    assert (code, err) == (0, "")
    assert out.startswith("0 minutes finalised")
    assert path.read_bytes() == before
    assert caught_up.record() == record
