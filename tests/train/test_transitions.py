"""What labelled minutes teach of how labels follow each other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, Transitions, smoothing_entry, transitions_in
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.models.resolve import resolve_inference_config
from taskclf_tray.store.database import Database
from taskclf_tray.train.dataset import Dataset, LabelledBucket
from taskclf_tray.train.dataset_sources import from_record
from taskclf_tray.train.retrain_run import Retraining
from taskclf_tray.train.train_model import PRIOR_MINUTES, change_counts, learn_transitions
from taskclf_tray.train.train_request import RetrainRequest
from taskclf_tray.train.weak import UNLABELLED
from tests.support.worked_days import FIRST, make_home, record_days
from tests.support.worker_home import USER

MINUTE_US = 60_000_000
BUILD, MEET, WRITE = (LABEL_SET_V1.index(name) for name in ("Build", "Meet", "Write"))


def said(labels: Sequence[int | None], *, user: str = "u", start: int = 0, weight: float = 1.0) -> Dataset:
    """One label a minute; None is a minute without one."""
    return Dataset.of(
        LabelledBucket(
            user_id=user,
            start_us=(start + k) * MINUTE_US,
            end_us=(start + k + 1) * MINUTE_US,
            day=1,
            label=label,
            weight=weight,
            is_weak=weight < 1,
            is_models=True,
            packed=b"",
        )
        for k, label in enumerate(labels)
        if label is not None
    )


def test_adjoining_minutes_of_one_user_count() -> None:
    counts = change_counts(Dataset.joined([said([BUILD, BUILD, MEET, None, MEET]), said([WRITE], user="v", start=5)]))
    assert counts.sum() == 2
    assert counts[BUILD, BUILD] == counts[BUILD, MEET] == 1


def test_a_rule_counts_for_less_than_a_person() -> None:
    both = Dataset.joined([said([BUILD, BUILD]), said([WRITE, WRITE], start=2, weight=0.25)])
    counts = change_counts(both)
    assert (counts[BUILD, BUILD], counts[BUILD, WRITE], counts[WRITE, WRITE]) == (1, 0.25, 0.25)


def test_without_labels_it_is_what_is_built_in() -> None:
    for nothing in (said([]), said([BUILD])):
        assert np.allclose(learn_transitions(nothing).rows, BUILT_IN_TRANSITIONS.rows, atol=1e-5)


def test_shares_by_hand() -> None:
    learnt = learn_transitions(said([BUILD, BUILD, MEET, BUILD, BUILD, MEET]))
    prior = PRIOR_MINUTES * np.array(BUILT_IN_TRANSITIONS.rows[BUILD])
    assert learnt.rows[BUILD][MEET] == pytest.approx((prior[MEET] + 2) / (PRIOR_MINUTES + 4), abs=1e-6)
    assert learnt.rows[BUILD][BUILD] == pytest.approx((prior[BUILD] + 2) / (PRIOR_MINUTES + 4), abs=1e-5)
    assert learnt.rows[WRITE] == pytest.approx(BUILT_IN_TRANSITIONS.rows[WRITE], abs=1e-5)


def test_a_year_of_one_label_is_still_a_policy() -> None:
    learnt = learn_transitions(said([BUILD] * 100_000))
    assert all(share > 0 for row in learnt.rows for share in row)
    assert transitions_in(json.loads(json.dumps(smoothing_entry(learnt)))) == learnt
    assert len(json.dumps(smoothing_entry(learnt))) < 1_000


def test_it_finds_how_a_person_works() -> None:
    """Days drawn from known shares; with a week of labels every share is near."""
    rng = np.random.default_rng(1)
    true = np.full((8, 8), 0.02)
    true[BUILD, MEET] = 0.1
    np.fill_diagonal(true, 0)
    np.fill_diagonal(true, 1 - true.sum(axis=1))
    labels = [BUILD]
    for _ in range(40_000):
        labels.append(int(rng.choice(8, p=true[labels[-1]])))
    learnt = learn_transitions(said(labels))
    assert isinstance(learnt, Transitions)
    assert np.abs(np.array(learnt.rows) - true).max() < 0.02


def test_a_minute_nobody_labelled_is_followed_by_nothing() -> None:
    unsaid = said([UNLABELLED, UNLABELLED], start=2, weight=0.2)
    counts = change_counts(Dataset.joined([said([BUILD, BUILD]), unsaid, said([MEET, MEET], start=4)]))
    assert counts.sum() == 2
    assert counts[BUILD, BUILD] == counts[MEET, MEET] == 1


def test_a_promotion_writes_down_what_was_learnt(tmp_path: Path) -> None:
    paths = make_home(tmp_path / "home")
    record_days(paths, range(12), labelled=range(12))
    now_us = to_us(FIRST + timedelta(days=13))
    request = RetrainRequest(str(paths.home), now_us=now_us, time_zone="UTC")
    assert Retraining(request, paths, lambda _event: None).run()["outcome"] == "promoted"
    with contextlib.closing(Database(paths.database, read_only=True)) as database:
        learnt = learn_transitions(from_record(database, USER))
    served = resolve_inference_config(paths.models)
    assert (served.origin, served.transitions) == ("policy", learnt)
    assert learnt.rows[BUILD][WRITE] > learnt.rows[BUILD][MEET]
