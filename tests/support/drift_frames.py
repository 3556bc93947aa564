"""Weeks of made-up feature rows for drift checks: minutes resemble the minute before, and days differ a little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from taskclf_tray.core.types import LABEL_SET_V1

MONDAY: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
NUMBERS: Final = (
    "keys_per_min",
    "clicks_per_min",
    "mouse_distance",
    "app_entropy_15m",
    "session_length_so_far",
    "title_char_count",
)
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Week:
    """Rows with what a model said of them."""

    frame: pd.DataFrame
    labels: list[str]
    probs: FloatArray
    confidences: FloatArray


def week(
    seed: int,
    *,
    first: datetime = MONDAY,
    days: Sequence[int] = (0, 1, 2, 3, 4),
    minutes: int = 400,
    user: str = "u1",
    day_spread: float = 0.3,
    memory: float = 0.95,
) -> Week:
    """Rows of these days after `first`. `day_spread` is what a whole day lies off, `memory` what a minute keeps."""
    rng = np.random.default_rng(seed)
    starts = [first + timedelta(days=day, minutes=k) for day in days for k in range(minutes)]
    columns: dict[str, Any] = {
        "user_id": user,
        "bucket_start_ts": starts,
        "bucket_end_ts": [start + timedelta(minutes=1) for start in starts],
    }
    for name in NUMBERS:
        parts = [_wander(rng, minutes, memory) + day_spread * rng.standard_normal() for _ in days]
        columns[name] = np.concatenate(parts) if parts else np.empty(0)
    count = len(starts)
    columns["app_id"] = _runs(rng, count, ("code", "firefox", "slack"), (0.5, 0.3, 0.2))
    columns["app_category"] = [{"code": "editor", "firefox": "browser", "slack": "chat"}[a] for a in columns["app_id"]]
    columns["domain_category"] = ["docs" if a == "firefox" else "non_browser" for a in columns["app_id"]]
    labels = _runs(rng, count, ("Build", "Write", "Communicate", "Mixed/Unknown"), (0.5, 0.25, 0.15, 0.1))
    confidences = 0.6 + 0.3 * rng.random(count)
    probs = np.repeat(((1 - confidences) / 7)[:, None], len(LABEL_SET_V1), axis=1)
    probs[:, 1] = confidences
    return Week(pd.DataFrame(columns), labels, probs, confidences)


def check_arguments(reference: Week, current: Week) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What `run_drift_check` is called with."""
    arguments = (reference.frame, current.frame, reference.labels, current.labels)
    return arguments, {
        "ref_probs": reference.probs,
        "cur_probs": current.probs,
        "cur_confidences": current.confidences,
    }


def _wander(rng: np.random.Generator, count: int, memory: float) -> FloatArray:
    """A series of unit variance that forgets slowly."""
    values = np.empty(count)
    last = rng.standard_normal()
    steps = rng.standard_normal(count) * np.sqrt(1 - memory**2)
    for k in range(count):
        last = memory * last + steps[k]
        values[k] = last
    return values


def _runs(rng: np.random.Generator, count: int, values: Sequence[str], shares: Sequence[float]) -> list[str]:
    """Values in stretches of ten minutes."""
    drawn = rng.choice(len(values), size=count // 10 + 1, p=shares)
    return [values[code] for code in np.repeat(drawn, 10)[:count].tolist()]
