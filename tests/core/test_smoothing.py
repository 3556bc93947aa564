"""Shares of change, and the policy's key that holds them: every way it can be wrong names the key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.smoothing import (
    BUILT_IN_TRANSITIONS,
    Transitions,
    chosen_transitions,
    smoothing_entry,
    transitions_in,
)
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.models.draft_policy import draft_policy_for_edit, policy_by_hand, policy_for_bundle
from taskclf_tray.models.policy import (
    InferencePolicy,
    build_inference_policy,
    parse_policy_text,
    policy_path,
    policy_problems,
    read_inference_policy,
    save_inference_policy,
)
from taskclf_tray.models.resolve import resolve_inference_config
from tests.support.sample_rows import HOME

LEARNT = Transitions.sticky(0.9)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return shutil.copytree(HOME, tmp_path / "home") / "models"


def rows_with(edit: Callable[[list[list[Any]]], object]) -> list[list[Any]]:
    rows: list[list[Any]] = LEARNT.to_lists()
    edit(rows)
    return rows


def test_the_built_in_ones_stay_and_favour_nobody() -> None:
    for i, row in enumerate(BUILT_IN_TRANSITIONS.rows):
        assert row[i] == 0.95
        assert len({share for j, share in enumerate(row) if j != i}) == 1
        assert sum(row) == pytest.approx(1)
    assert BUILT_IN_TRANSITIONS.columns[2][1] == BUILT_IN_TRANSITIONS.rows[1][2]


def test_json_keeps_every_bit() -> None:
    thirds = Transitions(tuple(tuple((1 / 3 if i == j else 2 / 21) for j in range(8)) for i in range(8)))
    assert transitions_in(json.loads(json.dumps(smoothing_entry(thirds)))) == thirds


def test_the_person_chooses_and_the_policy_says_what_was_learnt() -> None:
    assert chosen_transitions("majority", LEARNT) is None
    assert chosen_transitions("hmm", LEARNT) == LEARNT
    assert chosen_transitions("hmm", None) == BUILT_IN_TRANSITIONS
    assert chosen_transitions("learnt", LEARNT) == LEARNT
    assert chosen_transitions("learnt", None) is None
    assert transitions_in(None) is None
    assert transitions_in({"smoother": "hmm"}) is None
    assert transitions_in({"smoother": "majority", "transitions": LEARNT.to_lists()}) is None


WRONG: list[tuple[Any, str]] = [
    ("hmm", "smoothing is"),
    ([], "smoothing is"),
    ({}, "the smoother"),
    ({"smoother": "viterbi"}, "the smoother"),
    ({"smoother": ["hmm"]}, "the smoother"),
    ({"smoother": "hmm", "transitions": {}}, "needs 8 rows"),
    ({"smoother": "hmm", "transitions": LEARNT.to_lists()[:7]}, "needs 8 rows"),
    ({"smoother": "hmm", "transitions": [*LEARNT.to_lists()[:7], 0.5]}, "needs 8 numbers in the row of Write"),
    ({"smoother": "hmm", "transitions": rows_with(lambda rows: rows[2].pop())}, "in the row of Communicate"),
    ({"smoother": "hmm", "transitions": rows_with(lambda rows: rows[1].__setitem__(0, 0.5))}, "Build that sums to 1.4"),
    ({"smoother": "hmm", "transitions": rows_with(lambda rows: rows[0].__setitem__(0, 0))}, "in the row of BreakIdle"),
    ({"smoother": "hmm", "transitions": rows_with(lambda rows: rows[0].__setitem__(1, -0.1))}, "is not a number"),
    ({"smoother": "hmm", "transitions": rows_with(lambda rows: rows[0].__setitem__(1, True))}, "is not a number"),
    ({"smoother": "hmm", "transitions": rows_with(lambda rows: rows[0].__setitem__(1, "0.1"))}, "is not a number"),
    ({"smoother": "majority", "transitions": 7}, "needs 8 rows"),
]


@pytest.mark.parametrize(("value", "what"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_one_names_its_key_and_the_remedy(models: Path, value: Any, what: str) -> None:
    data = json.loads(policy_path(models).read_text()) | {"smoothing": value}
    with pytest.raises(PolicyValidationError) as raised:
        InferencePolicy.model_validate(data)
    assert raised.value.key == "smoothing"
    assert what in raised.value.title
    assert "write" in raised.value.title
    with pytest.raises(ValueError):
        transitions_in(value)
    policy_path(models).write_text(json.dumps(data))
    assert [problem.key for problem in policy_problems(models)] == ["smoothing"]
    config = resolve_inference_config(models)
    assert (config.origin == "policy", config.transitions) == (False, None)


@pytest.mark.parametrize("share", [float("nan"), float("inf"), 0.0, 2.0])
def test_what_is_no_share_makes_no_transitions(share: float) -> None:
    with pytest.raises(ValueError, match="in the row of BreakIdle"):
        Transitions(tuple(map(tuple, rows_with(lambda rows: rows[0].__setitem__(1, share)))))


def test_what_the_policy_holds_is_served_and_named(models: Path) -> None:
    before = resolve_inference_config(models)
    assert before.transitions is None
    data = json.loads(policy_path(models).read_text()) | {"smoothing": smoothing_entry(LEARNT)}
    policy_path(models).write_text(json.dumps(data, indent=2))
    policy = read_inference_policy(models)
    assert policy.transitions == LEARNT
    assert policy.model_dump()["smoothing"] == smoothing_entry(LEARNT)
    after = resolve_inference_config(models)
    assert (after.origin, after.transitions) == ("policy", LEARNT)
    assert after.config_digest != before.config_digest
    bundle = resolve_inference_config(models).bundle_dir
    assert resolve_inference_config(models, model_dir_override=bundle).transitions is None


def test_null_and_a_missing_key_are_the_same(models: Path) -> None:
    before = resolve_inference_config(models)
    data = json.loads(policy_path(models).read_text()) | {"smoothing": None}
    policy_path(models).write_text(json.dumps(data))
    assert policy_problems(models) == []
    assert resolve_inference_config(models).config_digest == before.config_digest


def test_a_pick_keeps_what_was_learnt_and_a_draft_knows_of_none(models: Path) -> None:
    policy = read_inference_policy(models)
    learnt = build_inference_policy(
        model_dir=policy.model_dir,
        model_schema_hash=policy.model_schema_hash,
        model_label_set=policy.model_label_set,
        transitions=LEARNT,
    )
    assert parse_policy_text(json.dumps(learnt.model_dump())).transitions == LEARNT
    save_inference_policy(learnt, models)
    bundle = models.parent / policy.model_dir
    assert policy_for_bundle(models, bundle, "tray").transitions == LEARNT
    assert policy_by_hand(models, reject_threshold=0.7).transitions == LEARNT
    policy_path(models).unlink()
    assert policy_for_bundle(models, bundle, "tray").transitions is None
    assert draft_policy_for_edit(models).transitions is None


def test_labels_are_named_in_label_order() -> None:
    assert list(LABEL_SET_V1) == sorted(LABEL_SET_V1)
