"""The job that learns from an answer: which head it fits from which labels, and when it leaves everything as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.head import CONTEXT_BUCKETS, PersonalHead
from taskclf_tray.jobs.refit import OFF, run
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.head_files import HeadEntry, head_of_entry
from taskclf_tray.models.policy import policy_path, read_inference_policy, save_inference_policy
from taskclf_tray.models.promotion import HeadBasis, policy_to_learn_on, switch_head
from taskclf_tray.models.resolve import resolve_inference_config
from taskclf_tray.models.retention import TRAINING_FILE
from taskclf_tray.store.buckets import BucketRecord, pack_row
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.dataset_sources import from_record, minutes_near_labels
from taskclf_tray.train.weak import UNLABELLED
from tests.support.heads import saved_head, some_head
from tests.support.worked_days import FIRST, block_label, block_start, make_home, record_days
from tests.support.worker_home import USER

STARTER = Path(__file__).parents[2] / "taskclf_tray/data/starter/2026-01-01_000000_run-0001"
NOW = FIRST + timedelta(days=2, hours=8)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labelled days and one without labels, the starter model, and no policy."""
    paths = make_home(tmp_path_factory.mktemp("worked") / "home")
    record_days(paths, range(3), labelled=range(2))
    shutil.copytree(STARTER, paths.models / STARTER.name)
    return paths.home


@pytest.fixture
def paths(original: Path, tmp_path: Path) -> HomePaths:
    return HomePaths(Path(shutil.copytree(original, tmp_path / "home")))


def request(paths: HomePaths) -> dict[str, Any]:
    return {
        "home": str(paths.home),
        "models_dir": str(paths.models),
        "now_us": to_us(NOW),
        "time_zone": "UTC",
    }


def fitted(paths: HomePaths) -> dict[str, Any]:
    return run(request(paths), lambda _event: None)


def head_of(paths: HomePaths, answer: dict[str, Any]) -> PersonalHead:
    assert answer["outcome"] == "fitted"
    return head_of_entry(paths.home, HeadEntry.model_validate(answer["head"])).head


def serve(paths: HomePaths, answer: dict[str, Any]) -> None:
    """Put what was fitted in force, as the app does."""
    head = None if answer["head"] is None else HeadEntry.model_validate(answer["head"])
    assert switch_head(paths.models, HeadBasis(**answer["basis"]), head, answer["threshold"])


def with_labels(paths: HomePaths, use: Callable[[LabelStore], object]) -> None:
    with closing(Database(paths.database)) as database:
        use(LabelStore(database, USER))


def test_a_head_of_the_labels_that_are_right_about_an_unlabelled_day(paths: HomePaths) -> None:
    answer = fitted(paths)
    assert answer["basis"] == asdict(HeadBasis(f"models/{STARTER.name}", None, None))
    assert not policy_path(paths.models).exists()
    head = head_of(paths, answer)
    serve(paths, answer)
    stored = resolve_inference_config(paths.models).stored_head
    assert stored is not None
    assert (stored.labelled_minutes, stored.fitted_at) == (300, NOW.isoformat())
    assert head.head_power > 0
    with closing(Database(paths.database, read_only=True)) as database:
        day = from_record(database, USER, start_us=to_us(block_start(2, 0)), weak=lambda _row: UNLABELLED)
    scores = head.scores([row.word_seconds for row in day.rows()])
    logits = head.logits(scores, np.zeros(len(day), dtype=np.int64))
    truth = [LABEL_SET_V1.index(block_label(2, k // 10)) for k in range(len(day))]
    assert (logits.argmax(axis=1) == truth).mean() > 0.9


def test_the_same_labels_change_nothing_and_an_undo_brings_the_former_numbers_back(paths: HomePaths) -> None:
    first = fitted(paths)
    serve(paths, first)
    policy = policy_path(paths.models).read_bytes()
    assert fitted(paths) == OFF
    start = block_start(2, 0)
    with_labels(paths, lambda store: store.add(start, start + timedelta(minutes=9), "Meet", at=NOW))
    second = fitted(paths)
    assert not np.array_equal(head_of(paths, second).bias, head_of(paths, first).bias)
    serve(paths, second)
    with_labels(paths, lambda store: store.undo(at=NOW))
    third = fitted(paths)
    assert np.array_equal(head_of(paths, third).own, head_of(paths, first).own)
    serve(paths, third)
    assert policy_path(paths.models).read_bytes() != policy  # other times


def test_too_few_labels_take_the_head_of_answers_away_and_others_bring_one_again(paths: HomePaths) -> None:
    serve(paths, fitted(paths))
    with_labels(paths, lambda store: store.add(block_start(0, 0), block_start(2, 0), "Write", at=NOW))
    answer = fitted(paths)
    assert (answer["outcome"], answer["head"]) == ("fitted", None)
    serve(paths, answer)
    assert read_inference_policy(paths.models).personal_head is None
    assert fitted(paths) == OFF
    with_labels(paths, lambda store: store.undo(at=NOW))
    assert fitted(paths)["head"] is not None


def test_the_threshold_follows_the_head_until_a_person_sets_it(paths: HomePaths) -> None:
    advisory = resolve_inference_config(paths.models).reject_threshold
    answer = fitted(paths)
    serve(paths, answer)
    policy = read_inference_policy(paths.models)
    assert policy.reject_threshold == answer["threshold"]["reject_threshold"] != advisory
    assert policy.promised_accuracy == 0.9
    add = partial(LabelStore.add, start=block_start(2, 0), end=block_start(2, 2), label="Meet", at=NOW)
    save_inference_policy(policy.model_copy(update={"reject_threshold": 0.61}), paths.models)
    with_labels(paths, lambda store: add(store))
    serve(paths, fitted(paths))
    edited = read_inference_policy(paths.models)
    assert (edited.reject_threshold, edited.promised_accuracy) == (0.61, None)
    assert edited.personal_head != policy.personal_head


def test_without_a_head_the_bundle_gives_the_threshold_again(paths: HomePaths) -> None:
    advisory = resolve_inference_config(paths.models).reject_threshold
    serve(paths, fitted(paths))
    with_labels(paths, lambda store: store.add(block_start(0, 0), block_start(2, 0), "Write", at=NOW))
    serve(paths, fitted(paths))
    policy = read_inference_policy(paths.models)
    assert (policy.personal_head, policy.reject_threshold, policy.promised_accuracy) == (None, advisory, None)


def test_without_words_nothing_is_learnt(paths: HomePaths) -> None:
    with closing(Database(paths.database)) as database, database.transaction():
        records = database.buckets.between(USER, 0, 1 << 62)
        database.buckets.put(_without_words(record) for record in records)
    assert fitted(paths) == OFF


def _without_words(record: BucketRecord) -> BucketRecord:
    return replace(record, feature_row=pack_row(replace(record.row(), word_seconds=())))


def test_beside_a_model_of_this_person_the_powers_stay(paths: HomePaths) -> None:
    (paths.models / STARTER.name / TRAINING_FILE).write_text("{}")
    assert fitted(paths) == OFF  # trained on this person, and judged better without a head
    save_inference_policy(
        policy_to_learn_on(paths.models).model_copy(update={"personal_head": saved_head(paths.models, some_head())}),
        paths.models,
    )
    head = head_of(paths, fitted(paths))
    assert (head.head_power, head.forest_power) == (0.4, 0.3)
    assert len(head.buckets) > 5
    with_labels(paths, lambda store: store.add(block_start(0, 0), block_start(2, 0), "Write", at=NOW))
    assert fitted(paths) == OFF  # with one label only, it keeps what it had


def test_an_invalid_policy_is_a_sentence_and_no_head(paths: HomePaths) -> None:
    policy_path(paths.models).write_text("{")
    with pytest.raises(PolicyValidationError):
        fitted(paths)
    assert not (paths.tray / "heads").exists()


def test_the_minutes_near_labels_are_those_of_the_whole_record(paths: HomePaths) -> None:
    start = block_start(2, 3)
    with_labels(paths, lambda store: store.add(start, start + timedelta(minutes=4), "Meet", at=NOW))
    with closing(Database(paths.database, read_only=True)) as database:
        near = minutes_near_labels(database, USER)
        whole = from_record(database, USER, weak=lambda _row: UNLABELLED)
    away = np.abs(whole.start_us[:, None] - whole.start_us[~whole.is_weak]).min(axis=1)
    same = whole.take(away <= CONTEXT_BUCKETS * 60_000_000)
    assert np.array_equal(same.start_us, near.start_us)
    assert np.array_equal(same.labels, near.labels)
    assert len(near) < len(whole)


def test_the_process_prints_its_answer(paths: HomePaths) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "taskclf_tray.jobs.refit", json.dumps(request(paths))],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (answer,) = map(json.loads, done.stdout.splitlines())
    assert answer["event"] == "done"
    assert (paths.home / answer["head"]["file"]).exists()
