"""Transition probabilities between labels, for the smoother `hmm`, and the policy key that stores them.

In the policy: `"smoothing": {"smoother": "hmm", "transitions": [[…8 numbers…], …8 rows…]}`. The policy stores what
was learnt; `smoother` in config.toml selects the smoother. Its default is `hmm`, because that beats the majority vote
on every measure but one (docs/learning.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from taskclf_tray.core.strict_json import describe, is_number
from taskclf_tray.core.types import LABEL_SET_V1

SmootherChoice = Literal["learnt", "majority", "hmm"]
SMOOTHERS: Final = ("majority", "hmm")
SMOOTHER_CHOICES: Final[tuple[SmootherChoice, ...]] = ("learnt", "majority", "hmm")
DEFAULT_SMOOTHER: Final[SmootherChoice] = "learnt"
"""Of functions: without learnt transitions they answer as the taskclf tool does."""
APP_SMOOTHER: Final[SmootherChoice] = "hmm"
"""Of the app, from the first day. With the starter model and the built-in transitions accuracy is 0.88 against 0.80,
and macro F1 0.83 against 0.72 (docs/learning.md)."""

SMOOTHING_KEY: Final = "smoothing"
MIN_SHARE: Final = 1e-9
"""The lowest transition probability: with 0, one wrong minute would rule out every explanation of the others."""
SUM_TOLERANCE: Final = 1e-6
_COUNT: Final = len(LABEL_SET_V1)
_STAY: Final = 0.95

Distribution = tuple[float, ...]
"""Eight numbers in label order that sum to 1."""


@dataclass(frozen=True, slots=True)
class Transitions:
    """`rows[i][j]`: the probability of label j in the bucket after a bucket of label i (ids in label order).

    Raises ValueError for anything but 8 × 8 numbers from 1e-9 to 1 whose rows sum to 1; its text continues a sentence
    after "transitions".
    """

    rows: tuple[Distribution, ...]
    columns: tuple[Distribution, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problem = _problem(self.rows)
        if problem is not None:
            raise ValueError(problem)
        rows = tuple(tuple(float(share) for share in row) for row in self.rows)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "columns", tuple(zip(*rows, strict=True)))

    @classmethod
    def sticky(cls, stay: float) -> Transitions:
        """Build transitions with one probability of staying, and equal ones for all changes."""
        leave = (1 - stay) / (_COUNT - 1)
        return cls(tuple(tuple(stay if i == j else leave for j in range(_COUNT)) for i in range(_COUNT)))

    def to_lists(self) -> list[list[float]]:
        """Return lists for JSON, which keeps every bit."""
        return [list(row) for row in self.rows]


def _problem(rows: object) -> str | None:
    if not isinstance(rows, list | tuple) or len(rows) != _COUNT:
        return f"needs {_COUNT} rows of {_COUNT} numbers, one row for each label in the order of their names"
    for name, row in zip(LABEL_SET_V1, rows, strict=True):
        if not isinstance(row, list | tuple) or len(row) != _COUNT:
            return f"needs {_COUNT} numbers in the row of {name}"
        for share in row:
            if not is_number(share) or not MIN_SHARE <= share <= 1:
                return f"has {describe(share)} in the row of {name}, which is not a number from {MIN_SHARE:g} to 1"
        if abs(sum(row) - 1) > SUM_TOLERANCE:
            return f"has a row of {name} that sums to {sum(row):g} instead of 1"
    return None


BUILT_IN_TRANSITIONS: Final = Transitions.sticky(_STAY)
"""The transitions when none were learnt. The probability is that of simulated people, whose true labels last 20 min on
average: over six personas, four people each and 28 days, the eight labels stay with 0.92 (Communicate) to 0.97 (Meet),
0.95 in the mean. The changes differ too much between people to be assumed, so all of them are equally likely."""


def smoothing_entry(transitions: Transitions) -> dict[str, Any]:
    """Build the value of `smoothing` in a policy from learnt transitions."""
    return {"smoother": "hmm", "transitions": transitions.to_lists()}


def transitions_in(value: object) -> Transitions | None:
    """Parse the learnt transitions of a policy's `smoothing`, None without any.

    Raises ValueError for a wrong value; its text continues a sentence after the key.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError(f"is {describe(value)}")
    smoother, rows = value.get("smoother"), value.get("transitions")
    if smoother not in SMOOTHERS:
        raise ValueError(f'has the smoother {describe(smoother)}, which is neither "majority" nor "hmm"')
    problem = None if rows is None else _problem(rows)
    if problem is not None:
        raise ValueError(f"is unusable: transitions {problem}")
    return Transitions(rows) if smoother == "hmm" and rows is not None else None


def chosen_transitions(smoother: SmootherChoice, learnt: Transitions | None) -> Transitions | None:
    """Select the transitions to smooth with; None for the majority vote. `hmm` falls back to the built-in ones."""
    if smoother == "majority":
        return None
    return BUILT_IN_TRANSITIONS if learnt is None and smoother == "hmm" else learnt
