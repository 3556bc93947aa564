"""The findings of a drift check, and which of them are discoveries: sure enough for how many hypotheses were tested."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

import numpy as np

from taskclf_tray.drift.report import DriftTrigger
from taskclf_tray.drift.statistics import adjusted

CLOCK: Final = "hour_of_day"
"""The clock runs the same way every day, so its few crossings say nothing about how well a day is known."""

Hypothesis = tuple[DriftTrigger, str]
_FAMILIES: Final[Mapping[DriftTrigger, str]] = {
    DriftTrigger.feature_psi: "numbers",
    DriftTrigger.feature_ks: "numbers",
    DriftTrigger.missingness: "missing",
    DriftTrigger.category_shift: "categories",
    DriftTrigger.reject_rate_increase: "model",
    DriftTrigger.entropy_spike: "model",
    DriftTrigger.class_shift: "model",
}
"""The family in which false discoveries are controlled: else seventy about numbers drown three about the model."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The least effects that count, and the false-discovery rate. Raises ValueError for an impossible number."""

    psi: float
    false_discovery_rate: float
    reject_increase: float
    entropy_multiplier: float
    class_shift: float

    def __post_init__(self) -> None:
        if not 0 < self.false_discovery_rate <= 1:
            raise ValueError(f"ks_alpha must lie between 0 and 1, not at {self.false_discovery_rate}")
        for least in (self.psi, self.reject_increase, self.entropy_multiplier, self.class_shift):
            if not 0 <= least < math.inf:
                raise ValueError(f"a threshold must be a number from 0 on, not {least}")


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """The result for one hypothesis: `effect` and `threshold` have the same unit."""

    trigger: DriftTrigger
    feature: str
    effect: float
    threshold: float
    p_value: float
    since: date | None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> Hypothesis:
        """The hypothesis, whatever the days."""
        return self.trigger, self.feature

    @property
    def family(self) -> str:
        """The family it is adjusted in. When a person works is a family apart from how."""
        family = _FAMILIES[self.trigger]
        return "clock" if self.feature == CLOCK and family == "numbers" else family

    @property
    def is_large(self) -> bool:
        """Whether the effect is large enough to matter."""
        return self.effect >= self.threshold

    @property
    def strength(self) -> float:
        """The effect in units of its threshold."""
        return self.effect / self.threshold if self.threshold > 0 else self.effect


def discoveries(looks: Sequence[Sequence[Finding]]) -> list[Finding]:
    """All findings with p-values adjusted for the hypotheses of the family, and for the number of windows tried."""
    adjusted_answers: list[Finding] = []
    for look in looks:
        families: dict[str, list[Finding]] = {}
        for answer in look:
            families.setdefault(answer.family, []).append(answer)
        for members in families.values():
            p_values = np.minimum(1.0, len(looks) * adjusted(np.array([answer.p_value for answer in members])))
            adjusted_answers += [
                replace(answer, p_value=p_value) for answer, p_value in zip(members, p_values.tolist(), strict=True)
            ]
    return adjusted_answers
