"""Hypothesis strategies for the settings of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, Transitions
from taskclf_tray.infer.calibration import TemperatureCalibrator
from taskclf_tray.infer.calibrator_files import load_calibrator_store
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.infer.taxonomy_config import default_taxonomy
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from tests.support.events import WORDS
from tests.support.sample_rows import HOME, vocabularies

USERS = ["aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002", "stranger"]


STORES = [
    load_calibrator_store(HOME / "artifacts" / name) for name in ("calibrator_store", "calibrator_store_isotonic")
]


TAXONOMIES = [None, default_taxonomy(), load_taxonomy(HOME / "configs/user_taxonomy.yaml")]


LEARNT = Transitions(
    tuple(tuple(0.3 + 0.01 * i if i == j else (0.7 - 0.01 * i) / 7 for j in range(8)) for i in range(8))
)


def head_of(seed: int, head_power: float, forest_power: float) -> PersonalHead:
    """A head with any weights for half of the words of tests."""
    draw = np.random.default_rng(seed)
    buckets = np.array([bucket for bucket in WORDS if draw.random() < 0.5] or [WORDS[0]], dtype=np.int64)
    weights = draw.normal(scale=3.0, size=(2, len(buckets), 8))
    return PersonalHead(
        buckets=buckets,
        idf=1 + draw.random(len(buckets)),
        own=weights[0],
        context=weights[1],
        bias=draw.normal(size=8),
        head_power=head_power,
        forest_power=forest_power,
        digest=f"head {seed}",
    )


HEADS = [head_of(1, 0.7, 0.3), head_of(2, 0.4, 0.1)]


@st.composite
def settings_of_a_run(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "cat_encoders": vocabularies(),
        "smooth_window": draw(st.sampled_from([1, 3, 3, 5, 7])),
        "transitions": draw(st.sampled_from([None, None, BUILT_IN_TRANSITIONS, LEARNT])),
        "reject_threshold": draw(st.sampled_from([None, 0.0, 0.55, 0.9, 1.0])),
        "per_user_reject_thresholds": draw(st.sampled_from([None, {USERS[0]: 0.99, "stranger": 0.0}])),
        "calibrator": draw(st.sampled_from([None, TemperatureCalibrator(1.7)])),
        "calibrator_store": draw(st.sampled_from([None, *STORES])),
        "taxonomy": draw(st.sampled_from(TAXONOMIES)),
        "head": draw(st.sampled_from([None, *HEADS])),
    }
