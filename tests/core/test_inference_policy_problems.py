"""Every problem of a policy at once, none of them made up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.strict_json import BadJsonError, parse_json_object
from taskclf_tray.models.policy import policy_problems

GOLDEN = Path(__file__).parents[1] / "data/taskclf_home"
GOOD: dict[str, Any] = json.loads((GOLDEN / "models/inference_policy.json").read_text())


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "home")) / "models"


def keys(models: Path, **changes: Any) -> list[str | None]:
    (models / "inference_policy.json").write_text(json.dumps(GOOD | changes))
    return [problem.key for problem in policy_problems(models)]


def test_a_good_policy_has_none(models: Path) -> None:
    assert policy_problems(models) == []


def test_all_are_named_in_one_go(models: Path) -> None:
    users = {"a": 2, "b": 0.5, "c": None}
    assert keys(models, reject_threshold=None, per_user_reject_thresholds=users, source=1, created_at="x") == [
        "reject_threshold",
        "per_user_reject_thresholds",
        "per_user_reject_thresholds",
        "created_at",
        "source",
    ]  # in the order of the file
    assert keys(models, model_schema_hash="0" * 12, model_label_set=["Build"], calibrator_store_dir="gone") == [
        "model_schema_hash",
        "model_label_set",
        "calibrator_store_dir",
    ]
    assert keys(models, model_dir="gone", reject_threshold=2, calibrator_store_dir="gone") == [
        "reject_threshold",
        "model_dir",
        "calibrator_store_dir",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model_dir": "models/gone"}, ["model_dir"]),  # the store may well be this model's
        ({"model_dir": None}, ["model_dir"]),
        ({"model_schema_hash": None}, ["model_schema_hash"]),
        ({"model_schema_hash": "0" * 12}, ["model_schema_hash"]),
        ({"model_label_set": 7}, ["model_label_set"]),
        ({"calibration_method": "platt"}, ["calibration_method"]),
        ({"calibrator_store_dir": 7}, ["calibrator_store_dir"]),
    ],
)
def test_one_mistake_is_one_problem(models: Path, changes: dict[str, Any], expected: list[str]) -> None:
    assert keys(models, **changes) == expected


def test_missing_keys_are_named_once_each(models: Path) -> None:
    (models / "inference_policy.json").write_text("{}")
    problems = policy_problems(models)
    assert [problem.key for problem in problems] == [
        "policy_version",
        "model_dir",
        "model_schema_hash",
        "model_label_set",
        "reject_threshold",
    ]
    assert all("is missing: add it" in problem.title for problem in problems)


def test_a_file_that_cannot_be_read_is_one_problem(models: Path) -> None:
    path = models / "inference_policy.json"
    for content, what in ((b"{", "not valid JSON"), (b"", "is empty"), (b" " * 1_000_001, "bytes")):
        path.write_bytes(content)
        [problem] = policy_problems(models)
        assert what in problem.title
    path.unlink()
    assert "is missing" in policy_problems(models)[0].title


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": NaN}', "holds NaN as 'a', which is not a number in JSON"),
        ('{"a": {"b": [1, [-Infinity]]}}', "holds -Infinity as 'b'"),
        ('{"a": 1, "b": 1e999}', "holds '1e999' as 'b', a number too large"),
        ('{"a": ' + "9" * 31 + "}", "as 'a', a number too large"),
        ("[NaN]", "holds NaN, which"),
        ("NaN", "holds NaN, which"),
    ],
)
def test_a_number_that_is_none_is_named_by_its_key(text: str, what: str) -> None:
    with pytest.raises(BadJsonError) as caught:
        parse_json_object(text)
    assert what in str(caught.value)
