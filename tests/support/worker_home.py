"""A home, a model and a simulated person for tests of the worker: real parts, on disk, with a clock that is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from taskclf_tray.adapters.base import ActivitySource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.forest import Forest
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from taskclf_tray.record.guard import GuardedReader
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.simulation.person import ManualClock, SimulatedPerson, SimulatedSource
from taskclf_tray.store.database import Database

TASKCLF_HOME = Path(__file__).parents[1] / "data" / "taskclf_home"
SECRET = "0" * 63 + "1"
USER = "aaaaaaaa-0000-4000-8000-000000000001"
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def copy_home(target: Path) -> Path:
    """A writable copy of the taskclf home with the identity it lacks in the repository."""
    shutil.copytree(TASKCLF_HOME, target)
    processed = target / "data" / "processed"
    processed.mkdir(parents=True, exist_ok=True)
    (processed / ".user_id").write_text(USER)
    (processed / ".title_secret").write_text(SECRET)
    return target


@cache
def golden_forest() -> Forest:
    """The model of the taskclf home; immutable, so one for all."""
    return Forest.load(next((TASKCLF_HOME / "models").glob("2*")) / "model.txt")


@cache
def person_of(persona: str, seed: int) -> SimulatedPerson:
    """A simulated person, one for all tests of a process: what was simulated of their days is kept."""
    return SimulatedPerson(persona, seed)


def pipeline_config(
    *,
    threshold: float = 0.5,
    config_id: str = "config-a",
    smooth_window: int = 3,
    with_taxonomy: bool = True,
    transitions: Transitions | None = None,
    head: PersonalHead | None = None,
) -> PipelineConfig:
    """The bundle of the taskclf home, with or without its taxonomy."""
    bundle = next((TASKCLF_HOME / "models").glob("2*"))
    return PipelineConfig(
        model=golden_forest(),
        cat_encoders=json.loads((bundle / "categorical_encoders.json").read_text()),
        reject_threshold=threshold,
        taxonomy=load_taxonomy(TASKCLF_HOME / "configs" / "user_taxonomy.yaml") if with_taxonomy else None,
        smooth_window=smooth_window,
        transitions=transitions,
        head=head,
        config_id=config_id,
        model_version="test",
    )


def simulated_source(clock: ManualClock, *, persona: str = "developer", seed: int = 1) -> SimulatedSource:
    """A simulated person whose clock the test sets."""
    return SimulatedSource(person_of(persona, seed), Normaliser(SECRET), clock=clock)


def recorder_of(
    database: Database,
    source: ActivitySource,
    config: PipelineConfig,
    *,
    before_request: Callable[[], None] = lambda: None,
) -> Recorder:
    """The record keeper in UTC."""
    reader = GuardedReader(source, database, before_request)
    return Recorder(database, reader, config, user_id=USER, device_id="desktop", time_zone=lambda: "UTC")


def recorded(database: Database) -> list[WindowPrediction]:
    """The whole record."""
    return [WindowPrediction.of(record) for record in database.buckets.between(USER, 0, 1 << 62)]


def batch_rows(source: ActivitySource, start: datetime, end: datetime) -> list[FeatureRow]:
    """Every row of [start, end), built at once."""
    events = source.read(start, end)
    return build_features_from_aw_events(
        events.window,
        user_id=USER,
        device_id="desktop",
        input_events=events.input,
        away_events=events.away,
        tab_events=events.tab,
    )


def batch_predictions(config: PipelineConfig, rows: list[FeatureRow]) -> list[WindowPrediction]:
    """Stages 2–9 of all rows at once."""
    return finish(
        decide_rows(config, rows),
        smooth_window=config.smooth_window,
        bucket_seconds=config.bucket_seconds,
        resolver_of=lambda _: config.resolver,
        transitions_of=lambda _: config.transitions,
    )
