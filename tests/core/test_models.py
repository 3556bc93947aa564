"""The four methods of a model do what pydantic's do, and its values are plain."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from taskclf_tray.core.models import Model
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.drift.report import DriftAlert, DriftReport, DriftTrigger
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy import TaxonomyConfig, default_taxonomy
from taskclf_tray.models.policy import InferencePolicy
from taskclf_tray.models.registry import ActivePointer
from tests.support.sample_rows import golden_frame, golden_rows

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Part(Model):
    name: str
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Whole(Model):
    at: datetime
    kind: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    parts: list[Part] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    day: date | None = None
    pair: tuple[float, ...] = ()
    path: Path | None = None
    is_on: bool = False
    count: int = 0


WHOLE = Whole(
    NINE, "b", parts=[Part("x")], numbers={"n": 1.0}, day=date(2026, 3, 2), pair=(1.0, 2.0), path=Path("p"), count=3
)


def test_a_dump_is_plain_and_comes_back() -> None:
    dumped = WHOLE.model_dump()
    assert dumped["parts"] == [{"name": "x", "share": 0.5}]
    assert (dumped["at"], dumped["pair"]) == (NINE, (1.0, 2.0))
    assert Whole.model_validate(dumped) == WHOLE
    text = WHOLE.model_dump_json()
    assert json.loads(text)["at"] == "2026-03-02T09:00:00Z"
    assert '"parts":[{"name":"x","share":0.5}]' in text
    assert Whole.model_validate(json.loads(text)) == Whole.model_validate_json(text) == WHOLE
    assert WHOLE.model_dump_json(indent=2, include={"count", "kind"}) == '{\n  "kind": "b",\n  "count": 3\n}'
    assert WHOLE.model_dump(mode="json", exclude={"parts"})["path"] == "p"
    assert "day" not in Whole(NINE).model_dump(exclude_none=True)


def test_a_copy_is_another_object() -> None:
    other = WHOLE.model_copy(update={"count": 9})
    assert (other.count, WHOLE.count, other.parts) == (9, 3, WHOLE.parts)
    deep = WHOLE.model_copy(deep=True)
    deep.parts.append(Part("y"))
    assert len(WHOLE.parts) == 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"at": "soon"}, "at: "),
        ({"at": 7}, "at: it is 7, not a datetime"),
        ({"kind": "c"}, "kind: it is the text 'c', not a or b"),
        ({"colour": "blue"}, "colour: "),
        ({"parts": {}}, "parts: it is an object, not a list"),
        ({"parts": [{"share": 1}]}, "parts: name is missing"),
        ({"numbers": {"n": "x"}}, "numbers: it is the text 'x', not a float"),
        ({"is_on": 1}, "is_on: "),
        ({"count": True}, "count: "),
        ({"count": 1.5}, "count: "),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=f"^{what}"):
        Whole.model_validate({"at": NINE, **change})


def test_keys_that_are_no_field_are_ignored_and_a_missing_one_is_named() -> None:
    assert Whole.model_validate({"at": "2026-03-02T10:00:00+01:00", "more": 1}) == Whole(NINE)
    with pytest.raises(ValueError, match="at is missing"):
        Whole.model_validate({})
    with pytest.raises(ValueError, match="Whole is made of an object"):
        Whole.model_validate([])


@pytest.mark.parametrize(
    "value",
    [
        InferencePolicy(model_dir="models/x", model_schema_hash="h", model_label_set=["b", "a"], mine=[1]),
        WindowPrediction(
            user_id="u",
            bucket_start_ts=NINE,
            core_label_id=1,
            core_label_name="Build",
            core_probs=[0.0, 1.0],
            confidence=1.0,
            is_rejected=False,
            mapped_label_name="Code",
            mapped_probs={"Code": 1.0},
            model_version="m",
            schema_version="v3",
        ),
        default_taxonomy(),
        DriftReport(
            alerts=[DriftAlert(trigger=DriftTrigger.class_shift, severity="critical", timestamp=NINE)], timestamp=NINE
        ),
        golden_rows()[0],
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_public_model_survives_json(value: Any) -> None:
    again = type(value).model_validate(json.loads(value.model_dump_json()))
    assert again == value
    assert type(value).model_validate(value.model_dump()) == value
    assert value.model_copy() == value


def test_lists_are_lists() -> None:
    policy = InferencePolicy(model_dir="models/x", model_schema_hash="h", model_label_set=("b", "a"))  # type: ignore[arg-type]
    assert policy.model_label_set == ["b", "a"]
    prediction = WindowPrediction(
        user_id="u",
        bucket_start_ts=NINE,
        core_label_id=0,
        core_label_name="BreakIdle",
        core_probs=(1.0, 0.0),
        confidence=1.0,
        is_rejected=False,
        mapped_label_name="Break",
        mapped_probs={},
        model_version="m",
        schema_version="v3",
    )  # type: ignore[arg-type]
    assert prediction.core_probs == [1.0, 0.0]
    assert TaxonomyConfig.model_validate({"buckets": [{"name": "A", "core_labels": ["Meet"]}]}).buckets[
        0
    ].core_labels == ["Meet"]
    assert ActivePointer(model_dir="models/x", selected_at="now").model_dump() == {
        "model_dir": "models/x", "selected_at": "now", "policy_version": 1, "model_id": None, "reason": None,
    }  # fmt: skip


def test_a_prediction_fills_in_what_holds_for_a_bucket_alone() -> None:
    prediction = WindowPrediction(
        user_id="u",
        bucket_start_ts=NINE,
        core_label_id=1,
        core_label_name="Build",
        core_probs=[0.2, 0.8],
        confidence=0.8,
        is_rejected=True,
        mapped_label_name="Code",
        mapped_probs={"Code": 1.0},
        model_version="m",
        schema_version="v3",
    )
    assert (prediction.smoothed_label_name, prediction.decided_by) == ("Mixed/Unknown", "model")
    assert prediction.bucket_end_ts == NINE.replace(minute=1)
    assert prediction.model_probs == [0.2, 0.8]


def test_any_report_with_a_critical_alert_is_critical() -> None:
    alert = DriftAlert(trigger=DriftTrigger.feature_psi, severity="critical", timestamp=NINE)
    assert DriftReport(alerts=[alert]).any_critical
    assert not DriftReport().any_critical


def test_a_row_dumps_the_columns_of_its_schema_and_comes_back_from_a_frame() -> None:
    row = golden_rows()[3]
    dumped = row.model_dump()
    assert set(golden_frame().columns) <= set(dumped)
    records = golden_frame().to_dict("records")
    again = FeatureRow.model_validate(records[3])
    assert again.model_copy(update={"source_ids": ()}) == row
    older = {name: value for name, value in row.as_dict("v2").items() if not name.startswith("title_char")}
    assert FeatureRow.model_validate(older).app_id == row.app_id
    with pytest.raises(ValueError, match="bucket_end_ts is missing"):
        FeatureRow.model_validate({name: value for name, value in records[3].items() if name != "bucket_end_ts"})
