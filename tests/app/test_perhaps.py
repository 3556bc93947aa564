"""Before the first ten labelled blocks, an unproven prediction of the starter model shows as "Perhaps ..."."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import text
from taskclf_tray.app.label_view import read_label_view, with_labels
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.app.status import snapshot_of
from taskclf_tray.labels.learning import PLAIN_AFTER_BLOCKS, PLAIN_FROM
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.bundle import starter_bundle
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.store.database import Database
from tests.support.predictions import prediction
from tests.support.worker_rig import START, Rig

USER = "u"
NOW = START + timedelta(hours=6)
UNPROVEN = Snapshot(IconState.LIVE, "Build 50 % since 09:00", "Build", "Build", 0.5, START, moment=NOW, is_starter=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


def shown(database: Database, snapshot: Snapshot = UNPROVEN) -> Snapshot:
    return with_labels(snapshot, read_label_view(database, USER, NOW, None))


def label(store: LabelStore, number: int) -> None:
    start = START + timedelta(minutes=10 * number)
    store.add(start, start + timedelta(minutes=9), ("Build", "Write")[number % 2], at=NOW)


def test_from_ten_labelled_blocks_on_labels_are_plain_and_undo_takes_it_back(database: Database) -> None:
    store = LabelStore(database, USER)
    for number in range(PLAIN_AFTER_BLOCKS):
        view = shown(database)
        assert view.state is IconState.UNSURE
        assert view.line == f"Perhaps Build 50 % since {text.clock(START)}"
        label(store, number)
    assert shown(database).line == UNPROVEN.line
    assert shown(database).state is IconState.LIVE
    store.undo(at=NOW)
    assert shown(database).state is IconState.UNSURE
    label(store, PLAIN_AFTER_BLOCKS)
    assert shown(database).state is IconState.LIVE


def test_automatic_labels_and_other_users_do_not_count(database: Database) -> None:
    other, own = LabelStore(database, "other"), LabelStore(database, USER)
    for number in range(12):
        label(other, number)
        start = START + timedelta(minutes=10 * number)
        own.add(start, start + timedelta(minutes=9), "Meet", at=NOW, provenance="auto")
    assert shown(database).state is IconState.UNSURE


def test_what_is_proven_or_learnt_from_a_person_is_plain(database: Database) -> None:
    proven = dataclasses.replace(UNPROVEN, probability=PLAIN_FROM)
    real = dataclasses.replace(UNPROVEN, is_starter=False)
    assert [shown(database, snapshot).state for snapshot in (proven, real)] == [IconState.LIVE, IconState.LIVE]
    just_below = dataclasses.replace(UNPROVEN, probability=PLAIN_FROM - 1e-9)
    assert shown(database, just_below).state is IconState.UNSURE


def test_the_persons_own_label_and_other_states_stay_as_they_are(database: Database) -> None:
    for state in (IconState.UNSURE, IconState.AWAY, IconState.PAUSED):
        other = dataclasses.replace(UNPROVEN, state=state, line="as it was")
        assert (shown(database, other).state, shown(database, other).line) == (state, "as it was")
    LabelStore(database, USER).add(NOW - timedelta(minutes=9), NOW, "Write", at=NOW)
    assert shown(database).is_own_label
    assert shown(database).line.startswith("Write, as you said")


def test_the_snapshot_knows_the_starter_by_its_training_data(tmp_path: Path) -> None:
    session = Rig(tmp_path).session()
    try:
        step = StepResult(live=LiveLabel(prediction(), START), is_caught_up=True)
        resolved = session.serving.resolved
        assert resolved is not None
        for provenance, is_starter in (("synthetic", True), ("real", False), ("mixed", False)):
            metadata = resolved.metadata.model_copy(update={"data_provenance": provenance})
            session.serving.resolved = dataclasses.replace(resolved, metadata=metadata)
            snapshot = snapshot_of(session, step, blackouts=[], problem=None, banner=None)
            assert snapshot.is_starter is is_starter
    finally:
        session.close()


def test_the_shipped_starter_is_such_a_model() -> None:
    metadata = ModelMetadata.model_validate_json((starter_bundle() / "metadata.json").read_bytes())
    assert metadata.data_provenance == "synthetic"
